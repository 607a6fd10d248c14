"""Text without columns: Link'Em loss strings, Mahimahi opportunities, ping logs.

Rule: as everywhere, what does not fit is skipped and told.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from gateway.traces.flights import Floats
from gateway.traces.importing.clock import EPOCH_S, steady
from gateway.traces.importing.csv_text import finish
from gateway.traces.importing.report import Imported, ImportOptions, ImportReport
from gateway.traces.record import TraceHeader
from gateway.traces.table import TableBuilder

MAHIMAHI_BYTES = 1500
"""Each line of a Mahimahi trace lets out so much (mm-link(1))."""
_PING = re.compile(
    r"^(?:\[(?P<stamp>\d+(?:\.\d+)?)\]\s*)?.*?(?P<seq_word>icmp_seq|icmp_seq=|seq)[= ](?P<seq>\d+)"
    r"(?:.*?\btime[=<]\s*(?P<time>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|usec|us)?)?"
)
_PING_LOST = re.compile(r"no answer yet|request timeout|timed out|unreachable", re.IGNORECASE)
_PING_SIZE = re.compile(r"^(?:\[[\d.]+\]\s*)?(\d+) bytes from")
_PING_UNITS = {"ms": 1e-3, "s": 1.0, "us": 1e-6, "usec": 1e-6, None: 1e-3}
_WRAP = 65_536


def import_linkem(text: str, options: ImportOptions) -> Imported:
    """0 is a packet lost, 1 one that was not; all other signs are ignored (FlowEmu, trace loss module)."""
    report = ImportReport("Link'Em loss string")
    signs = np.frombuffer(text.encode("ascii", "ignore"), np.uint8)
    fates = signs[(signs == ord("0")) | (signs == ord("1"))] == ord("1")
    report.notes.append(f"no times: a packet every {options.interval_s:g} s is made up, replay goes by packet")
    builder = TableBuilder()
    builder.add_columns(
        len(fates),
        {
            "direction": "tx",
            "outcome": np.where(fates, "delivered", "lost").tolist(),
            "at_s": options.interval_s * np.arange(len(fates)),
            "sequence": np.arange(len(fates)),
            "source": options.station,
            "destination": options.peer,
        },
    )
    return finish(TraceHeader(options.station, notes={"times": False}), builder.build(), report)


def import_mahimahi(text: str, options: ImportOptions) -> Imported:
    """A time in ms a line, at each of which 1500 bytes may leave (mm-link(1))."""
    report, times, last = ImportReport("Mahimahi opportunities"), list[int](), 0
    for number, line in enumerate(text.splitlines(), 1):
        cell = line.strip()
        if not cell:
            continue
        if not cell.isdecimal() or len(cell) > 15:
            report.skip(number, f"{cell[:40]!r} is no number of milliseconds")
        elif int(cell) < last:
            report.skip(number, f"{cell} ms after {last} ms: time goes back")
        else:
            last = int(cell)
            times.append(last)
    builder = TableBuilder()
    builder.add_columns(
        len(times),
        {
            "direction": "tx",
            "outcome": "opportunity",
            "at_s": np.array(times, float) / 1000,
            "size": MAHIMAHI_BYTES,
            "source": options.station,
            "destination": options.peer,
        },
    )
    return finish(TraceHeader(options.station, notes={"times": True}), builder.build(), report)


def import_ping(text: str, options: ImportOptions) -> Imported:
    """Output of ping (iputils with or without -D and -O, BSD, macOS); round trips."""
    report = ImportReport("ping log")
    stamps, numbers, delays, sizes = list[float](), list[int](), list[float](), list[float]()
    copies = list[bool]()
    for at, line in enumerate(text.splitlines(), 1):
        found = _PING.match(line)
        if found is None:
            if line.strip() and not line.startswith(("PING", "---", "rtt ", "round-trip")) and " packets " not in line:
                report.skip(at, f"{line.strip()[:40]!r} is no answer to a ping")
            continue
        is_lost = _PING_LOST.search(line) is not None
        if found["time"] is None and not is_lost:
            report.skip(at, f"{line.strip()[:40]!r} tells no time")
            continue
        stamps.append(float(found["stamp"]) if found["stamp"] else math.nan)
        numbers.append(int(found["seq"]))
        delays.append(math.nan if is_lost else float(found["time"]) * _PING_UNITS[found["unit"]])
        size = _PING_SIZE.match(line)
        sizes.append(float(size[1]) if size else math.nan)
        copies.append("(DUP!)" in line)
    if not numbers:
        return finish(TraceHeader(), TableBuilder().build(), report)
    return _pings(
        np.array(stamps), np.array(numbers, float), np.array(delays), np.array(sizes), np.array(copies), report, options
    )


def _pings(
    stamps: Floats,
    numbers: Floats,
    delays: Floats,
    sizes: Floats,
    copies: NDArray[np.bool_],
    report: ImportReport,
    options: ImportOptions,
) -> Imported:
    falls = np.diff(numbers) < -_WRAP / 2  # 16 bits: counted on
    numbers = numbers + _WRAP * np.concatenate([[0], np.cumsum(falls)])
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
