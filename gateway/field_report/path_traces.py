"""What traces say of each direction between stations: packets in the common time of the exercise, their fate and delay.

Rule: a packet is matched between two stations' traces by its digest; one that the sender's trace has and the
receiver's, running at the time, has not, is lost. A trace that knows both ends (a channel process) is taken as it is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import TraceError
from gateway.field_report.clocks import Clocks
from gateway.recording.entry import Opening
from gateway.traces import Direction, Outcome, TraceReader, TraceRecord

EARLIEST_S, LATEST_S = -5.0, 120.0
"""Of an arrival after its sending: clocks that are not aligned yet may put it before."""
MOST_RECORDS = 2_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a direction; `sent_s` is in common time, `delay_s` and `snr_db` are None where not known."""

    sent_s: float
    is_lost: bool
    delay_s: float | None = None
    snr_db: float | None = None


@dataclass(slots=True)
class Way:
    """A direction, `source > destination`; packets in order of sending. `how` says how their fate is known."""

    source: str
    destination: str
    how: str
    packets: list[Packet] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.source} > {self.destination}"

    @property
    def loss(self) -> float | None:
        """Share lost."""
        return sum(one.is_lost for one in self.packets) / len(self.packets) if self.packets else None

    def column(self, name: str) -> tuple[Floats, Floats]:
        """Times and values (packets that have it,) of `delay_s` or `snr_db`."""
        found = [(one.sent_s, getattr(one, name)) for one in self.packets if getattr(one, name) is not None]
        return np.array([at for at, _ in found]), np.array([value for _, value in found])


@dataclass(frozen=True, slots=True)
class StationTrace:
    """The records of one file, and its way to the common time."""

    path: Path
    opening: Opening
    records: Sequence[TraceRecord]

    @property
    def station(self) -> str:
        """Who wrote it."""
        return self.opening.station


def read_traces(paths: Sequence[Path], openings: Sequence[Opening], problems: list[str]) -> list[StationTrace]:
    """The traces that can be read; the others, and what was damaged, go to `problems`."""
    machines = {opening.station: opening.machine for opening in openings}
    found = []
    for path in paths:
        try:
            reader = TraceReader(path)
            records = []
            for record in reader:
                records.append(record)
                if len(records) == MOST_RECORDS:
                    problems.append(f"{path}: only its first {MOST_RECORDS} records are used")
                    break
        except TraceError as error:
            problems.append(str(error))
            continue
        if reader.damage_line is not None:
            problems.append(f"{path}: {reader.damage_line}")
        header = reader.header
        machine = machines.get(header.station, "")
        found.append(
            StationTrace(path, Opening(header.station, 0, header.monotonic_s, header.wall_s or 0.0, machine), records)
        )
        if header.wall_s is None and not machine and all(record.wall_s is None for record in records):
            problems.append(f"{path}: says nothing of the calendar: its times cannot be put beside others")
    return found


def _common_s(trace: StationTrace, record: TraceRecord, clocks: Clocks) -> float:
    opening = trace.opening
    wall_s = record.wall_s if record.wall_s is not None else opening.wall_s + record.at_s - opening.at_s
    return clocks.at(opening, record.at_s, wall_s)


def ways_of(traces: Sequence[StationTrace], clocks: Clocks, problems: list[str]) -> list[Way]:
    """Each direction once: matched between two stations' traces where possible, else as one trace tells it."""
    found: dict[tuple[str, str], Way] = {}
    for way in [*_matched(traces, clocks), *(way for trace in traces for way in _as_told(trace, clocks))]:
        known = found.setdefault((way.source, way.destination), way)
        if known is not way and len(way.packets) > 2 * len(known.packets):
            found[way.source, way.destination] = way
    for way in found.values():
        way.packets.sort(key=lambda one: one.sent_s)
    for trace in traces:
        if not any(trace.station in (way.source, way.destination) for way in found.values()) and trace.records:
            problems.append(
                f"{trace.path}: no packet of known fate: what {trace.station or 'it'} sent is known, but no trace of "
                "a receiver has any of it"
            )
    return sorted(found.values(), key=lambda way: way.name)


def _as_told(trace: StationTrace, clocks: Clocks) -> list[Way]:
    ways: dict[tuple[str, str], Way] = {}
    for record in trace.records:
        if record.outcome not in (Outcome.DELIVERED, Outcome.LOST):
            continue
        is_rx = record.direction is Direction.RX
        source = record.source or ("others" if is_rx else trace.station or "here")
        destination = record.destination or (trace.station or "here" if is_rx else "all")
        way = ways.setdefault((source, destination), Way(source, destination, f"as {trace.path.name} tells it"))
        sent_s = _common_s(trace, record, clocks) + record.sent_s - record.at_s
        way.packets.append(Packet(sent_s, record.outcome is Outcome.LOST, record.delay_s, record.snr_db))
    return [way for way in ways.values() if way.packets]


def _matched(traces: Sequence[StationTrace], clocks: Clocks) -> list[Way]:
    ways = []
    for sender in traces:
        sent = [
            (_common_s(sender, record, clocks), record.digest)
            for record in sender.records
            if record.direction is Direction.TX and record.outcome is Outcome.SENT and record.digest is not None
        ]
        for receiver in traces if sent else ():
            if receiver.station == sender.station or not receiver.records:
                continue
            arrivals = _arrivals(receiver, clocks)
            begin_s = _common_s(receiver, receiver.records[0], clocks)
            end_s = _common_s(receiver, receiver.records[-1], clocks)
            how = f"{sender.path.name} and {receiver.path.name}, matched packet by packet"
            way = Way(sender.station, receiver.station, how)
            n_matched = 0
            for at_s, digest in sorted(sent):
                match = _take(arrivals.get(digest, []), at_s)
                if match is not None:
                    n_matched += 1
                    way.packets.append(Packet(at_s, False, match[0] - at_s, match[1]))
                elif begin_s <= at_s <= end_s:
                    way.packets.append(Packet(at_s, True))
            if n_matched:
                ways.append(way)
    return ways


def _arrivals(trace: StationTrace, clocks: Clocks) -> Mapping[int, list[tuple[float, float | None]]]:
    found: dict[int, list[tuple[float, float | None]]] = {}
    for record in trace.records:
        if record.direction is Direction.RX and record.outcome is Outcome.DELIVERED and record.digest is not None:
            found.setdefault(record.digest, []).append((_common_s(trace, record, clocks), record.snr_db))
    for arrivals in found.values():
        arrivals.sort(key=lambda one: one[0])
    return found


def _take(arrivals: list[tuple[float, float | None]], sent_s: float) -> tuple[float, float | None] | None:
    """The first arrival that may be of a packet sent then; it is used up."""
    at = bisect_left(arrivals, sent_s + EARLIEST_S, key=lambda one: one[0])
    if at < len(arrivals) and arrivals[at][0] <= sent_s + LATEST_S:
        return arrivals.pop(at)
    return None


def estimate_offsets(traces: Sequence[StationTrace], clocks: Clocks) -> dict[str, float]:
    """What to add to each station's calendar so that the quickest packets of both directions take equally long.

    All against the first station with traces of both directions; half the sum of the two quickest is the most that it
    may be wrong by, as with any exchange of times (RFC 5905, clause 8).
    """
    ways = {(way.source, way.destination): way for way in _matched(traces, clocks)}
    offsets: dict[str, float] = {}
    stations = sorted({name for pair in ways for name in pair})
    for reference in stations:
        for other in stations:
            there, back = ways.get((reference, other)), ways.get((other, reference))
            if other == reference or there is None or back is None:
                continue
            quickest = [min(one.delay_s for one in way.packets if one.delay_s is not None) for way in (there, back)]
            offsets[other] = (quickest[1] - quickest[0]) / 2
        if offsets:
            return {reference: 0.0, **offsets}
    return {}
