"""Between samples a band-limited signal is what it is."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.waveform.resample import Resampler, _next_fast


def tones(t: np.ndarray, rate_hz: float) -> np.ndarray:
    """Fills 80 % of the band, fades in and out."""
    window = np.hanning(len(t))
    return window * sum(
        np.exp(2j * np.pi * share * rate_hz * t + 1j * k) for k, share in enumerate((-0.4, -0.1, 0.25, 0.4))
    )


def test_values_between_samples() -> None:
    rate_hz, n = 8000.0, 2001
    t = np.arange(n) / rate_hz
    window_at = lambda x: 0.5 - 0.5 * np.cos(2 * np.pi * x * rate_hz / (n - 1))  # noqa: E731
    between = (np.arange(200, 1800) + np.random.default_rng(1).random(1600)) / rate_hz
    exact = window_at(between) * sum(
        np.exp(2j * np.pi * share * rate_hz * between + 1j * k) for k, share in enumerate((-0.4, -0.1, 0.25, 0.4))
    )
    wrong = Resampler(tones(t, rate_hz), rate_hz).at(between) - exact
    assert 10 * np.log10(np.mean(np.abs(wrong) ** 2) / np.mean(np.abs(exact) ** 2)) < -60


def test_at_the_samples_it_is_the_samples() -> None:
    rng = np.random.default_rng(2)
    signal = rng.normal(size=300) + 1j * rng.normal(size=300)
    found = Resampler(signal, 100.0).at(np.arange(300) / 100.0)
    assert np.allclose(found, signal, atol=1e-9)


def test_beyond_its_ends_it_is_silent() -> None:
    found = Resampler(np.ones(50, np.complex128), 10.0).at(np.array([-100.0, -9.0, 13.0, 1e6]))
    assert np.array_equal(found, np.zeros(4))


@pytest.mark.parametrize("n", [1, 2, 3, 97, 1000, 4097, 100_003])
def test_sizes_are_quick_ones(n: int) -> None:
    size = _next_fast(n)
    assert n <= size < 2 * max(n, 2)
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    assert size == 1
