"""Time as a value handed in: the only module that reads the machine's clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock in seconds; its zero has no meaning."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after `seconds` (at once if not positive)."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class ManualClock:
    """A clock that moves only when told: for tests and simulated time."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        """Advance by `seconds`: sleeping is how simulated time passes."""
        if seconds > 0:
            self._now += seconds

    def advance_to(self, when: float) -> None:
        """Jump forward to `when`; a time in the past is ignored."""
        self._now = max(self._now, when)


def calendar_s() -> float:
    """Seconds since 1970 by the machine's calendar: may be wrong and may jump, so nothing may hang on it alone."""
    return time.time()
