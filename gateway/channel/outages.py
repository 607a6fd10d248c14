"""Times at which nothing gets through, once or again and again.

Rule: a function of time; windows are half open, and a packet is lost if any of it is on the air within one.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence

Window = tuple[float, float]


def check_windows(windows: Sequence[Window], period_s: float | None) -> None:
    """Raise ValueError naming the figure unless each window is (start, end) in seconds, within the period if any."""
    if period_s is not None and not windows:
        raise ValueError("outages_period_s: needs outages_s, which it repeats")
    for start, end in windows:
        if not 0 <= start < end < math.inf:
            raise ValueError(f"outages_s: got [{start:g}, {end:g}]; needed: 0 <= start < end, in seconds")
        if period_s is not None and end > period_s:
            raise ValueError(f"outages_s: got [{start:g}, {end:g}]; needed: within outages_period_s, {period_s:g}")


class Outages:
    """Windows since a channel was made, repeated every `period_s` if there is one."""

    def __init__(self, windows: Iterable[Window], period_s: float | None = None) -> None:
        merged: list[Window] = []
        for start, end in sorted(windows):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self._windows = merged
        self._starts = [start for start, _ in merged]
        self._period_s = period_s

    def meet(self, begin_s: float, end_s: float) -> bool:
        """Whether any of [begin, end] lies in a window; an instant counts as well."""
        if not self._windows:
            return False
        if self._period_s is None:
            return self._met(begin_s, end_s)
        if end_s - begin_s >= self._period_s:
            return True
        turns = math.floor(begin_s / self._period_s)
        begin_s, end_s = begin_s - turns * self._period_s, end_s - turns * self._period_s
        return self._met(begin_s, end_s) or self._met(begin_s - self._period_s, end_s - self._period_s)

    def _met(self, begin_s: float, end_s: float) -> bool:
        latest = bisect_right(self._starts, end_s) - 1
        return latest >= 0 and begin_s < self._windows[latest][1]


def parse_schedule(text: str) -> tuple[Window, ...]:
    """Windows from CSV, `start,end` in seconds a row; a head of words and lines that begin with # are passed over.

    Raises ValueError naming the row.
    """
    found = []
    rows = csv.reader(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    for number, row in enumerate(rows, 1):
        try:
            start, end = (float(cell) for cell in row)
            check_windows([(start, end)], None)
        except ValueError:
            if number == 1 and not any(cell.strip()[:1].isdigit() for cell in row):
                continue
            raise ValueError(f"row {number}: got {','.join(row)[:40]!r}; needed: start,end in seconds") from None
        found.append((start, end))
    return tuple(found)
