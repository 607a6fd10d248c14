"""Two logs of one link made one: which packet was heard as which, by how much the clocks differ, what became of each.

Rule: values in, values out. The clock of the second log is told from packets alone: one rate and one offset, from the
straight line under the delays of those that came through quickest (Moon, Skelly, Towsley: Estimation and removal of
clock skew from network delay measurements, INFOCOM 1999). With packets both ways the shortest delays of the two are
taken to be equal; with one way only, the shortest delay must be said (`min_delay_s`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.traces.table import Table

MAX_DELAY_S = 60.0
"""A packet that comes later is another."""
SLACK_S = 0.25
"""Before the clocks are aligned, a packet may seem to arrive so much before the quickest."""
DRIFT_NEEDS_S = 60.0
DRIFT_NEEDS_PACKETS = 20
MAX_DRIFT = 1e-3
"""A clock that is further off is none."""
DAMAGED_WITHIN_S = 2.0

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Second clock = (1 + `drift`) * (first - `origin_s`) + origin_s + `offset_s`."""

    offset_s: float
    drift: float
    origin_s: float
    min_delay_s: float
    """Shortest delay, found from both ways or as it was said."""
    matched: int
    is_two_way: bool

    def to_first(self, second_s: Floats) -> Floats:
        """Times of the second log on the clock of the first."""
        return self.origin_s + (second_s - self.offset_s - self.origin_s) / (1 + self.drift)


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Indices into sent and heard packets, in pairs: `first` arrivals, `copies` further ones, `damaged` by place."""

    first: Indices
    copies: Indices
    damaged: Indices


def match(sent: Table, heard: Table) -> Matches | None:
    """Which of `heard` is which of `sent` (pairs, 2); None where nothing tells.

    By the CRC-32 of packets where both logs have it, else by over and number; a packet of known place but other bytes
    was damaged on its way.
    """
    keys = ("digest",) if _knows(sent, "digest") and _knows(heard, "digest") else ("over", "sequence", "size")
    mine, theirs = _keys(sent, keys), _keys(heard, keys)
    sent_s, heard_s = sent.numbers["at_s"], heard.numbers["at_s"]
    base_s = _base(mine, theirs, sent_s, heard_s)
    if base_s is None:
        return None
    first, copies = _pair(mine, theirs, sent_s, heard_s, base_s, MAX_DELAY_S)
    damaged = np.empty((0, 2), np.int64)
    if keys == ("digest",) and _knows(sent, "sequence") and _knows(heard, "sequence"):
        left = np.setdiff1d(np.arange(len(sent)), first[:, 0])
        others = np.setdiff1d(np.arange(len(heard)), np.concatenate([first[:, 1], copies[:, 1]]))
        place = ("over", "sequence", "size")
        found, _ = _pair(
            _keys(sent.take(left), place),
            _keys(heard.take(others), place),
            sent_s[left],
            heard_s[others],
            base_s,
            DAMAGED_WITHIN_S,
        )
        damaged = np.column_stack([left[found[:, 0]], others[found[:, 1]]])
    return Matches(first, copies, damaged)


def align(
    there: tuple[Floats, Floats], back: tuple[Floats, Floats] = (np.empty(0), np.empty(0)), min_delay_s: float = 0.0
) -> Clocks:
    """Clocks from matched packets: times (sent, heard) of those `there` (first log to second) and `back`, each on the
    clock of the log that wrote it. Raises ValueError without any."""
    x1, y1 = there[0], there[1] - there[0]
    x2, y2 = back[1], back[1] - back[0]  # of those back, the first log has the arrival
    if not len(x1) and not len(x2):
        raise ValueError("no packet of one log is in the other")
    origin = float(np.min(np.concatenate([x1, x2])))
    slopes = [(sign * _slope(x, y), len(x)) for x, y, sign in ((x1, y1, 1.0), (x2, y2, -1.0)) if _may_tell_drift(x)]
    drift = sum(slope * n for slope, n in slopes) / sum(n for _, n in slopes) if slopes else 0.0
    if abs(drift) > MAX_DRIFT:
        drift = 0.0
    least1 = float(np.min(y1 - drift * (x1 - origin))) if len(x1) else math.nan
    least2 = float(np.min(y2 + drift * (x2 - origin))) if len(x2) else math.nan
    if len(x1) and len(x2):
        offset, least = (least1 - least2) / 2, (least1 + least2) / 2
    elif len(x1):
        offset, least = least1 - min_delay_s, min_delay_s
    else:
        offset, least = min_delay_s - least2, min_delay_s
    return Clocks(offset, drift, origin, least, len(x1) + len(x2), bool(len(x1) and len(x2)))


def _may_tell_drift(x: Floats) -> bool:
    return len(x) >= DRIFT_NEEDS_PACKETS and float(np.ptp(x)) >= DRIFT_NEEDS_S


def _slope(x: Floats, y: Floats) -> float:
    """Of the line under all points that is nearest to them: the hull's edge below the middle of x."""
    hull: list[int] = []
    order = np.lexsort((y, x))
    for place in order.tolist():
        if hull and x[hull[-1]] == x[place]:
            continue
        while len(hull) >= 2 and _turns_down(x, y, hull[-2], hull[-1], place):
            hull.pop()
        hull.append(place)
    middle = float(np.mean(x))
    for left, right in itertools.pairwise(hull):
        if x[left] <= middle <= x[right]:
            return float((y[right] - y[left]) / (x[right] - x[left]))
    return 0.0


def _turns_down(x: Floats, y: Floats, a: int, b: int, c: int) -> bool:
    return bool((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) <= 0)


def _knows(table: Table, name: str) -> bool:
    return bool(np.count_nonzero(~np.isnan(table.numbers[name])) > len(table) / 2)


def _keys(table: Table, names: Sequence[str]) -> list[tuple[float, ...]]:
    columns = [np.nan_to_num(table.numbers[name], nan=-1.0).tolist() for name in names]
    return list(zip(*columns, strict=True))


def _base(
    mine: list[tuple[float, ...]], theirs: list[tuple[float, ...]], sent_s: Floats, heard_s: Floats
) -> float | None:
    """Difference of the clocks plus about the shortest delay: where most pairs agree."""
    ours = _places(mine)
    differences = []
    for place, key in enumerate(theirs):
        candidates = ours.get(key, ())
        if len(candidates) <= 8:  # a packet sent over and over tells nothing
            differences += [float(heard_s[place] - sent_s[one]) for one in candidates]
    if not differences:
        return None
    ordered = np.sort(np.array(differences))
    inside = np.searchsorted(ordered, ordered + 5.0, side="right") - np.arange(len(ordered))
    start = int(np.argmax(inside))
    best = ordered[start : start + int(inside[start])]
    return float(np.percentile(best, 5))


def _places(keys: list[tuple[float, ...]]) -> dict[tuple[float, ...], list[int]]:
    places: dict[tuple[float, ...], list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return places


def _pair(
    mine: list[tuple[float, ...]],
    theirs: list[tuple[float, ...]],
    sent_s: Floats,
    heard_s: Floats,
    base_s: float,
    within_s: float,
) -> tuple[Indices, Indices]:
    """Pairs (sent, heard): first arrivals, and copies. Drift moves `base_s` along with the pairs found."""
    ours, taken = _places(mine), set[int]()
    first, copies, recent = [], [], base_s
    for place in np.argsort(heard_s, kind="stable").tolist():
        candidates = []
        for one in ours.get(theirs[place], ()):
            late_s = float(heard_s[place] - sent_s[one]) - recent
            if -SLACK_S <= late_s <= within_s:
                candidates.append((abs(late_s), one))
        free = [found for found in candidates if found[1] not in taken]
        if free:
            one = min(free)[1]
            taken.add(one)
            first.append((one, place))
            step_s = float(heard_s[place] - sent_s[one]) - recent
            recent += min(step_s, 0.0) + 0.01 * max(0.0, min(step_s, 0.1))
        elif candidates:
            copies.append((min(candidates)[1], place))
    return np.array(first, np.int64).reshape(-1, 2), np.array(copies, np.int64).reshape(-1, 2)
