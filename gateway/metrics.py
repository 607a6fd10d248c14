"""Named counters and gauges: one flat, thread-safe table per station, read as a snapshot."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Metrics:
    """Counters only go up; gauges hold the last value. Names are dotted: `rx.packets_lost`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, int] = {}
        self._gauges: dict[str, float] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Add `by` to counter `name`, creating it at zero."""
        with self._lock:
            self._counters[name] = self._counters.get(name, 0) + by

    def gauge(self, name: str, value: float) -> None:
        """Set gauge `name` to `value`."""
        with self._lock:
            self._gauges[name] = value

    def counter(self, name: str) -> int:
        """The counter's value, 0 if it never counted."""
        with self._lock:
            return self._counters.get(name, 0)

    def snapshot(self) -> Mapping[str, float]:
        """A copy of all counters and gauges, sorted by name."""
        with self._lock:
            return dict(sorted({**self._counters, **self._gauges}.items()))

    def split(self) -> tuple[Mapping[str, int], Mapping[str, float]]:
        """Copies of the counters and of the gauges, of one moment."""
        with self._lock:
            return dict(self._counters), dict(self._gauges)
