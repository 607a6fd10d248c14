"""Causal level control in front of the encoder: every talker arrives at one level, whatever the microphone.

Rule: the gain is decided frame by frame from what has been heard so far and is never transmitted; the decoder plays
at the common level. Silence and steady noise do not raise it: only frames near the loudest recent level count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TARGET_LEVEL_DB = -26.0
"""Active speech level after control, dBFS (the level ITU-T P.56 measurements are customarily set to)."""
MAX_GAIN_DB = 30.0
MIN_GAIN_DB = -20.0
SILENCE_DB = -65.0
GATE_DB = 20.0
"""Frames this far under the running level are pauses and leave the level alone."""
JUMP_DB = 9.0
"""A frame this far above the running level is a talker after noise: start again from it."""
MEMORY_FRAMES = 40
"""Frames of 80 ms the running level averages over: 3.2 s."""
CEILING = 0.98


@dataclass(frozen=True, slots=True)
class LevelState:
    """Mean power of active frames, how many were averaged, and the gain the last frame ended on (linear)."""

    power: float = 0.0
    frames: int = 0
    gain: float = 1.0


def control_level(frame: NDArray[np.float32], state: LevelState) -> tuple[NDArray[np.float32], LevelState]:
    """Scale one frame (samples,) in -1..1 to the common level; the gain ramps over the frame."""
    blocks = frame[: len(frame) // 160 * 160].reshape(-1, 160).astype(np.float64)
    powers = np.mean(blocks**2, axis=1)
    loudest = float(powers.max(initial=0.0))
    active = powers[powers >= loudest * 10**-2.5]
    power = float(active.mean()) if loudest > 0 else 0.0
    mean, count = state.power, state.frames
    if power > 10 ** (SILENCE_DB / 10):
        if count == 0 or power > mean * 10 ** (JUMP_DB / 10):
            mean, count = power, 1
        elif power > mean * 10 ** (-GATE_DB / 10):
            count = min(count + 1, MEMORY_FRAMES)
            mean += (power - mean) / count
    gain = 1.0
    if count:
        gain_db = TARGET_LEVEL_DB - 10 * np.log10(mean)
        gain = 10 ** (float(np.clip(gain_db, MIN_GAIN_DB, MAX_GAIN_DB)) / 20)
    peak = float(np.abs(frame).max(initial=0.0))
    gain = min(gain, CEILING / peak) if peak > 0 else gain
    start = gain if state.frames == 0 else min(state.gain, CEILING / peak if peak > 0 else state.gain)
    ramp = np.linspace(start, gain, len(frame), dtype=np.float32)
    return frame * ramp, LevelState(mean, count, gain)
