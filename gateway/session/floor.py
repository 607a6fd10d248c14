"""Who talks next, and who goes on, in a net that nobody controls. Pure.

Rule: what is decided here follows from the configuration of the net and from what every station hears; nothing is
sent for it. Times in seconds are handed in, chance is a number.

Theory of operation
-------------------
Every station listens before it talks and decides for itself, as in TETRA direct mode and unlike 3GPP TS 24.380 clause
7, where whoever talks arbitrates by floor control messages: those would cost air time that a link of 300 bit/s does not
have. Taken over from there is the operator's part (7.1): he presses, keeps the key down until the floor is his, and
lets go when he does not want it any more.

Another's beginning is heard late: his first packet is spoken, sent, and travels. `slot_s` is that time, the
**detection time**. Two who wait for the same over's end would begin within it and not hear each other, so each lets
0, 1, ... `slots` - 1 slots pass, drawn anew every time the channel becomes free: whoever drew less is heard by the
others before their slots are over, and they wait on.

Two may still begin at once: both pressed within one slot, or drew the same. With A's beginning at a, another who begins
at b without having heard A has b < a + slot, and A hears it before a + 2 slots: the **contest**. Both stations know
both ids by then and the same order of the net, so that exactly one of them goes on. An over whose beginning is heard
later than that is of somebody who knows that he talks over others (an emergency), or who does not hear this station:
yield to it, whoever it is.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

CONTEST_SLOTS = 2
"""Detection times from one's own beginning in which another's is a coincidence."""


class Verdict(Enum):
    """What to do about another's over that began during one's own."""

    GO_ON = "go_on"
    YIELD = "yield"
    OPEN = "open"
    """Not known yet who it is."""


@dataclass(frozen=True, slots=True)
class FloorRules:
    """What all stations of a net have in common, but for `station_id`.

    `order` are ids, the first goes before all others; those that are not in it come after, lower ids first.
    """

    station_id: int = 0
    order: tuple[int, ...] = ()
    slot_s: float = 1.0
    """Detection time: from a station's beginning to when others hear it."""
    slots: int = 3
    wait_s: float = 30.0
    """How long a press waits before it is refused."""

    @property
    def contest_s(self) -> float:
        """How long after one's own beginning another's may be heard without either having known."""
        return CONTEST_SLOTS * self.slot_s

    def rank(self, station_id: int) -> tuple[int, int]:
        """Less goes first."""
        if station_id in self.order:
            return self.order.index(station_id), station_id
        return len(self.order), station_id

    def verdict(self, source: int | None, own_age_s: float) -> Verdict:
        """Who goes on when another's over, of `source`, is heard to begin `own_age_s` after one's own."""
        if source == self.station_id:
            return Verdict.GO_ON  # one's own voice, from a repeater
        if own_age_s > self.contest_s:
            return Verdict.YIELD
        if source is None:
            return Verdict.OPEN
        return Verdict.GO_ON if self.rank(self.station_id) < self.rank(source) else Verdict.YIELD

    def hold_off_s(self, seed: int) -> tuple[float, int]:
        """How long to let the free channel pass before one begins, and the seed of the next draw."""
        rng = random.Random(seed)
        return rng.randrange(self.slots) * self.slot_s, rng.getrandbits(32)
