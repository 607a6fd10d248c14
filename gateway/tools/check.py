"""What `clarilink check` does: looks at configuration files and at what they need of this machine, and tells it all.

Rule: no file is so wrong that this raises; whatever is found, all else is still looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gateway.checkup.across import check_across
from gateway.checkup.findings import WHOLE_FILE, Finding, Findings, Level
from gateway.checkup.machine import check_machine
from gateway.checkup.others import check_bridge, check_channel, check_modem, check_net, check_protection
from gateway.checkup.reading import Kind, kind_of, read_table
from gateway.checkup.station import check_station
from gateway.checkup.surroundings import Surroundings
from gateway.config import StationConfig

THIS_MACHINE = Path("this machine")


def check_files(
    paths: Sequence[Path], around: Surroundings | None = None, *, is_one_net: bool = False
) -> list[Finding]:
    """All findings of all files, in their order, and of this machine; `is_one_net` compares the stations' files."""
    surroundings = Surroundings() if around is None else around
    looked_at: list[Findings] = []
    stations: list[tuple[Findings, StationConfig]] = []
    for path in dict.fromkeys(paths):
        findings = Findings(path)
        looked_at.append(findings)
        with findings.looking_at(WHOLE_FILE):
            config = _check_file(findings, surroundings)
            if config is not None:
                stations.append((findings, config))
    if is_one_net:
        check_across(stations)
    if not surroundings.quick:
        machine = Findings(THIS_MACHINE)
        check_machine(machine, paths, surroundings)
        looked_at.append(machine)
    return [finding for findings in looked_at for finding in findings.all]


def is_good(findings: Sequence[Finding]) -> bool:
    """Whether there is no problem; warnings are allowed."""
    return all(finding.level is not Level.PROBLEM for finding in findings)


def summary(findings: Sequence[Finding]) -> str:
    """The last line of a report."""
    counts = Counter(finding.level for finding in findings)
    problems, warnings = counts[Level.PROBLEM], counts[Level.WARNING]
    words = [
        f"{problems} problem{'' if problems == 1 else 's'}" if problems else "no problems",
        f"{warnings} warning{'' if warnings == 1 else 's'}" if warnings else "no warnings",
    ]
    return f"{', '.join(words)}, {counts[Level.OK]} ok"


def as_json(findings: Sequence[Finding]) -> dict[str, object]:
    """All findings with stable names."""
    return {
        "good": is_good(findings),
        "findings": [
            {
                "level": finding.level.value,
                "file": finding.file,
                "key": finding.key,
                "text": finding.text,
                "todo": finding.todo,
            }
            for finding in findings
        ],
    }


def _check_file(findings: Findings, around: Surroundings) -> StationConfig | None:
    table = read_table(findings.file)
    match kind_of(table):
        case Kind.STATION:
            return check_station(table, findings, around)
        case Kind.MODEM:
            check_modem(findings)
        case Kind.BRIDGE:
            check_bridge(table, findings, around)
        case Kind.NET:
            check_net(findings, around)
        case Kind.CHANNEL:
            check_channel(findings)
        case Kind.PROTECTION:
            check_protection(findings)
        case Kind.TRAINER:
            text = "a file of the trainer, which reads it itself"
            findings.warn(WHOLE_FILE, text, "`python -m gateway.trainer train FILE --help`")
        case None:
            text = "has no key of a station, modem, bridge, channel or protection file"
            findings.problem(WHOLE_FILE, text, "configs/ has one of each kind to begin with")
    return None
