"""Which recording of what was heard belongs to which of what was said.

Rule: the talker and the over id must be the same and the times plausible; what has no partner is told, not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.field_report.clocks import Clocks
from gateway.recording.entry import OverEntry, Side

EARLIEST_S = -2.0
"""How much before it was said an over may be heard: clocks differ."""
LATEST_S = 90.0
"""Over ids return after 32 overs (SPEC.md 4.4); no link here delays speech by more."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An over as said, and as heard by one station; either may be missing (None)."""

    said: OverEntry | None
    heard: OverEntry | None

    @property
    def one(self) -> OverEntry:
        """Whichever is there."""
        found = self.said if self.said is not None else self.heard
        assert found is not None
        return found


def pair(overs: Sequence[OverEntry], clocks: Clocks) -> list[Pair]:
    """Every recording in a pair, in order of time: one for each listener, or alone."""
    said = sorted((over for over in overs if over.side is Side.SAID), key=clocks.start_of)
    heard = sorted((over for over in overs if over.side is Side.HEARD), key=clocks.start_of)
    taken: dict[int, list[OverEntry]] = {}
    alone = []
    for one in heard:
        found = [
            index
            for index, other in enumerate(said)
            if _belongs(other, one, clocks)
            and all(o.opening.station != one.opening.station for o in taken.get(index, ()))
        ]
        if found:
            nearest = min(found, key=lambda index: abs(clocks.start_of(one) - clocks.start_of(said[index])))
            taken.setdefault(nearest, []).append(one)
        else:
            alone.append(one)
    pairs = [Pair(None, one) for one in alone]
    for index, over in enumerate(said):
        pairs += [Pair(over, one) for one in taken.get(index, ())] or [Pair(over, None)]
    return sorted(pairs, key=lambda found: clocks.start_of(found.one))


def _belongs(said: OverEntry, heard: OverEntry, clocks: Clocks) -> bool:
    if said.opening.station == heard.opening.station or said.over_id != heard.over_id:
        return False
    if heard.source is not None and said.source is not None and heard.source != said.source:
        return False
    return EARLIEST_S <= clocks.start_of(heard) - clocks.start_of(said) <= LATEST_S
