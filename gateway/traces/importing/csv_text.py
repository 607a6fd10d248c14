"""Tables of text with named columns, whatever separates them; LENS and IRTT tables of both ways among them.

Rule: whole columns at a time, so that a million rows take seconds; a row that does not fit is skipped and told.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gateway.traces.flights import MAX_GAP, Floats
from gateway.traces.importing.clock import EPOCH_S, epoch_scale, steady
from gateway.traces.importing.columns import TIMES, UNITS, Column, find_columns
from gateway.traces.importing.report import Imported, ImportOptions, ImportReport
from gateway.traces.importing.two_way import TwoWay, two_way
from gateway.traces.record import TraceHeader
from gateway.traces.table import Table, TableBuilder

DELIMITERS = ",;\t|"
_CHUNK_ROWS = 1 << 16
_NOTHING = frozenset(("", "-", "nan", "na", "n/a", "null", "none", "inf", "infinity", "*"))
_LOST = frozenset(("lost", "dropped", "drop", "timeout", "fail", "failed", "0", "false", "no", "-1", "bad", "x"))
_DELIVERED = frozenset(("delivered", "received", "ok", "success", "1", "true", "yes", "good", "ack", "acked"))
_TRUE = frozenset(("1", "1.0", "true", "yes", "y", "t", "lost", "x"))
_OWN = frozenset(("sent", "refused", "copy", "opportunity", "event"))
_TX, _RX = frozenset(("tx", "up", "uplink", "out", "send", "sent")), frozenset(("rx", "down", "downlink", "in", "recv"))
_LINK = frozenset(("link",))
_NUMBERS = ("sequence", "size", "over", "digest", "snr_db", "rssi_dbm", "doppler_hz")
_WORDS = ("source", "destination", "kind", "status", "direction", "outcome", "lost", "delivered")


def import_csv(text: str, options: ImportOptions) -> Imported:
    """Raises ValueError for a table that tells neither times nor numbers, or nothing that became of packets."""
    report = ImportReport("table of text")
    lines = text.splitlines()
    delimiter = options.delimiter or sniff(lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    header, first_line = _header(reader, options, delimiter)
    found = find_columns(header, options.columns)
    _check(header, found)
    numbers, words = _columns(reader, header, found, report, first_line, delimiter)
    if "uplink" in found and "downlink" in found:
        report.format = "table of both ways (LENS, IRTT)"
        return _both_ways(numbers, found, report, options)
    return _packets(numbers, words, found, report, options)


def sniff(lines: Sequence[str]) -> str:
    """The separator of the header that most of the first lines have as many of; blank where there is none."""
    sample = [line for line in lines[:50] if line.strip() and not line.startswith("#")]
    best, best_score = " ", 0.0
    for sign in DELIMITERS:
        wanted = sample[0].count(sign) if sample else 0
        alike = sum(line.count(sign) == wanted for line in sample)
        score = alike * min(wanted, 30) ** 0.5
        if score > best_score:
            best, best_score = sign, score
    return best


def _header(reader: object, options: ImportOptions, delimiter: str) -> tuple[list[str], int]:
    for row in reader:  # type: ignore[attr-defined]
        if row and row[0].startswith("#") and len(row) > 1 and options.has_header and delimiter != " ":
            row[0] = row[0].lstrip("# ")  # a header that is a comment
        elif not any(cell.strip() for cell in row) or row[0].startswith("#"):
            continue
        if options.has_header:
            return row, reader.line_num + 1  # type: ignore[attr-defined]
        break
    else:
        raise ValueError("no header and no rows")
    raise ValueError("without a header, columns are told by number: --map at=1 --map delay=2:ms")


def _check(header: Sequence[str], found: dict[str, Column]) -> None:
    tells = {
        "delay",
        "rtt",
        "arrived",
        "outcome",
        "lost",
        "delivered",
        "status",
        "sequence",
        "uplink",
        "downlink",
    } & set(found)
    if not tells or not {"at", "sequence"} & set(found):
        names = ", ".join(name.strip() for name in header[:12])
        raise ValueError(
            f"no columns that tell when packets were sent and what became of them (found: {names[:200]}); "
            "--map FIELD=COLUMN says which is which"
        )


def _columns(
    reader: object,
    header: Sequence[str],
    found: dict[str, Column],
    report: ImportReport,
    first_line: int,
    delimiter: str,
) -> tuple[dict[str, Floats], dict[str, list[str]]]:
    numbers: dict[str, list[Floats]] = {field: [] for field in found if field in TIMES or field in _NUMBERS}
    words: dict[str, list[str]] = {field: [] for field in found if field in _WORDS}
    line, width = first_line, len(header)
    while rows := _some_rows(reader, report, line):
        lines: Sequence[int] = range(line, line + len(rows))
        if set(map(len, rows)) != {width}:
            good, kept = [], []
            for place, row in zip(lines, rows, strict=True):
                if len(row) == width or (len(row) == width + 1 and not row[-1].strip()):
                    good.append(row[:width])
                    kept.append(place)
                elif row and not row[0].startswith("#"):
                    report.skip(place, f"{len(row)} fields; the header has {width}")
            lines, read, rows = kept, len(rows), good
        else:
            read = len(rows)
        if rows:
            _add(list(zip(*rows, strict=True)), lines, found, numbers, words, report, delimiter)
        line += read
    return {field: np.concatenate([np.empty(0), *parts]) for field, parts in numbers.items()}, words


def _some_rows(reader: object, report: ImportReport, line: int) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        rows.extend(islice(reader, _CHUNK_ROWS))  # type: ignore[call-overload]
    except csv.Error as error:
        report.skip(line + len(rows), str(error))
        rows.append([])
    return rows


def _add(
    columns: list[tuple[str, ...]],
    lines: Sequence[int],
    found: dict[str, Column],
    numbers: dict[str, list[Floats]],
    words: dict[str, list[str]],
    report: ImportReport,
    delimiter: str,
) -> None:
    values, bad = {}, np.zeros(len(lines), bool)
    for field in numbers:
        values[field], wrong = _floats(columns[found[field].place], delimiter)
        if field in TIMES or field == "sequence":
            wrong |= np.isnan(values[field]) & (field == "at")
            for place in np.flatnonzero(wrong & ~bad).tolist():
                cell = columns[found[field].place][place]
                report.skip(lines[place], f"{found[field].name.strip()} is {cell[:40]!r}")
            bad |= wrong
    if "sequence" in values:
        report.skipped_numbers.update(values["sequence"][bad & ~np.isnan(values["sequence"])].tolist())
    keep = np.flatnonzero(~bad)
    for field in numbers:
        numbers[field].append(values[field][keep])
    for field in words:
        column = columns[found[field].place]
        words[field] += column if len(keep) == len(column) else [column[place] for place in keep.tolist()]


def _floats(texts: Sequence[str], delimiter: str) -> tuple[Floats, NDArray[np.bool_]]:
    """The numbers of a column, NaN for none; and which cells are neither a number nor a word for none."""
    try:
        values = np.fromiter(map(float, texts), np.float64, len(texts))
        values[np.isinf(values)] = math.nan
        return values, np.zeros(len(texts), bool)
    except ValueError:
        pass
    values, wrong = np.empty(len(texts)), np.zeros(len(texts), bool)
    for place, text in enumerate(texts):
        values[place] = _float(text, delimiter)
        if math.isnan(values[place]) and text.strip().lower() not in _NOTHING:
            wrong[place] = True
    return values, wrong


def _float(text: str, delimiter: str) -> float:
    cell = text.strip()
    try:
        value = float(cell)
        return value if math.isfinite(value) else math.nan
    except ValueError:
        pass
    if cell.count(",") == 1 and delimiter != ",":
        try:
            return float(cell.replace(",", "."))
        except ValueError:
            return math.nan
    if len(cell) >= 10 and cell[4:5] == "-":
        try:
            when = datetime.fromisoformat(cell)
        except ValueError:
            return math.nan
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return math.nan


def _seconds(values: Floats, column: Column, report: ImportReport, *, is_time: bool) -> Floats:
    if column.unit:
        return values * UNITS[column.unit]
    if is_time:
        scale, unit = epoch_scale(values)
        return values * scale if unit != "s" else values
    known = np.abs(values[~np.isnan(values)])
    unit = "ms" if len(known) and float(np.median(known)) >= 5 else "s"
    report.notes.append(f"{column.name.strip()} has no unit: taken as {unit} by its size (--map FIELD=COLUMN:UNIT)")
    return values * UNITS[unit]


def _both_ways(
    numbers: dict[str, Floats], found: dict[str, Column], report: ImportReport, options: ImportOptions
) -> Imported:
    # LENS: milliseconds; -1 in uplink or downlink is a packet lost there, in rtt one lost somewhere; 0 is not known.
    scale = {field: UNITS[found[field].unit or "ms"] for field in ("uplink", "downlink", "rtt") if field in found}
    lost_up, lost_down = numbers["uplink"] == -1, numbers["downlink"] == -1
    rtt = numbers.get("rtt", numbers["uplink"] + numbers["downlink"])
    lost_somewhere = (rtt == -1) & ~lost_up & ~lost_down
    gone = lost_up | lost_down | lost_somewhere
    known = [np.where(gone, math.nan, column) for column in (numbers["uplink"], numbers["downlink"], rtt)]
    at_s = _seconds(numbers["at"], found["at"], report, is_time=True)
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


def _packets(
    numbers: dict[str, Floats],
    words: dict[str, list[str]],
    found: dict[str, Column],
    report: ImportReport,
    options: ImportOptions,
) -> Imported:
    count = len(next(iter(numbers.values())))
    unknown = np.full(count, math.nan)
    sequence = numbers.get("sequence", unknown)
    delay_s = unknown
    if "delay" in found:
        delay_s = _delays(numbers["delay"], found["delay"], report)
    elif "rtt" in found:
        delay_s = _delays(numbers["rtt"], found["rtt"], report) * (0.5 if options.halve_round_trips else 1.0)
        report.notes.append("delays are " + ("half the round trip" if options.halve_round_trips else "round trips"))
    has_times = "at" in found
    raw_s: Floats = (
        _seconds(numbers["at"], found["at"], report, is_time=True)
        if has_times
        else options.interval_s * np.arange(count, dtype=np.float64)
    )
    if "arrived" in found and has_times and "delay" not in found:
        delay_s = _seconds(numbers["arrived"], found["arrived"], report, is_time=True) - raw_s
    outcome, tells_loss = _outcomes(words, delay_s)
    if count and not tells_loss and "sequence" not in found and np.isnan(delay_s).all():
        raise ValueError("its columns tell times, but not what became of packets")
    delay_s = np.where(delay_s < 0, math.nan, delay_s)
    is_epoch = bool(count) and has_times and float(np.median(raw_s)) > EPOCH_S
    wall_s = (
        _seconds(numbers["wall"], found["wall"], report, is_time=True)
        if "wall" in found
        else raw_s
        if is_epoch
        else unknown
    )
    at_s, steps = (raw_s, []) if "wall" in found else steady(raw_s, sequence)
    report.notes += steps
    begin_s = float(at_s[0]) if count and is_epoch and "wall" not in found else 0.0
    at_s = at_s - begin_s
    direction = _directions(words.get("direction"), count)
    columns: dict[str, object] = {
        "direction": direction,
        "outcome": outcome,
        "at_s": at_s,
        "wall_s": wall_s,
        "sequence": sequence,
        "delay_s": delay_s,
        "source": words.get("source", options.station if "direction" not in words else ""),
        "destination": words.get("destination", options.peer if "direction" not in words else ""),
        **{field: words[field] for field in ("kind", "status") if field in words},
        **{field: numbers[field] for field in _NUMBERS[1:] if field in numbers},
    }
    if not tells_loss and "sequence" in found and count > 1:
        columns, count = _fill_gaps(columns, count, report)
    if not has_times:
        report.notes.append(f"no times: a packet every {options.interval_s:g} s is made up, replay goes by packet")
    builder = TableBuilder()
    builder.add_columns(count, columns)
    header = TraceHeader(options.station, 0.0, begin_s or None, {"times": has_times})
    return finish(header, builder.build(), report)


def _delays(values: Floats, column: Column, report: ImportReport) -> Floats:
    """In seconds; what is negative stays so: it means lost."""
    known = np.where(values < 0, math.nan, values)
    return np.where(values < 0, -1.0, _seconds(known, column, report, is_time=False))


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


def _fill_gaps(columns: dict[str, object], count: int, report: ImportReport) -> tuple[dict[str, object], int]:
    """Nothing tells a loss: numbers that are missing between two neighbours are packets that were lost."""
    sequence, at_s = columns["sequence"], columns["at_s"]
    assert isinstance(sequence, np.ndarray)
    assert isinstance(at_s, np.ndarray)
    steps = np.diff(sequence)
    gaps = np.flatnonzero((steps > 1) & (steps <= MAX_GAP))
    restarts, huge = int(np.count_nonzero(steps < 0)), int(np.count_nonzero(steps > MAX_GAP))
    if restarts:
        report.notes.append(f"numbers fell {restarts} times: taken as new beginnings")
    if huge:
        report.notes.append(f"numbers jumped by more than {MAX_GAP} {huge} times: not taken as losses")
    if not len(gaps):
        return columns, count
    missing = (steps[gaps] - 1).astype(np.int64)
    at = np.repeat(gaps + 1, missing)
    place = np.concatenate([np.arange(1, n + 1) for n in missing.tolist()])
    share = place / np.repeat(steps[gaps], missing)
    # A row that could not be read is no packet lost.
    is_gone = ~np.isin(sequence[at - 1] + place, np.array(sorted(report.skipped_numbers), float))
    at, place, share = at[is_gone], place[is_gone], share[is_gone]
    before, total = at - 1, len(at)
    report.notes.append(f"{total} numbers are missing and taken as packets lost (in {len(gaps)} gaps)")
    filled: dict[str, object] = {}
    for name, column in columns.items():
        if name == "sequence":
            filled[name] = np.insert(sequence, at, sequence[before] + place)
        elif name == "at_s":
            filled[name] = np.insert(at_s, at, at_s[before] + share * (at_s[at] - at_s[before]))
        elif isinstance(column, np.ndarray):
            filled[name] = np.insert(column, at, math.nan)
        elif isinstance(column, list):
            extra = ["lost"] * total if name == "outcome" else np.array(column, object)[before].tolist()
            filled[name] = np.insert(np.array(column, object), at, extra).tolist()
        else:
            filled[name] = column
    return filled, count + total


def finish(header: TraceHeader, table: Table, report: ImportReport) -> Imported:
    """The result; an import of nothing is an error, raised as ValueError."""
    report.rows = len(table)
    if not len(table):
        why = f": line {report.problems[0][0]}: {report.problems[0][1]}" if report.problems else ""
        raise ValueError(f"no row of it can be used{why}")
    return Imported(header, table, report)
