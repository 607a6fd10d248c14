"""Times of other people's files on a clock that never goes back.

Rule: the calendar's times are kept as they were written; only the monotonic ones are mended, and every mend is told.
"""

from __future__ import annotations

import numpy as np

from gateway.traces.flights import Floats

BACK_S = 1.0
"""A smaller step back is order, not a clock."""
JUMP_S = 60.0
JUMP_SPACINGS = 100
EPOCH_S = 1e8
"""Times above are seconds since 1970."""
LATEST_S = 7.3e9
"""No clock is set beyond the year 2200."""


def epoch_scale(values: Floats) -> tuple[float, str]:
    """What to multiply times by to get seconds, told from their size (all clocks since 1973), and the unit's name."""
    known = values[~np.isnan(values)]
    middle = float(np.median(np.abs(known))) if len(known) else 0.0
    for limit, scale, unit in ((1e17, 1e-9, "ns"), (1e14, 1e-6, "us"), (1e11, 1e-3, "ms")):
        if middle > limit:
            return scale, unit
    return 1.0, "s"


def steady(times: Floats, sequence: Floats) -> tuple[Floats, list[str]]:
    """`times` (rows,) with the steps of the clock taken out, and what was found."""
    if len(times) < 3:
        return times, []
    steps = np.diff(times)
    forward = steps[steps > 0]
    usual = float(np.median(forward)) if len(forward) else 0.0
    back = steps < -BACK_S
    consecutive = np.diff(sequence) == 1
    ahead = consecutive & (steps > max(JUMP_S, JUMP_SPACINGS * usual))
    shift = np.where(back | ahead, usual - steps, 0.0)
    notes = []
    for where, word in ((back, "back"), (ahead, "forward between consecutive numbers")):
        if where.any():
            largest = float(np.max(np.abs(steps[where])))
            first = int(np.flatnonzero(where)[0]) + 2
            count = int(np.count_nonzero(where))
            notes.append(
                f"the clock stepped {word} {count} times (first at row {first}, at most by {largest:.3f} s): taken out"
            )
    return times + np.concatenate([[0.0], np.cumsum(shift)]), notes
