"""Short signals for the operator, as sound.

Rule: what a tone means is decided by the session; here it is only how it sounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.audio.base import SAMPLE_RATE_HZ
from gateway.session.events import Tone

_TONES = {
    Tone.PERMIT: ((1200.0, 0.06),),
    Tone.FLOOR_GRANTED: ((800.0, 0.06), (1200.0, 0.06)),
    Tone.REFUSED: ((350.0, 0.12), (350.0, 0.12)),
    Tone.WARNING: ((900.0, 0.08), (900.0, 0.08)),
    Tone.TIMED_OUT: ((500.0, 0.25),),
    Tone.ROGER: ((1000.0, 0.05), (1500.0, 0.05)),
}


def steady_tone(frequency_hz: float, seconds: float, level: float = 0.1) -> NDArray[np.float32]:
    """A sine (samples,) with 5 ms ramps; `level` is its peak."""
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    ramp = SAMPLE_RATE_HZ * 5 // 1000
    shape = np.minimum(1.0, np.minimum(np.arange(len(t)), np.arange(len(t))[::-1]) / ramp)
    return np.asarray(level * shape * np.sin(2 * np.pi * frequency_hz * t), dtype=np.float32)


def tone_pcm(tone: Tone) -> NDArray[np.float32]:
    """A short quiet signal for the operator: sine pieces with 5 ms ramps and 40 ms gaps, (samples,)."""
    parts: list[NDArray[np.float32]] = []
    for frequency_hz, seconds in _TONES[tone]:
        parts += [steady_tone(frequency_hz, seconds), np.zeros(SAMPLE_RATE_HZ * 40 // 1000, np.float32)]
    return np.concatenate(parts)
