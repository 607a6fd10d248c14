"""When a watchdog must unkey: nobody has beaten for too long, or the key was on for too long.

Rule: pure; time is passed in. What was unkeyed for a reason stays so until it is let go.
"""

from __future__ import annotations


class Guard:
    """One key's watch. `hang_s`: how long a living program may be silent while the key is on."""

    def __init__(self, time_out_s: float, hang_s: float) -> None:
        self._time_out_s, self._hang_s = time_out_s, hang_s
        self._on_s: float | None = None
        self._beat_s = 0.0
        self._is_locked = False

    @property
    def is_on(self) -> bool:
        return self._on_s is not None

    def key(self, now: float) -> bool:
        """The key is to go on; False: it may not, for it has not been let go since it was taken away."""
        self._beat_s = now
        if self._is_locked:
            return False
        if self._on_s is None:
            self._on_s = now
        return True

    def let_go(self, now: float) -> None:
        """The key is to go off."""
        self._beat_s = now
        self._on_s, self._is_locked = None, False

    def beat(self, now: float) -> None:
        """The program lives."""
        self._beat_s = now

    def lock(self) -> None:
        """The key went off for another reason."""
        self._on_s, self._is_locked = None, True

    def due(self, now: float) -> str | None:
        """Why the key must go off now, told once; None: it need not."""
        if self._on_s is None:
            return None
        if now >= self._on_s + self._time_out_s:
            reason = f"on for {now - self._on_s:.1f} s, the limit is {self._time_out_s:g} s"
        elif now >= self._beat_s + self._hang_s:
            reason = f"the program has hung for {now - self._beat_s:.1f} s"
        else:
            return None
        self.lock()
        return reason

    def next_deadline(self) -> float | None:
        """When to ask `due` at the latest; None: the key is off."""
        return None if self._on_s is None else min(self._on_s + self._time_out_s, self._beat_s + self._hang_s)
