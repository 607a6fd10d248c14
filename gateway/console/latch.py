"""One press of a key, however long it is held: terminals repeat a held key and do not tell a repeat from a press. Pure.

Rule: a key that comes again sooner than a hand would mean it is the same press. The first repeat of a held key comes
after up to 660 ms (X servers; consoles 250 ms), the next ones 20 to 100 ms apart (more over a poor network); so what
follows an accepted press within SETTLE_S, or the last arrival within REPEAT_S, is dropped. Without this a thumb that
rests on the space bar keys a transmitter on and off thirty times a second, and a bouncing glove ends what it began.
"""

from __future__ import annotations

SETTLE_S = 0.7
REPEAT_S = 0.25


class Latch:
    """For one key; times from any steady clock."""

    def __init__(self) -> None:
        self._accepted_s = self._seen_s = float("-inf")

    def press(self, now_s: float) -> bool:
        """Whether this arrival is a new press."""
        is_new = now_s - self._accepted_s >= SETTLE_S and now_s - self._seen_s >= REPEAT_S
        self._seen_s = now_s
        if is_new:
            self._accepted_s = now_s
        return is_new
