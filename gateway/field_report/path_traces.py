"""What traces say of each direction between stations: packets in the common time of the exercise, their fate and delay.

Rule: a packet is matched between two stations' traces by its digest (`gateway.traces.align`); one that the sender's
trace has and the receiver's, running at the time, has not, is lost. What one trace tells by itself counts where no two
match.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import TraceError
from gateway.field_report.clocks import Clocks, nearest_opening
from gateway.recording.entry import Opening
from gateway.traces.align import Clocks as Aligned
from gateway.traces.align import align, match
from gateway.traces.load import Trace, load_trace
from gateway.traces.table import Table

Floats = NDArray[np.float64]

OF_AN_OVER = ("voice", "parity", "sealed")
"""Kinds of packets that carry speech, or sealed what may be it."""


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A direction; arrays (packets,) in order of sending: `sent_s` in common time, `delay_s`, `snr_db` and `over` (its
    id; of speech and its parity alone) NaN where not known. `how` says how their fate is known."""

    source: str
    destination: str
    how: str
    sent_s: Floats
    is_lost: NDArray[np.bool_]
    delay_s: Floats
    snr_db: Floats
    over: Floats

    def __len__(self) -> int:
        return len(self.sent_s)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.source} > {self.destination}"

    @property
    def n_lost(self) -> int:
        """Packets that did not arrive."""
        return int(np.count_nonzero(self.is_lost))


@dataclass(frozen=True, slots=True, eq=False)
class StationTrace:
    """A trace and whose clock it was written by."""

    path: Path
    opening: Opening
    trace: Trace

    @property
    def station(self) -> str:
        """Who wrote it."""
        return self.opening.station

    def sent(self) -> Table:
        """What left this station."""
        table = self.trace.table
        return table.take(table.is_word("direction", "tx") & table.is_word("outcome", "sent", "delivered", "lost"))

    def heard(self) -> Table:
        """What arrived at this station."""
        table = self.trace.table
        return table.take(table.is_word("direction", "rx") & table.is_word("outcome", "delivered", "copy"))

    def common_s(self, at_s: Floats, clocks: Clocks) -> Floats:
        """Times of this trace in the time of the exercise; the clocks' relation is a straight line."""
        opening = self.opening
        if not len(at_s):
            return at_s
        ends = [float(at_s.min()), float(at_s.max()) + 1.0]
        there = [clocks.at(opening, end, opening.wall_s + end - opening.at_s) for end in ends]
        scale = (there[1] - there[0]) / (ends[1] - ends[0])
        return there[0] + scale * (at_s - ends[0])


def read_traces(paths: Sequence[Path], openings: Sequence[Opening], problems: list[str]) -> list[StationTrace]:
    """The traces that can be read; the others, and what was damaged, go to `problems`."""
    found = []
    for path in paths:
        try:
            trace = load_trace(path)
        except TraceError as error:
            problems.append(str(error))
            continue
        if trace.damage is not None:
            problems.append(f"{path}: {trace.damage}")
        header, wall_s = trace.header, trace.header.wall_s
        if wall_s is None and len(trace.table):
            walls = trace.table.numbers["wall_s"] - trace.table.numbers["at_s"]
            known = walls[~np.isnan(walls)]
            wall_s = None if not len(known) else float(np.median(known)) + header.monotonic_s
        if wall_s is None:
            problems.append(f"{path}: says nothing of the calendar: its times cannot be put beside others")
            continue
        near = nearest_opening(header.station, header.monotonic_s, wall_s, openings)
        machine = near.machine if near is not None else ""
        found.append(StationTrace(path, Opening(header.station, 0, header.monotonic_s, wall_s, machine), trace))
    return found


def ways_of(traces: Sequence[StationTrace], clocks: Clocks, problems: list[str]) -> list[Way]:
    """Each direction in parts: matched between two stations' traces where possible, else as one trace tells it."""
    matched, used = [], set()
    for sender, receiver in itertools.permutations(traces, 2):
        way = None if sender.station == receiver.station else _matched(sender, receiver, clocks)
        if way is not None:
            matched.append(way)
            used |= {sender.path, receiver.path}
    found: dict[tuple[str, str], list[Way]] = {}
    for way in matched:
        found.setdefault((way.source, way.destination), []).append(way)
    for trace in traces:
        told = [] if trace.path in used else _as_told(trace, clocks)
        for way in told:
            if (way.source, way.destination) not in {(one.source, one.destination) for one in matched}:
                found.setdefault((way.source, way.destination), []).append(way)
        if not told and trace.path not in used and len(trace.trace.table):
            problems.append(
                f"{trace.path}: what {trace.station or 'it'} sent is in it, but no trace of a receiver has any of it"
            )
    return [_together(parts) for _, parts in sorted(found.items())]


def _together(parts: list[Way]) -> Way:
    """Traces of one direction, one after the other."""
    if len(parts) == 1:
        return parts[0]
    sent_s = np.concatenate([one.sent_s for one in parts])
    order = np.argsort(sent_s, kind="stable")
    return Way(
        parts[0].source,
        parts[0].destination,
        "; ".join(dict.fromkeys(one.how for one in parts)),
        sent_s[order],
        np.concatenate([one.is_lost for one in parts])[order],
        np.concatenate([one.delay_s for one in parts])[order],
        np.concatenate([one.snr_db for one in parts])[order],
        np.concatenate([one.over for one in parts])[order],
    )


def _as_told(trace: StationTrace, clocks: Clocks) -> list[Way]:
    ways = []
    for name, flights in trace.trace.flights.items():
        if not len(flights):
            continue
        source, _, destination = name.partition(" > ")
        guess = ", losses from gaps in the numbers" if flights.inferred else ""
        at_s, unknown = trace.common_s(flights.sent_s, clocks), np.full(len(flights), np.nan)
        how = f"as {trace.path.name} tells it{guess}"
        ways.append(Way(source, destination, how, at_s, flights.is_lost, flights.delay_s, flights.snr_db, unknown))
    return ways


def _matched(sender: StationTrace, receiver: StationTrace, clocks: Clocks) -> Way | None:
    """Packets of one station as the other's trace has them; None if it has none."""
    sent, heard = sender.sent(), receiver.heard()
    pairs = match(sent, heard)
    if pairs is None or not len(pairs.first):
        return None
    sent_s = sender.common_s(sent.numbers["at_s"], clocks)
    heard_s = receiver.common_s(heard.numbers["at_s"], clocks)
    watched = receiver.common_s(receiver.trace.table.numbers["at_s"], clocks)
    delay_s, snr_db = np.full(len(sent), np.nan), np.full(len(sent), np.nan)
    arrived = np.zeros(len(sent), bool)
    for one, place in np.concatenate([pairs.first, pairs.damaged]):
        arrived[one] = True
        delay_s[one] = heard_s[place] - sent_s[one]
        snr_db[one] = heard.numbers["snr_db"][place]
    known = arrived | ((sent_s >= watched.min()) & (sent_s <= watched.max()))
    order = np.flatnonzero(known)[np.argsort(sent_s[known], kind="stable")]
    how = f"{sender.path.name} and {receiver.path.name}, matched packet by packet"
    over = np.where(sent.is_word("kind", *OF_AN_OVER), sent.numbers["over"], np.nan)
    return Way(
        sender.station,
        receiver.station,
        how,
        sent_s[order],
        ~arrived[order],
        delay_s[order],
        snr_db[order],
        over[order],
    )


def of_over(ways: Sequence[Way], talker: str, listener: str, over_id: int, within_s: tuple[float, float]) -> Way | None:
    """The packets of one over on its way; None where no two traces tell. Ids come again, so the time counts, too."""
    for way in ways:
        if (way.source, way.destination) == (talker, listener):
            rows = (way.over == over_id) & (way.sent_s >= within_s[0]) & (way.sent_s <= within_s[1])
            if rows.any():
                arrays = (way.sent_s, way.is_lost, way.delay_s, way.snr_db, way.over)
                return Way(way.source, way.destination, way.how, *(array[rows] for array in arrays))
    return None


def align_machines(traces: Sequence[StationTrace]) -> tuple[str, dict[str, Aligned]]:
    """How the monotonic clocks of other machines relate to the first's, from packets that went both ways; the first's
    name with it. Of packets one way only the shortest delay is not known, so they tell nothing."""
    for first in traces:
        found: dict[str, Aligned] = {}
        for second in traces:
            if not first.opening.machine or second.opening.machine in ("", first.opening.machine):
                continue
            sides = []
            for sender, receiver in ((first, second), (second, first)):
                sent, heard = sender.sent(), receiver.heard()
                pairs = match(sent, heard)
                if pairs is not None and len(pairs.first):
                    at_s = sent.numbers["at_s"][pairs.first[:, 0]], heard.numbers["at_s"][pairs.first[:, 1]]
                    sides.append(at_s)
            if len(sides) == 2:
                known = found.get(second.opening.machine)
                clocks = align(sides[0], sides[1])
                if known is None or clocks.matched > known.matched:
                    found[second.opening.machine] = clocks
        if found:
            return first.opening.machine, found
    return "", {}
