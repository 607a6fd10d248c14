"""Checks of the figures that models are described by.

Rule: a value out of range is a ValueError that begins with the key, so that whoever reads the file finds it.
"""

from __future__ import annotations

import math

LIGHT_M_S = 299_792_458.0


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless `value` lies from `low` to `high`, both allowed."""
    if not low <= value <= high:
        raise ValueError(f"{name}: got {value:g}; needed: {low:g} to {high:g}")


def decibels(ratio: float) -> float:
    """A ratio of powers in dB."""
    return 10 * math.log10(ratio)


def ratio_of(value_db: float) -> float:
    """dB as a ratio of powers."""
    return float(10.0 ** (value_db / 10))
