"""One time for all stations: what has to be added to each clock, and how well that is known.

Rule: the best source first: one machine's own monotonic clock, then an offset that somebody measured, then the
calendars as they are, which the report says.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.recording.entry import Opening, OverEntry


class Source(enum.Enum):
    """Where the relation of two clocks comes from; the value is for people."""

    MACHINE = "one machine: its monotonic clock, directly"
    GIVEN = "the calendars of the machines, with the offsets of exercise.toml"
    TRACES = "the calendars of the machines, with an offset estimated from the traces of both sides"
    CALENDAR = "the calendars of the machines as they were: their difference is in every delay between stations"


@dataclass(frozen=True, slots=True)
class Clocks:
    """`offset_s` by station is added to its calendar; stations of one `machine` share a monotonic clock.

    `calendar_s` by machine is the calendar's time at that clock's zero: taken once a machine, so that a calendar that
    was set during the exercise moves nothing.
    """

    source: Source
    offset_s: Mapping[str, float]
    calendar_s: Mapping[str, float]

    def at(self, opening: Opening, at_s: float, wall_s: float) -> float:
        """The common time (seconds since 1970) of a moment of one station."""
        calendar_s = self.calendar_s.get(opening.machine)
        own_s = wall_s if calendar_s is None else calendar_s + at_s
        return own_s + self.offset_s.get(opening.station, 0.0)

    def start_of(self, over: OverEntry) -> float:
        """When the first sample of a recording was spoken or heard."""
        return self.at(over.opening, over.start_s, over.wall_s)

    def key_of(self, over: OverEntry) -> float | None:
        """When the key went down."""
        return None if over.key_s is None else self.start_of(over) + over.key_s - over.start_s


def set_clocks(
    openings: Sequence[Opening], given_s: Mapping[str, float], estimated_s: Mapping[str, float] | None = None
) -> Clocks:
    """The clocks of an exercise; `given_s` are offsets by station that somebody wrote down, `estimated_s` (where there
    are none) those that traces of both sides give."""
    machines = {opening.machine for opening in openings}
    calendar: dict[str, float] = {}
    for opening in openings:
        if opening.machine:
            calendar.setdefault(opening.machine, opening.wall_s - opening.at_s)
    if len(machines) == 1 and "" not in machines and not given_s:
        return Clocks(Source.MACHINE, {}, calendar)
    if given_s:
        return Clocks(Source.GIVEN, dict(given_s), calendar)
    if estimated_s:
        return Clocks(Source.TRACES, dict(estimated_s), calendar)
    return Clocks(Source.CALENDAR, {}, calendar)
