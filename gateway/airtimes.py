"""Air time by a measured table, for modems whose packets do not grow evenly.

Rule: straight lines between the rows and on beyond the first and the last.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

Table = Sequence[tuple[int, float]]
"""(bytes, ms), ascending in both."""


def check_airtimes(table: Table) -> None:
    """Raise ValueError unless `table` is empty or has two rows or more, ascending."""
    if table and (len(table) < 2 or any(b[0] <= a[0] or b[1] < a[1] for a, b in pairwise(table)) or table[0][1] < 0):
        raise ValueError("airtimes_ms: needed: two pairs of bytes and ms or more, both ascending")


def airtime_ms(table: Table, n_bytes: float) -> float:
    """Milliseconds of a packet of `n_bytes`; never below 0."""
    place = min(max(1, bisect_left(table, n_bytes, key=lambda row: row[0])), len(table) - 1)
    (near, low), (far, high) = table[place - 1], table[place]
    return max(0.0, low + (high - low) * (n_bytes - near) / (far - near))
