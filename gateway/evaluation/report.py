"""One table of systems: figures with their intervals, for people, for spreadsheets and for programs.

Rule: what a system could not do is absent, not zero.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BOOTSTRAP_ROUNDS = 1000
NAME_COLUMNS = 29


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval over speakers."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One system under one condition of the input ('' is clean).

    `dwer` (against the recogniser's text of the clean original) and `wer` (against the transcript) are by recogniser;
    `measures` are STOI, PESQ, DNSMOS and so on by name. `behind` is, by system of ours at 300 bit/s and by recogniser,
    this system's dWER less that one's under the same condition, clip by clip: the interval of the difference is much
    narrower than the two figures' own, for a clip that is hard for one is hard for the other. `since` is, by figure
    ("dwer base", "stoi"), by how much it is more than in an earlier run, clip by clip, too.
    """

    system: str
    condition: str
    bits_a_second: int | None
    dwer: dict[str, Interval]
    wer: dict[str, Interval]
    measures: dict[str, Interval]
    behind: dict[str, dict[str, Interval]] = field(default_factory=dict)
    since: dict[str, Interval] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """System and condition in words."""
        return f"{self.system}, {self.condition}" if self.condition else self.system


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The table, what it was measured on, speed of ours (see `tools.bench.BenchReport`; empty if not asked for),
    and notes."""

    subset: str
    clips: int
    speakers: int
    seconds: float
    rows: tuple[Row, ...]
    speed: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default_factory=tuple)


def interval(speakers: Sequence[str], amounts: NDArray[np.float64], sizes: NDArray[np.float64]) -> Interval:
    """Sum of `amounts` over sum of `sizes`, both (clips,); the interval from drawing speakers with replacement."""
    names = sorted(set(speakers))
    member = np.array([names.index(speaker) for speaker in speakers])
    by_amount = np.bincount(member, amounts, len(names))
    by_size = np.bincount(member, sizes, len(names))
    draws = np.random.default_rng(0).integers(0, len(names), (BOOTSTRAP_ROUNDS, len(names)))
    ratios = by_amount[draws].sum(1) / np.maximum(1, by_size[draws].sum(1))
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(float(amounts.sum() / max(1.0, sizes.sum())), float(low), float(high))


def table(report: EvaluationReport) -> str:
    """The report for people: words first, then the rest, each within 120 columns."""
    asr = list(dict.fromkeys(name for row in report.rows for name in row.wer | row.dwer))
    measures = list(dict.fromkeys(name for row in report.rows for name in row.measures))
    lines = [
        f"{report.subset}: {report.clips} dev clips, {report.speakers} speakers, {report.seconds:.0f} s; "
        "word error rates in %, 95 % intervals by speaker",
        *_part(report, {f"dWER {name}": 20 for name in asr}, _words),
    ]
    transcribed = [name for name in asr if any(name in row.wer for row in report.rows)]
    if transcribed or measures:
        widths = {f"WER {name}": 15 for name in transcribed} | {n.upper(): max(8, len(n) + 2) for n in measures}
        lines += ["", *_part(report, widths, _others)]
    for row in report.rows:
        # Against the other codecs: that the original keeps more words than ours needs no interval.
        for ours, figures in row.behind.items() if row.system.startswith("codec2") else ():
            points = ", ".join(f"{name} {percent(figure, '+')}" for name, figure in figures.items())
            lines.append(f"{row.name} less {ours}, points of dWER: {points}")
    for row in report.rows:
        lines += [f"{row.name}, {figure} changed by {_more(figure, more)}" for figure, more in row.since.items()]
    if report.speed:
        s = report.speed
        lines.append(
            f"ours on one core: encode {s['encode_real_time_factor']:.3f}, decode {s['decode_real_time_factor']:.3f} "
            f"of real time; 80 ms step p99 {s['encode_step_ms_p99']:.1f} and {s['decode_step_ms_p99']:.1f} ms; "
            f"delay {s['algorithmic_delay_ms']:.0f} ms; weights {s['weights_mb']:.2f} MB"
        )
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def _part(report: EvaluationReport, widths: dict[str, int], cells: Callable[[Row], dict[str, str]]) -> list[str]:
    """Lines of one table: `cells` gives those of a row by the names of columns, of so many characters."""
    lines = [f"{'system':<{NAME_COLUMNS}}{'bit/s':>6}" + "".join(f"{name:>{width}}" for name, width in widths.items())]
    for row in report.rows:
        name = row.name
        if len(name) >= NAME_COLUMNS:  # a long name has its line for itself
            lines.append(name)
            name = ""
        found = cells(row)
        lines.append(
            f"{name:<{NAME_COLUMNS}}{row.bits_a_second or '-':>6}"
            + "".join(f"{found.get(column, '-'):>{width}}" for column, width in widths.items())
        )
    return lines


def _words(row: Row) -> dict[str, str]:
    return {f"dWER {name}": percent(figure) for name, figure in row.dwer.items()}


def _others(row: Row) -> dict[str, str]:
    words = {f"WER {name}": f"{100 * figure.value:.1f}" for name, figure in row.wer.items()}
    return words | {name.upper(): f"{figure.value:.{_places(name)}f}" for name, figure in row.measures.items()}


def _places(measure: str) -> int:
    return 3 if measure.startswith(("stoi", "nats")) else 2


def _more(figure: str, more: Interval) -> str:
    """By how much a figure is more, with its interval: words in points."""
    if figure.startswith(("dwer ", "wer ")):
        return percent(more, "+")
    value, low, high = (f"{x:+.{_places(figure)}f}" for x in (more.value, more.low, more.high))
    return f"{value} ({low}..{high})"


def percent(figure: Interval, sign: str = "") -> str:
    """A share as per cent with its interval."""
    value, low, high = (f"{100 * x:{sign}.1f}".replace("100.0", "100") for x in (figure.value, figure.low, figure.high))
    return f"{value} ({low}..{high})"


def write_report(out: Path, report: EvaluationReport) -> None:
    """report.json, and report.csv with a line a row: figures empty where absent, and their ends as _low and _high."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(asdict(report), indent=2) + "\n")
    flat = [_flat(row) for row in report.rows]
    names = list(dict.fromkeys(name for line in flat for name in line))
    with (out / "report.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(flat)


def _flat(row: Row) -> dict[str, str]:
    line = {"system": row.system, "condition": row.condition, "bits_a_second": str(row.bits_a_second or "")}
    behind = {f"behind_{ours}_": figures for ours, figures in row.behind.items()}
    groups = {"dwer_": row.dwer, **behind, "wer_": row.wer, "": row.measures, "since_": row.since}
    for prefix, figures in groups.items():
        for name, figure in figures.items():
            for end, value in asdict(figure).items():
                column = f"{prefix}{name}".replace(" ", "_")
                line[column + ("" if end == "value" else f"_{end}")] = f"{value:.4f}"
    return line
