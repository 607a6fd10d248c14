"""What rooms and microphones do to speech, as plain functions: the trainer and the evaluation spoil it alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NYQUIST_HZ = 8000.0


def active_level_db(pcm: NDArray[np.float32], frame: int = 160) -> float:
    """Level of the active part of `pcm` (samples,) in dBFS: frames within 25 dB of the 95th percentile.

    A simple relative of ITU-T P.56: pauses do not count, so the figure does not depend on how much silence there is.
    """
    count = len(pcm) // frame
    if count == 0:
        return -100.0
    power = np.mean(pcm[: count * frame].reshape(count, frame).astype(np.float64) ** 2, axis=1) + 1e-12
    loud = np.quantile(power, 0.95)
    return float(10 * np.log10(np.mean(power[power >= loud * 10**-2.5])))


def hand_microphone(bins: int, low_hz: float, high_hz: float) -> NDArray[np.float32]:
    """Magnitude of a hand microphone over `bins` frequencies from 0 to 8 kHz: 12 dB an octave below `low_hz`, 24 above
    `high_hz`."""
    f = np.linspace(1.0, NYQUIST_HZ, bins)
    return np.asarray(1 / np.sqrt((1 + (low_hz / f) ** 4) * (1 + (f / high_hz) ** 8)), dtype=np.float32)
