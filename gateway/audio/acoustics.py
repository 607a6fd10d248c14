"""What rooms and microphones do to speech, as plain functions: the trainer and the evaluation spoil it alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
NYQUIST_HZ = SAMPLE_RATE / 2


def hand_microphone(bins: int, low_hz: float, high_hz: float) -> NDArray[np.float32]:
    """Magnitude of a hand microphone over `bins` frequencies from 0 to 8 kHz: 12 dB an octave below `low_hz`, 24 above
    `high_hz`."""
    f = np.linspace(1.0, NYQUIST_HZ, bins)
    return np.asarray(1 / np.sqrt((1 + (low_hz / f) ** 4) * (1 + (f / high_hz) ** 8)), dtype=np.float32)


def coloured_noise(samples: int, slope: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian noise (samples,) whose amplitude goes with frequency to the power of `slope`: 0 hisses, -1 rumbles.

    Flat below 50 Hz: else a steep slope puts its power where no microphone and no ear is.
    """
    spectrum = np.fft.rfft(rng.standard_normal(samples).astype(np.float32))
    hz = np.maximum(50.0, np.linspace(0, NYQUIST_HZ, len(spectrum), dtype=np.float32))
    return np.fft.irfft(spectrum * (hz / 1000) ** slope, samples).astype(np.float32)


def engine_hum(samples: int, base_hz: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A tone of `base_hz` (samples,) with four overtones that fall as 1/k, at random phases."""
    time = np.arange(samples) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * base_hz * k * time + rng.uniform(0, 6.28)) / k for k in range(1, 6))
    return np.asarray(hum, dtype=np.float32)


def statistical_room(decay_s: float, tail_db: tuple[float, float], rng: np.random.Generator) -> NDArray[np.float32]:
    """Impulse response of a room that decays by 60 dB in `decay_s`: the direct path, then exponentially decaying noise
    (Polack 1988) from 3 ms on, its energy against the direct path's drawn from `tail_db`.
    """
    length = int(decay_s * SAMPLE_RATE)
    time = np.arange(length) / SAMPLE_RATE
    tail = rng.standard_normal(length) * np.exp(-6.9 * time / decay_s)
    tail[: int(0.003 * SAMPLE_RATE)] = 0
    tail *= 10 ** (rng.uniform(*tail_db) / 20) / (np.sqrt(np.sum(tail**2)) + 1e-9)
    tail[0] = 1.0
    return np.asarray(tail, dtype=np.float32)


def overdriven(pcm: NDArray[np.float32], depth_db: float) -> NDArray[np.float32]:
    """Peaks of samples (n,) cut off `depth_db` below the highest, then as loud on average as before."""
    limit = np.abs(pcm).max(initial=0.0) * 10 ** (-depth_db / 20)
    cut = np.clip(pcm, -limit, limit)
    return np.asarray(cut * np.sqrt(np.mean(pcm**2) / (np.mean(cut**2) + 1e-12)), dtype=np.float32)
