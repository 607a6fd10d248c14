"""A distance that changes as a vessel sails out and back.

Rule: a function of time alone.
"""

from __future__ import annotations


def check_motion(range_m: float, until_m: float | None, speed_m_s: float) -> None:
    """Raise ValueError naming the figure that makes no sense."""
    if not 0 < range_m <= 100_000:
        raise ValueError(f"range_m: got {range_m:g}; needed: above 0, to 100000")
    if not 0 <= speed_m_s <= 50:
        raise ValueError(f"speed_m_s: got {speed_m_s:g}; needed: 0 to 50")
    if until_m is not None and not 0 < until_m <= 100_000:
        raise ValueError(f"until_m: got {until_m:g}; needed: above 0, to 100000")
    if (until_m is None) != (speed_m_s == 0):
        raise ValueError("speed_m_s: needs until_m, the range at which the vessel turns back, and that needs it")


def range_and_rate(range_m: float, until_m: float | None, speed_m_s: float, time_s: float) -> tuple[float, float]:
    """Metres, and metres a second (positive: opening), `time_s` after leaving `range_m` for `until_m` and back."""
    if until_m is None or until_m == range_m or not speed_m_s:
        return range_m, 0.0
    leg_m = abs(until_m - range_m)
    sailed_m = speed_m_s * time_s % (2 * leg_m)
    outwards = sailed_m < leg_m
    gone_m = sailed_m if outwards else 2 * leg_m - sailed_m
    sign = 1 if until_m > range_m else -1
    return range_m + sign * gone_m, sign * speed_m_s * (1 if outwards else -1)
