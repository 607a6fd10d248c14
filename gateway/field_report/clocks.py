"""One time for all stations: what has to be done to each clock, and how well that is known.

Rule: the best source first: one machine's own monotonic clock, then an offset that somebody measured, then one told
from packets both ways, then the calendars as they are, which the report says.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.recording.entry import Opening, OverEntry
from gateway.traces.align import Clocks as Aligned


class Source(enum.Enum):
    """Where the relation of two clocks comes from; the value is for people."""

    MACHINE = "one machine: its monotonic clock, directly"
    GIVEN = "the calendars of the machines, with the offsets of exercise.toml"
    TRACES = "the monotonic clocks of the machines, aligned by the packets in the traces of both sides"
    CALENDAR = "the calendars of the machines as they were: their difference is in every delay between stations"


@dataclass(frozen=True, slots=True)
class Clocks:
    """`offset_s` by station is added to its calendar; stations of one `machine` share a monotonic clock.

    `calendar_s` by machine is the calendar's time at that clock's zero: taken once a machine, so that a calendar that
    was set during the exercise moves nothing. `aligned` by machine gives the way to the clock of `reference`.
    """

    source: Source
    offset_s: Mapping[str, float] = field(default_factory=dict)
    calendar_s: Mapping[str, float] = field(default_factory=dict)
    aligned: Mapping[str, Aligned] = field(default_factory=dict)
    reference: str = ""

    def at(self, opening: Opening, at_s: float, wall_s: float) -> float:
        """The common time (seconds since 1970) of a moment of one station."""
        machine = opening.machine
        if machine in self.aligned:
            at_s = float(self.aligned[machine].to_first(np.array([at_s]))[0])
            machine = self.reference
        calendar_s = self.calendar_s.get(machine)
        own_s = wall_s if calendar_s is None else calendar_s + at_s
        return own_s + self.offset_s.get(opening.station, 0.0)

    def start_of(self, over: OverEntry) -> float:
        """When the first sample of a recording was spoken or heard."""
        return self.at(over.opening, over.start_s, over.wall_s)

    def key_of(self, over: OverEntry) -> float | None:
        """When the key went down."""
        return None if over.key_s is None else self.start_of(over) + over.key_s - over.start_s


def set_clocks(
    openings: Sequence[Opening],
    given_s: Mapping[str, float],
    reference: str = "",
    aligned: Mapping[str, Aligned] | None = None,
) -> Clocks:
    """The clocks of an exercise; `given_s` are offsets by station that somebody wrote down, `aligned` (by machine,
    against that of `reference`) what packets tell."""
    machines = {opening.machine for opening in openings}
    calendar: dict[str, float] = {}
    for opening in openings:
        if opening.machine:
            calendar.setdefault(opening.machine, opening.wall_s - opening.at_s)
    if given_s:
        return Clocks(Source.GIVEN, dict(given_s), calendar)
    if len(machines) == 1 and "" not in machines:
        return Clocks(Source.MACHINE, {}, calendar)
    if aligned:
        return Clocks(Source.TRACES, {}, calendar, aligned, reference)
    return Clocks(Source.CALENDAR, {}, calendar)


def nearest_opening(station: str, at_s: float, wall_s: float, openings: Sequence[Opening]) -> Opening | None:
    """The start of `station` whose machine's clock was the one that read `at_s` at `wall_s`."""
    own = [opening for opening in openings if opening.station == station]
    return min(own, key=lambda opening: abs((opening.wall_s - opening.at_s) - (wall_s - at_s)), default=None)
