"""What two stations recorded of one link, as one trace: each packet delivered, lost, or beyond what the other saw.

Rule: nothing is guessed. A packet sent while the other station did not record keeps the outcome "sent".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from gateway.errors import TraceError
from gateway.traces.align import Clocks, Floats, Matches, align, match
from gateway.traces.load import Trace
from gateway.traces.record import Direction, Outcome, TraceHeader, TraceRecord
from gateway.traces.table import Table


@dataclass(frozen=True, slots=True)
class Joined:
    """A trace of both ways on the clock of the first, and how it came about, in words."""

    header: TraceHeader
    records: tuple[TraceRecord, ...]
    clocks: Clocks
    notes: tuple[str, ...]


class ClockSource(Enum):
    """What tells how the two clocks differ."""

    PACKETS = "packets"
    CALENDAR = "calendar"
    """The stations' own calendars (GPS, NTP, one machine), as the headers relate them to their clocks."""


def join(first: Trace, second: Trace, min_delay_s: float = 0.0, source: ClockSource = ClockSource.PACKETS) -> Joined:
    """`min_delay_s` is the shortest delay, for packets that all go one way.

    Raises TraceError where no packet of one log is in the other, or a header lacks the calendar asked for.
    """
    names = _names(first, second)
    sent = [_rows(trace.table, "tx", "sent", "delivered", "lost") for trace in (first, second)]
    heard = [_rows(trace.table, "rx", "delivered", "copy") for trace in (first, second)]
    there, back = match(sent[0], heard[1]), match(sent[1], heard[0])
    pairs = [_times(sent[0], heard[1], there), _times(sent[1], heard[0], back)]
    try:
        clocks = align(pairs[0], pairs[1], min_delay_s)
    except ValueError as error:
        raise TraceError(f"{first.path} and {second.path}: {error}") from error
    if source is ClockSource.CALENDAR:
        clocks = _by_calendar(first, second, pairs, clocks)
    records: list[TraceRecord] = []
    notes = [_clock_note(clocks, source)]
    ways = (
        (0, 1, sent[0], heard[1], there, _span(second.table, clocks), Direction.TX),
        (1, 0, sent[1], heard[0], back, _span(first.table, None), Direction.RX),
    )
    for from_, to, packets, arrivals, found, span, direction in ways:
        sent_s, heard_s = packets.numbers["at_s"], arrivals.numbers["at_s"]
        if direction is Direction.TX:
            heard_s = clocks.to_first(heard_s)
        else:
            sent_s = clocks.to_first(sent_s)
        rows = _way(packets, arrivals, found, (sent_s, heard_s), span, direction, (names[from_], names[to]))
        records += rows
        if len(packets):
            notes.append(_way_note(f"{names[from_]} > {names[to]}", rows, len(arrivals), found))
    for trace, name, clock in ((first, names[0], None), (second, names[1], clocks)):
        records += _events(trace.table, name, clock)
    records.sort(key=lambda row: row.at_s)
    header = replace(first.header, station=names[0], notes={"joined": [str(first.path.name), str(second.path.name)]})
    return Joined(header, tuple(records), clocks, tuple(notes))


def _names(first: Trace, second: Trace) -> tuple[str, str]:
    a, b = first.header.station or first.path.stem, second.header.station or second.path.stem
    return (a, b) if a != b else (f"{a} 1", f"{b} 2")


def _rows(table: Table, direction: str, *outcomes: str) -> Table:
    return table.take(table.is_word("direction", direction) & table.is_word("outcome", *outcomes))


def _times(sent: Table, heard: Table, found: Matches | None) -> tuple[Floats, Floats]:
    if found is None:
        return np.empty(0), np.empty(0)
    return sent.numbers["at_s"][found.first[:, 0]], heard.numbers["at_s"][found.first[:, 1]]


def _span(table: Table, clocks: Clocks | None) -> tuple[float, float]:
    """When a log was written, first record to last, on the first clock."""
    at_s = table.numbers["at_s"] if clocks is None else clocks.to_first(table.numbers["at_s"])
    return (float(at_s.min()), float(at_s.max())) if len(at_s) else (0.0, 0.0)


def _way(
    packets: Table,
    arrivals: Table,
    found: Matches | None,
    times: tuple[Floats, Floats],
    span: tuple[float, float],
    direction: Direction,
    names: tuple[str, str],
) -> list[TraceRecord]:
    sent_s, heard_s = times
    none = np.empty((0, 2), np.int64)
    arrived = {int(one): int(place) for one, place in (none if found is None else found.first)}
    damaged = {int(one): int(place) for one, place in (none if found is None else found.damaged)}
    heard = list(arrivals.records())
    records = []
    for one, row in enumerate(packets.records()):
        at_s = float(sent_s[one])
        plain = replace(row, at_s=at_s, direction=direction, source=names[0], destination=names[1], delay_s=None)
        place = arrived.get(one, damaged.get(one))
        if place is not None:
            records.append(_arrival(plain, heard[place], float(heard_s[place]), is_damaged=one not in arrived))
        elif span[0] <= at_s <= span[1]:
            records.append(replace(plain, outcome=Outcome.LOST))
        else:
            records.append(replace(plain, outcome=Outcome.SENT, direction=Direction.TX))
    plain_of = list(packets.records()) if found is not None and len(found.copies) else []
    for one, place in none if found is None else found.copies:
        plain = replace(
            plain_of[one], at_s=float(sent_s[one]), direction=direction, source=names[0], destination=names[1]
        )
        copy = _arrival(plain, heard[place], float(heard_s[place]), is_damaged=False)
        records.append(replace(copy, outcome=Outcome.COPY))
    return records


def _arrival(sent: TraceRecord, heard: TraceRecord, heard_s: float, *, is_damaged: bool) -> TraceRecord:
    delay_s = max(0.0, heard_s - sent.at_s)
    return replace(
        sent,
        at_s=sent.at_s if sent.direction is Direction.TX else sent.at_s + delay_s,
        outcome=Outcome.DELIVERED,
        delay_s=delay_s,
        rssi_dbm=heard.rssi_dbm,
        snr_db=heard.snr_db,
        doppler_hz=heard.doppler_hz,
        status="damaged" if is_damaged else heard.status,
    )


def _events(table: Table, name: str, clocks: Clocks | None) -> list[TraceRecord]:
    events = table.take(
        (table.is_word("outcome", "event") & ~table.is_word("kind", "alive")) | table.is_word("outcome", "refused")
    )
    at_s = events.numbers["at_s"] if clocks is None else clocks.to_first(events.numbers["at_s"])
    return [replace(row, at_s=float(when), source=name) for row, when in zip(events.records(), at_s, strict=True)]


def _by_calendar(first: Trace, second: Trace, pairs: list[tuple[Floats, Floats]], found: Clocks) -> Clocks:
    walls = [trace.header.wall_s for trace in (first, second)]
    if walls[0] is None or walls[1] is None:
        lacking = first if walls[0] is None else second
        raise TraceError(f"{lacking.path}: its header tells no calendar time; align by packets")
    offset_s = (second.header.monotonic_s - walls[1]) - (first.header.monotonic_s - walls[0])
    delays = [(heard - sent) - sign * offset_s for (sent, heard), sign in zip(pairs, (1, -1), strict=True)]
    least_s = min(float(one.min()) for one in delays if len(one))
    return replace(found, offset_s=offset_s, drift=0.0, min_delay_s=least_s)


def _clock_note(clocks: Clocks, source: ClockSource) -> str:
    if source is ClockSource.CALENDAR:
        return (
            f"clocks by the stations' calendars: offset {clocks.offset_s:.6f} s, shortest delay "
            f"{1000 * clocks.min_delay_s:.1f} ms"
            + (" (below 0: they are not set alike)" if clocks.min_delay_s < 0 else "")
        )
    ways = "both ways" if clocks.is_two_way else "one way"
    least = "" if clocks.is_two_way else " as told, for packets of one way only do not tell it"
    return (
        f"clocks from {clocks.matched} packets {ways}: offset {clocks.offset_s:.6f} s, "
        f"drift {1e6 * clocks.drift:.2f} ppm, shortest delay {1000 * clocks.min_delay_s:.1f} ms{least}"
    )


def _way_note(name: str, rows: list[TraceRecord], heard: int, found: Matches | None) -> str:
    counts = {outcome: sum(row.outcome is outcome for row in rows) for outcome in Outcome}
    note = (
        f"{name}: {counts[Outcome.DELIVERED]} delivered, {counts[Outcome.LOST]} lost, {counts[Outcome.COPY]} copies, "
        f"{counts[Outcome.SENT]} sent while the other did not record"
    )
    strange = heard - (0 if found is None else len(found.first) + len(found.copies) + len(found.damaged))
    return note + (f"; {strange} heard that match none sent" if strange else "")
