"""Tables of text with named columns, whatever separates them; LENS and IRTT tables of both ways among them.

Rule: whole columns at a time, so that a million rows take seconds; a row that does not fit is skipped and told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.traces.flights import Floats
from gateway.traces.importing.cells import Cells, over_midnight
from gateway.traces.importing.clock import EPOCH_S, LATEST_S, epoch_scale, steady
from gateway.traces.importing.columns import MOMENTS, TIMES, UNITS, Column
from gateway.traces.importing.numbering import Indices, in_order, numbered
from gateway.traces.importing.report import Imported, ImportOptions, ImportReport
from gateway.traces.importing.rows import Header, find_header, pieces
from gateway.traces.importing.two_way import TwoWay, two_way
from gateway.traces.record import TraceHeader
from gateway.traces.table import Table, TableBuilder

_LOST = frozenset(("lost", "dropped", "drop", "timeout", "fail", "failed", "0", "false", "no", "-1", "bad", "x"))
_DELIVERED = frozenset(("delivered", "received", "ok", "success", "1", "true", "yes", "good", "ack", "acked"))
_TRUE = frozenset(("1", "1.0", "true", "yes", "y", "t", "lost", "x"))
_OWN = frozenset(("sent", "refused", "copy", "opportunity", "event"))
_TX, _RX = frozenset(("tx", "up", "uplink", "out", "send", "sent")), frozenset(("rx", "down", "downlink", "in", "recv"))
_LINK = frozenset(("link",))
_NUMBERS = ("sequence", "size", "over", "digest", "snr_db", "rssi_dbm", "doppler_hz")
_WORDS = ("source", "destination", "kind", "status", "direction", "outcome", "lost", "delivered", "date")
MOST_DELAY_S = 86_400.0
"""More is no delay of a packet, but damage."""


@dataclass(slots=True)
class _Columns:
    """What was read of the rows that fit: `numbers[field]` (rows,), `words[field]` (rows,), `line` (rows,) of each."""

    cells: dict[str, Cells]
    words: dict[str, list[str]]
    parts: dict[str, list[Floats]]
    lines: list[NDArray[np.int64]] = field(default_factory=list)

    @property
    def numbers(self) -> dict[str, Floats]:
        return {name: np.concatenate([np.empty(0), *parts]) for name, parts in self.parts.items()}

    @property
    def line(self) -> Indices:
        return np.concatenate([np.empty(0, np.int64), *self.lines])


def import_csv(text: str, options: ImportOptions) -> Imported:
    """Raises ValueError for a table that tells neither times nor numbers, or nothing that became of packets."""
    report = ImportReport("table of text")
    lines = text.splitlines()
    header = find_header(lines, options, report)
    read = _read(lines, header, report)
    if "uplink" in header.found and "downlink" in header.found:
        report.format = "table of both ways (LENS, IRTT)"
        return _both_ways(read, report, options)
    return _packets(read, report, options)


def _read(lines: Sequence[str], header: Header, report: ImportReport) -> _Columns:
    found = header.found
    cells = {
        name: Cells(column, header.delimiter, is_time=name in MOMENTS)
        for name, column in found.items()
        if name in TIMES or name in _NUMBERS
    }
    read = _Columns(cells, {name: [] for name in found if name in _WORDS}, {name: [] for name in cells})
    for places, rows in pieces(lines, header, report):
        _add(list(zip(*rows, strict=True)), places, found, read, report)
    return read


def _add(
    columns: list[tuple[str, ...]],
    lines: Sequence[int],
    found: dict[str, Column],
    read: _Columns,
    report: ImportReport,
) -> None:
    values, bad = {}, np.zeros(len(lines), bool)
    for name, cells in read.cells.items():
        column: Sequence[str] = columns[found[name].place]
        if name == "at" and "date" in found:
            column = _with_dates(columns[found["date"].place], column)
        values[name], wrong = cells.numbers(column)
        if name in TIMES or name == "sequence":
            wrong |= np.isnan(values[name]) & (name == "at")
            for place in np.flatnonzero(wrong & ~bad).tolist():
                report.skip(lines[place], f"{found[name].name.strip()} is {column[place][:40]!r}")
            bad |= wrong
    if "sequence" in values:
        report.skipped_numbers.update(values["sequence"][bad & ~np.isnan(values["sequence"])].tolist())
    keep = np.flatnonzero(~bad)
    read.lines.append(np.asarray(lines, np.int64)[keep])
    for name in read.cells:
        read.parts[name].append(values[name][keep])
    for name in read.words:
        column = columns[found[name].place]
        read.words[name] += column if len(keep) == len(column) else [column[place] for place in keep.tolist()]


def _with_dates(dates: Sequence[str], times: Sequence[str]) -> Sequence[str]:
    """A day and a time of it from two columns; times that are moments by themselves stay as they are."""
    if not any(":" in time and len(time.strip()) < 19 for time in times[:20]):
        return times
    return [f"{date.strip()} {time.strip()}" for date, time in zip(dates, times, strict=True)]


def _seconds(values: Floats, cells: Cells, report: ImportReport) -> Floats:
    column, is_time = cells.column, cells.is_time
    if cells.is_of_day:
        values, midnights = over_midnight(values)
        days = f"; midnight passed {midnights} times" if midnights else ""
        report.notes.append(f"{column.name.strip()} is a time of day without a date{days}")
    if cells.is_guessed:
        report.notes.append(f"{column.name.strip()}: dates are read as month/day/year, for none of them tells")
    if column.unit:
        return values * UNITS[column.unit]
    if is_time:
        scale, unit = epoch_scale(values)
        return values * scale if unit != "s" else values
    known = np.abs(values[~np.isnan(values)])
    unit = "ms" if len(known) and float(np.median(known)) >= 5 else "s"
    report.notes.append(f"{column.name.strip()} has no unit: taken as {unit} by its size (--map FIELD=COLUMN:UNIT)")
    return values * UNITS[unit]


def _both_ways(read: _Columns, report: ImportReport, options: ImportOptions) -> Imported:
    # LENS: milliseconds; -1 in uplink or downlink is a packet lost there, in rtt one lost somewhere; 0 is not known.
    numbers, cells = read.numbers, read.cells
    scale = {name: UNITS[cells[name].column.unit or "ms"] for name in ("uplink", "downlink", "rtt") if name in cells}
    lost_up, lost_down = numbers["uplink"] == -1, numbers["downlink"] == -1
    rtt = numbers.get("rtt", numbers["uplink"] + numbers["downlink"])
    lost_somewhere = (rtt == -1) & ~lost_up & ~lost_down
    gone = lost_up | lost_down | lost_somewhere
    known = [np.where(gone, math.nan, column) for column in (numbers["uplink"], numbers["downlink"], rtt)]
    at_s = _seconds(numbers["at"], cells["at"], report)
    return two_way(
        TwoWay(
            at_s,
            numbers.get("sequence", np.full(len(at_s), math.nan)),
            known[0] * scale["uplink"],
            known[1] * scale["downlink"],
            known[2] * scale.get("rtt", scale["uplink"]),
            lost_up,
            lost_down,
            lost_somewhere,
        ),
        report,
        options,
    )


def _packets(read: _Columns, report: ImportReport, options: ImportOptions) -> Imported:
    numbers, words, cells = read.numbers, read.words, read.cells
    count = len(read.line)
    unknown = np.full(count, math.nan)
    sequence = numbers.get("sequence", unknown)
    delay_s = unknown
    if "delay" in cells:
        delay_s = _delays(numbers["delay"], cells["delay"], report)
    elif "rtt" in cells:
        delay_s = _delays(numbers["rtt"], cells["rtt"], report) * (0.5 if options.halve_round_trips else 1.0)
        report.notes.append("delays are " + ("half the round trip" if options.halve_round_trips else "round trips"))
    has_times = "at" in cells
    raw_s: Floats = (
        _seconds(numbers["at"], cells["at"], report)
        if has_times
        else options.interval_s * np.arange(count, dtype=np.float64)
    )
    if "arrived" in cells and has_times and "delay" not in cells:
        delay_s = _seconds(numbers["arrived"], cells["arrived"], report) - raw_s
    columns: dict[str, object] = {
        "at_s": raw_s,
        "sequence": sequence,
        "delay_s": delay_s,
        **({"wall_s": _seconds(numbers["wall"], cells["wall"], report)} if "wall" in cells else {}),
        **{name: words[name] for name in ("source", "destination", "kind", "status") if name in words},
        **{name: numbers[name] for name in _NUMBERS[1:] if name in numbers},
        **{name: words[name] for name in ("direction", "outcome", "lost", "delivered") if name in words},
    }
    columns, count = _usable(columns, read.line, has_times, report)
    return _table(columns, count, has_times, report, options)


def _usable(
    columns: dict[str, object], line: Indices, has_times: bool, report: ImportReport
) -> tuple[dict[str, object], int]:
    """Without rows whose times can be no times, and from the oldest to the newest."""
    at_s, delay_s = columns["at_s"], columns["delay_s"]
    assert isinstance(at_s, np.ndarray)
    assert isinstance(delay_s, np.ndarray)
    strange = (np.abs(at_s) > LATEST_S) | (np.abs(delay_s) > MOST_DELAY_S)
    for place in np.flatnonzero(strange).tolist():
        report.skip(int(line[place]), f"a time of {at_s[place]:.6g} s, a delay of {delay_s[place]:.6g} s: no packet's")
    rows = np.flatnonzero(~strange)
    steps = np.diff(at_s[rows] if has_times else np.asarray(columns["sequence"])[rows])
    if np.count_nonzero(steps < 0) > max(1, 0.5 * np.count_nonzero(steps)):
        report.notes.append("the newest row stands first: read from the end")
        rows = rows[::-1]
        if not has_times:
            columns["at_s"] = at_s[::-1]
    if len(rows) == len(line) and (not len(rows) or rows[0] == 0):
        return columns, len(rows)
    return {name: _taken(column, rows) for name, column in columns.items()}, len(rows)


def _taken(column: object, rows: Indices) -> object:
    if isinstance(column, np.ndarray):
        return column[rows]
    return [column[row] for row in rows.tolist()] if isinstance(column, list) else column


def _table(
    columns: dict[str, object], count: int, has_times: bool, report: ImportReport, options: ImportOptions
) -> Imported:
    raw_s, sequence, delay_s = (np.asarray(columns[name], float) for name in ("at_s", "sequence", "delay_s"))
    words = {name: value for name, value in columns.items() if isinstance(value, list)}
    has_wall = "wall_s" in columns  # then the times are monotonic ones
    outcome, tells_loss = _outcomes(words, delay_s)
    if count and not tells_loss and np.isnan(sequence).all() and np.isnan(delay_s).all():
        raise ValueError("its columns tell times, but not what became of packets")
    is_epoch = bool(count) and has_times and float(np.median(raw_s)) > EPOCH_S
    at_s = raw_s if has_wall else _steady(raw_s, sequence, report)
    begin_s = float(at_s.min()) if count and is_epoch and not has_wall else 0.0
    columns |= {
        "outcome": outcome,
        "direction": _directions(words.get("direction"), count),
        "at_s": at_s - begin_s,
        **({"wall_s": raw_s} if is_epoch and not has_wall else {}),
        "delay_s": np.where(delay_s < 0, math.nan, delay_s),
        "source": words.get("source", options.station if "direction" not in words else ""),
        "destination": words.get("destination", options.peer if "direction" not in words else ""),
    }
    if count and "over" not in columns and not np.isnan(sequence).all():
        columns, count = _in_order(columns, count, report, find_missing=not tells_loss)
    if not has_times:
        report.notes.append(f"no times: a packet every {options.interval_s:g} s is made up, replay goes by packet")
    builder = TableBuilder()
    builder.add_columns(count, columns)
    header = TraceHeader(options.station, 0.0, begin_s or None, {"times": has_times})
    return finish(header, builder.build(), report)


def _steady(raw_s: Floats, sequence: Floats, report: ImportReport) -> Floats:
    """Times without the steps of a clock. A log of arrivals may tell when its packets were sent: then they are in the
    order of their numbers, and not of its rows."""
    order = np.arange(len(raw_s))
    if not np.isnan(sequence).all():
        by_number = in_order(sequence)[0]
        falls = [int(np.count_nonzero(np.diff(raw_s[rows]) < 0)) for rows in (order, by_number)]
        order = by_number if falls[1] < falls[0] else order
    fixed, steps = steady(raw_s[order], sequence[order])
    report.notes += steps
    at_s = np.empty(len(raw_s))
    at_s[order] = fixed
    return at_s


def _in_order(
    columns: dict[str, object], count: int, report: ImportReport, *, find_missing: bool
) -> tuple[dict[str, object], int]:
    """By the numbers of packets: in their order, copies told, missing ones filled in as lost."""
    ways = [columns[name] for name in ("direction", "source", "destination")]
    groups = np.zeros(count, np.int64)
    for way in ways:
        if isinstance(way, list):
            known = {word: code for code, word in enumerate(dict.fromkeys(way))}
            groups = groups * len(known) + np.array([known[word] for word in way], np.int64)
    outcome = np.array(columns["outcome"], object)
    found = numbered(
        np.asarray(columns["sequence"], float),
        np.asarray(columns["at_s"], float),
        groups,
        outcome == "delivered",
        report,
        find_missing=find_missing,
    )
    rows = found.row.tolist()
    taken: dict[str, object] = {}
    for name, column in columns.items():
        if isinstance(column, np.ndarray):
            taken[name] = np.where(found.is_missing, math.nan, column[found.row])
        elif isinstance(column, list):
            gone = found.is_missing if name == "status" else np.zeros(len(rows), bool)
            taken[name] = ["" if is_gone else column[row] for row, is_gone in zip(rows, gone.tolist(), strict=True)]
        else:
            taken[name] = column
    fates = np.where(found.is_missing, "lost", np.where(found.is_copy, "copy", outcome[found.row]))
    return taken | {"sequence": found.sequence, "at_s": found.at_s, "outcome": fates.tolist()}, len(rows)


def _delays(values: Floats, cells: Cells, report: ImportReport) -> Floats:
    """In seconds; what is negative stays so: it means lost."""
    known = np.where(values < 0, math.nan, values)
    return np.where(values < 0, -1.0, _seconds(known, cells, report))


def _outcomes(words: dict[str, list[str]], delay_s: Floats) -> tuple[list[str], bool]:
    """The outcome of each row, and whether anything in the table tells a loss."""
    if "outcome" in words:
        return [_outcome(word) for word in words["outcome"]], True
    if "lost" in words:
        return ["lost" if word.strip().lower() in _TRUE else "delivered" for word in words["lost"]], True
    if "delivered" in words:
        known = {word: _outcome(word) for word in set(words["delivered"])}
        return [known[word] for word in words["delivered"]], True
    said = {word.strip().lower() for word in words.get("status", ())}
    if said and said <= _LOST | _DELIVERED:
        return [_outcome(word) for word in words["status"]], True
    if np.isnan(delay_s).all():
        return ["delivered"] * len(delay_s), False
    is_lost = np.isnan(delay_s) | (delay_s < 0)
    return np.where(is_lost, "lost", "delivered").tolist(), bool(is_lost.any())


def _outcome(word: str) -> str:
    word = word.strip().lower()
    return word if word in _OWN else "lost" if word in _LOST else "delivered"


def _directions(words: list[str] | None, count: int) -> str | list[str]:
    if words is None:
        return "tx"
    known = {word: _direction(word.strip().lower()) for word in set(words)}
    return [known[word] for word in words]


def _direction(word: str) -> str:
    return "rx" if word in _RX else "link" if word in _LINK else "tx"


def finish(header: TraceHeader, table: Table, report: ImportReport) -> Imported:
    """The result; an import of nothing is an error, raised as ValueError."""
    report.rows = len(table)
    if not len(table):
        why = f": line {report.problems[0][0]}: {report.problems[0][1]}" if report.problems else ""
        raise ValueError(f"no row of it can be used{why}")
    return Imported(header, table, report)
