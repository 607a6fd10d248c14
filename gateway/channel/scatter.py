"""Fading in water as a function of time alone: sums of sinusoids with random frequencies and phases.

A moving surface spreads each echo by its own, normally distributed Doppler; a vehicle among reflectors has the spectrum
of Clarke instead (fading.py).

Rule: drawn once, then evaluated at any time, so that what a packet meets does not depend on who else was sent. With
frequencies that are normally distributed the autocorrelation is exp(-(2 pi s t)^2 / 2) for a spread of s Hz, and many
sinusoids add up to a normal distribution (Rice's sum; Patzold, Mobile Radio Channels, 2nd ed., chapter 4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SINUSOIDS = 32


class GaussianScatter:
    """`processes` independent complex normal processes of mean power 1, each with a spread of its own."""

    def __init__(self, processes: int, rng: np.random.Generator) -> None:
        self._frequency = rng.standard_normal((processes, SINUSOIDS))
        self._phase = rng.uniform(0, 2 * np.pi, (processes, SINUSOIDS))

    def at(self, times_s: NDArray[np.float64], spread_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
        """(n, times): the first n processes for spreads (n,)."""
        n = len(spread_hz)
        turns = 2 * np.pi * spread_hz[:, None] * self._frequency[:n]
        angles = turns[:, :, None] * times_s + self._phase[:n, :, None]
        summed = np.cos(angles).sum(axis=1) + 1j * np.sin(angles).sum(axis=1)
        return np.asarray(summed / np.sqrt(SINUSOIDS))


class Swell:
    """A real normal process of mean 0 and deviation 1 that changes within about `change_s`."""

    def __init__(self, change_s: float, rng: np.random.Generator) -> None:
        self._scatter = GaussianScatter(1, rng)
        self._spread_hz = np.array([1 / (2 * np.pi * change_s)])

    def at(self, time_s: float) -> float:
        """Its value; the autocorrelation falls to 0.61 after `change_s`."""
        return float(np.sqrt(2) * self._scatter.at(np.array([time_s]), self._spread_hz)[0, 0].real)
