"""Formant warp: formants move by the factor, harmonics and length stay, factor 1 changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from gateway.trainer.warp import warp_formants

PITCH_HZ = 100


def vowel(formant_hz: float = 1200.0, samples: int = 16_000) -> NDArray[np.float32]:
    """Pulses through one resonance of 150 Hz width."""
    pulses = np.zeros(samples)
    pulses[:: 16_000 // PITCH_HZ] = 1
    radius = np.exp(-np.pi * 150 / 16_000)
    pcm = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant_hz / 16_000), radius**2], pulses)
    return (0.1 * pcm / np.abs(pcm).max()).astype(np.float32)


def harmonics(pcm: NDArray[np.float32]) -> NDArray[np.float64]:
    """Power at multiples of the pitch, and halfway between, up to 4 kHz: (2, 40)."""
    power = np.abs(np.fft.rfft(pcm[4000:12_000] * np.hanning(8000))) ** 2
    at = np.arange(1, 41) * PITCH_HZ // 2
    return np.array([power[at], power[at + PITCH_HZ // 4]])


@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_formants_move_and_the_pitch_does_not(factor: float) -> None:
    before, after = harmonics(vowel()), harmonics(warp_formants(vowel(), factor))
    assert (before[0].argmax() + 1) * PITCH_HZ == 1200
    assert (after[0].argmax() + 1) * PITCH_HZ == pytest.approx(1200 * factor, abs=PITCH_HZ)
    assert after[0].sum() > 30 * after[1].sum()


def test_factor_one_changes_nothing_whatever_the_length() -> None:
    for samples in (1, 255, 512, 61_441):
        pcm = (0.1 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)
        assert np.allclose(warp_formants(pcm, 1.0), pcm, atol=1e-6)


def test_it_keeps_length_type_and_about_the_level() -> None:
    pcm = vowel(samples=61_440)
    for factor in (0.8, 1.25):
        warped = warp_formants(pcm, factor)
        assert warped.dtype == np.float32
        assert warped.shape == pcm.shape
        assert 20 * np.log10(warped.std() / pcm.std()) == pytest.approx(0, abs=4)
    assert np.array_equal(warp_formants(np.zeros(1000, np.float32), 1.2), np.zeros(1000))
