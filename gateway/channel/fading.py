"""Multipath fading of radio: many weak paths that move against each other, with or without a direct one (water:
scatter.py).

Rule: a function of time alone. Angles and phases of the paths are drawn when a path is made; no state moves, so that
any time can be asked for, at the same price.

Clarke's model as a sum of sinusoids: N paths of equal strength from all around, the n-th at the angle
2 pi (n + u_n) / N with u_n and the phases uniform (after Zheng & Xiao, IEEE Trans. Commun. 51(6), 2003). Over many
makings the autocorrelation is J0(2 pi f_D t) exactly; in one making the power differs from the exponential
distribution by 0.2 / N at most.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

PATHS = 24
MAX_PARTS = 24
"""Parts that a packet is looked at in; one that sees more fades than these is at their mean anyway."""
PARTS_A_FADE = 4


class ClarkeScatter:
    """The sum of scattered paths at the receiver: complex, mean power 1; `doppler_hz` is speed over wavelength."""

    def __init__(self, rng: np.random.Generator, doppler_hz: float, paths: int = PATHS) -> None:
        angles = 2 * math.pi * (np.arange(paths) + rng.random(paths)) / paths
        self._rates = 2 * math.pi * doppler_hz * np.cos(angles)
        self._phases = 2 * math.pi * rng.random(paths)
        self._scale = 1 / math.sqrt(paths)

    def gain(self, at_s: NDArray[np.float64]) -> NDArray[np.complex128]:
        """The gain at each time (times,)."""
        return np.asarray(self._scale * np.exp(1j * (np.multiply.outer(at_s, self._rates) + self._phases)).sum(axis=-1))


class RiceFader:
    """A direct path and scattered ones, `k` times weaker together; mean power 1. `k` 0 is Rayleigh fading."""

    def __init__(self, rng: np.random.Generator, doppler_hz: float, k: float = 0.0) -> None:
        self._scatter = ClarkeScatter(rng, doppler_hz)
        self._direct = math.sqrt(k / (1 + k))
        self._scattered = math.sqrt(1 / (1 + k))

    def power(self, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Power over its mean at each time (times,)."""
        gain = self._direct + self._scattered * self._scatter.gain(at_s)
        return np.asarray(gain.real**2 + gain.imag**2)


def part_times(begin_s: float, end_s: float, doppler_hz: float) -> NDArray[np.float64]:
    """The middles of the equal parts in which a packet is looked at, so that a fade inside it is seen (parts,)."""
    span = end_s - begin_s
    parts = max(1, min(MAX_PARTS, math.ceil(PARTS_A_FADE * doppler_hz * span)))
    return np.asarray(begin_s + span / parts * (np.arange(parts) + 0.5))


def rice_power_pdf(power: NDArray[np.float64], k: float) -> NDArray[np.float64]:
    """Density of the power over its mean, with a Rice factor of `k` (0: exponential, as Rayleigh fading has it)."""
    argument = 2 * np.sqrt(k * (1 + k) * power)
    return np.asarray((1 + k) * np.exp(argument - k - (1 + k) * power) * _scaled_i0(argument))


def rice_power_cdf(power: NDArray[np.float64], k: float) -> NDArray[np.float64]:
    """Share of time at or below each `power` over its mean (values,), by integrating the density."""
    if k == 0:
        return np.asarray(-np.expm1(-power))
    # Fine where the density is: its mean is 1, its spread sqrt(1 + 2k) / (1 + k).
    top = 1 + 12 * math.sqrt(1 + 2 * k) / (1 + k)
    grid = np.linspace(0, top, 4001)
    density = rice_power_pdf(grid, k)
    steps = (density[1:] + density[:-1]) / 2 * np.diff(grid)
    return np.asarray(np.interp(power, grid, np.minimum(1.0, np.concatenate(([0.0], np.cumsum(steps))))))


def _scaled_i0(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """I0(x) exp(-x), which unlike I0 does not overflow (Abramowitz & Stegun 9.7.1 for large x)."""
    small = np.minimum(x, 50.0)
    large = np.maximum(x, 50.0)
    series = (1 + 1 / (8 * large) + 9 / (128 * large**2)) / np.sqrt(2 * math.pi * large)
    return np.asarray(np.where(x < 50, np.i0(small) * np.exp(-small), series))
