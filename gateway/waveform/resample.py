"""Values of a band-limited signal between its samples.

Rule: pure. The spectrum is padded to eight times the rate, where a cubic through four neighbours is exact to better
than -60 dB for signals that fill up to 80 % of the band; beyond its ends a signal is silent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UP = 8
_MARGIN = 32

ComplexArray = NDArray[np.complex128]


class Resampler:
    """Reads `signal` (samples,), complex at `rate_hz`, at any time since its first sample."""

    def __init__(self, signal: ComplexArray, rate_hz: float) -> None:
        padded = np.pad(signal, _MARGIN)
        size = _next_fast(len(padded))
        spectrum = np.fft.fft(padded, size)
        wide = np.zeros(UP * size, np.complex128)
        half = (size + 1) // 2
        wide[:half] = spectrum[:half]
        wide[-(size - half) :] = spectrum[half:]
        self._dense = np.fft.ifft(wide)[: UP * len(padded)] * UP
        self._rate_hz = rate_hz * UP

    def at(self, times_s: NDArray[np.float64]) -> ComplexArray:
        """(n,) values at `times_s` (n,)."""
        place = times_s * self._rate_hz + UP * _MARGIN
        index = np.floor(place).astype(np.int64)
        x = place - index
        inside = (index >= 1) & (index < len(self._dense) - 2)
        index = np.where(inside, index, 1)
        before, here, after, beyond = (self._dense[index + shift] for shift in (-1, 0, 1, 2))
        value = (  # Lagrange's cubic through four points
            -before * x * (x - 1) * (x - 2) / 6
            + here * (x + 1) * (x - 1) * (x - 2) / 2
            - after * (x + 1) * x * (x - 2) / 2
            + beyond * (x + 1) * x * (x - 1) / 6
        )
        return np.where(inside, value, 0.0)


def _next_fast(n: int) -> int:
    """The least even 2^a 3^b 5^c from `n` on: such transforms are quick."""
    best = 1 << (n - 1).bit_length()
    five = 2
    while five < best:
        three = five
        while three < best:
            size = three << max(0, (-(-n // three) - 1).bit_length())
            best = min(best, size)
            three *= 3
        five *= 5
    return max(best, 2)
