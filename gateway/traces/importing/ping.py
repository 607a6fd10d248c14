"""Logs of ping: iputils with or without -D and -O, BSD, macOS, BusyBox, Windows in any language.

Rule: one record a number; the first answer counts, and what never answered is lost.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.traces.flights import Floats
from gateway.traces.importing.clock import EPOCH_S, steady
from gateway.traces.importing.csv_text import finish
from gateway.traces.importing.numbering import SOON
from gateway.traces.importing.report import Imported, ImportOptions, ImportReport
from gateway.traces.record import TraceHeader
from gateway.traces.table import TableBuilder

_ANSWER = re.compile(
    r"(?:\[(\d+(?:\.\d+)?)\]\s*)?(?:(\d+) bytes from )?[^=]*?seq[= ](\d+)(?:.*?\btime[=<]\s*(\d+(?:\.\d+)?)\s*(\w*))?"
)
_LOST = re.compile(r"no answer yet|request timeout|timed out|unreachable", re.IGNORECASE)
_UNITS = {"ms": 1e-3, "s": 1.0, "us": 1e-6, "usec": 1e-6}
_WRAP = 65_536
_NEAR_WRAP = 4096
_WINDOWS = re.compile(r"=(\d+)\s+\S+?\s*[=<]\s*(\d+)\s*ms\s+TTL=\d", re.IGNORECASE)
"""`bytes=32 time=14ms TTL=117`, whatever bytes and time are called in that language; `<1ms`."""


@dataclass(slots=True)
class _Answers:
    """A line each: when (NaN not known), number, round trip in seconds (NaN lost), bytes, whether it came once more."""

    stamps: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    copies: list[bool] = field(default_factory=list)

    def add(self, stamp: float, number: int, delay_s: float, size: float, *, is_copy: bool = False) -> None:
        self.stamps.append(stamp)
        self.numbers.append(number)
        self.delays.append(delay_s)
        self.sizes.append(size)
        self.copies.append(is_copy)


def is_windows_ping(lines: Sequence[str]) -> bool:
    """Whether the beginning of a text, lines that are not empty, is what Windows' ping prints."""
    return sum(_WINDOWS.search(line) is not None for line in lines[:200]) > 0.1 * min(len(lines), 200)


def import_ping(text: str, options: ImportOptions) -> Imported:
    """Round trips; of Windows without numbers and times, a line a ping."""
    report, lines = ImportReport("ping log"), text.splitlines()
    is_windows = is_windows_ping([line for line in lines[:400] if line.strip()])
    found = _windows(lines, report) if is_windows else _unix(lines, report)
    if not found.numbers:
        return finish(TraceHeader(), TableBuilder().build(), report)
    return _pings(found, report, options)


def _unix(lines: Sequence[str], report: ImportReport) -> _Answers:
    found, match, nan = _Answers(), _ANSWER.match, math.nan
    for at, line in enumerate(lines, 1):
        answer = match(line)
        if answer is None:
            if line.strip() and not line.startswith(("PING", "---", "rtt ", "round-trip")) and " packets " not in line:
                report.skip(at, f"{line.strip()[:40]!r} is no answer to a ping")
            continue
        stamp, size, number, trip, unit = answer.groups()
        delay_s = float(trip) * _UNITS.get(unit, 1e-3) if trip else nan
        if not trip and _LOST.search(line) is None:
            report.skip(at, f"{line.strip()[:40]!r} tells no time")
            continue
        if len(number) > 5 or int(number) >= _WRAP:
            report.skip(at, f"{number[:40]} is no number of a ping")
            continue
        found.add(
            float(stamp) if stamp else nan,
            int(number),
            delay_s,
            float(size) if size else nan,
            is_copy=trip is not None and "(DUP!)" in line,
        )
    return found


def _windows(lines: Sequence[str], report: ImportReport) -> _Answers:
    """What is no answer was lost, whatever words say so; but for heads, which end with a colon, and the indented
    statistics at the end."""
    found, is_over = _Answers(), False
    for line in lines:
        answer = _WINDOWS.search(line)
        if answer is not None:
            found.add(math.nan, len(found.numbers), float(answer[2]) / 1000, float(answer[1]))
        elif not line.strip() or line[0] in " \t":
            is_over = bool(line.strip())
        elif not is_over and not line.rstrip().endswith(":"):
            found.add(math.nan, len(found.numbers), math.nan, math.nan)
    report.notes.append("of Windows: a line a ping, those without an answer are lost")
    return found


def _counted_on(numbers: Floats, report: ImportReport) -> Floats:
    """Past their 16 bits, and where ping was started anew, one after the last."""
    before, after = numbers[:-1], numbers[1:]
    wraps = (before >= _WRAP - _NEAR_WRAP) & (after < _NEAR_WRAP)
    fall = before - after
    anew = ~wraps & ((fall > _NEAR_WRAP) | ((after <= 1) & (fall > SOON)))
    if anew.any():
        report.notes.append(f"ping was started anew {np.count_nonzero(anew)} times: counted on")
    shift = np.where(wraps, float(_WRAP), 0.0) + np.where(anew, fall + 1, 0.0)
    counted: Floats = numbers + np.concatenate([[0.0], np.cumsum(shift)])
    return counted


def _pings(found: _Answers, report: ImportReport, options: ImportOptions) -> Imported:
    stamps, delays, sizes = np.array(found.stamps), np.array(found.delays), np.array(found.sizes)
    numbers: Floats = np.array(found.numbers, float)
    copies = np.array(found.copies)
    numbers = _counted_on(numbers, report)
    first, last = int(numbers.min()), int(numbers.max())
    # One row a number: the first answer counts, "no answer yet" only where none comes.
    is_answer = ~np.isnan(delays) & ~copies
    answers = dict(
        zip(numbers[is_answer][::-1].astype(int).tolist(), np.flatnonzero(is_answer)[::-1].tolist(), strict=True)
    )
    every = np.arange(first, last + 1)
    row_of = np.array([answers.get(number, -1) for number in every.tolist()])
    is_lost = row_of < 0
    delay_s: Floats = np.where(is_lost, math.nan, delays[row_of])
    sent_s: Floats = np.where(is_lost, math.nan, stamps[row_of] - delay_s)  # ping stamps the answer (iputils, -D)
    has_times = bool(np.any(~np.isnan(sent_s)))
    at_s: Floats
    wall_s: Floats
    if has_times:
        known = ~np.isnan(sent_s)
        fixed, notes = steady(sent_s[known], every[known].astype(float))
        report.notes += notes
        wall_s = np.interp(every, every[known], sent_s[known])
        at_s = np.interp(every, every[known], fixed)
    else:
        at_s = options.interval_s * (every - first).astype(np.float64)
        wall_s = np.full(len(every), math.nan)
        report.notes.append(f"no time stamps (ping -D gives them): an interval of {options.interval_s:g} s is assumed")
    begin_s = float(at_s[0]) if has_times and at_s[0] > EPOCH_S else 0.0
    half = 0.5 if options.halve_round_trips else 1.0
    report.notes.append("delays are " + ("half the round trip" if options.halve_round_trips else "round trips"))
    builder = TableBuilder()
    common = {"direction": "tx", "source": options.station, "destination": options.peer, "kind": "ping"}
    builder.add_columns(
        len(every),
        {
            **common,
            "outcome": np.where(is_lost, "lost", "delivered").tolist(),
            "at_s": at_s - begin_s,
            "wall_s": wall_s,
            "sequence": every,
            "delay_s": half * delay_s,
            "size": np.where(is_lost, math.nan, sizes[row_of]),
        },
    )
    place = (numbers[copies] - first).astype(int)
    builder.add_columns(
        len(place),
        {
            **common,
            "outcome": "copy",
            "at_s": at_s[place] - begin_s,
            "sequence": numbers[copies],
            "delay_s": half * delays[copies],
        },
    )
    return finish(TraceHeader(options.station, 0.0, begin_s or None, {"times": True}), builder.build(), report)
