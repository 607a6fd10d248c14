"""A contact that bounces, to presses and releases of the operator's key.

Rule: pure; time is passed in. A contact that is closed when it is first seen does not press: it must have been open
before, so that a jammed switch does not key at the start.
"""

from __future__ import annotations

from enum import Enum


class Move(Enum):
    """What the operator did."""

    PRESSED = "pressed"
    RELEASED = "released"
    TOGGLED = "toggled"


class Contact:
    """One switch. `toggles`: pressing it once begins, pressing it again ends; letting go means nothing."""

    def __init__(self, debounce_s: float, *, toggles: bool) -> None:
        self._debounce_s = debounce_s
        self._toggles = toggles
        self._is_closed: bool | None = None
        """What it has been for the debounce time; None: not known yet."""
        self._raw: bool | None = None
        self._since_s = 0.0
        self._is_pressed = False

    def feed(self, is_closed: bool, now: float) -> list[Move]:
        """The contact as it is seen now, as often as one likes."""
        moves = self.tick(now)
        if is_closed is not self._raw:
            self._raw, self._since_s = is_closed, now
        return moves + self.tick(now)

    def tick(self, now: float) -> list[Move]:
        """Time has passed."""
        if self._raw is self._is_closed or now < self._since_s + self._debounce_s:
            return []
        before, self._is_closed = self._is_closed, self._raw
        if before is None:
            return []
        if self._is_closed:
            self._is_pressed = True
            return [Move.TOGGLED if self._toggles else Move.PRESSED]
        if self._toggles or not self._is_pressed:
            return []
        self._is_pressed = False
        return [Move.RELEASED]

    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest; None: never."""
        return None if self._raw is self._is_closed else self._since_s + self._debounce_s

    def lost(self) -> list[Move]:
        """The switch is not there any more: what it began ends, and it is seen anew when it comes back."""
        moves = [Move.RELEASED] if self._is_pressed else []
        self._is_closed = self._raw = None
        self._is_pressed = False
        return moves
