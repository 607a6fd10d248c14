"""What a few seconds of a microphone tell about it, in words for somebody who can do something about it. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray

BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50
CLIPPED = 0.999
MOST_CLIPPED = 0.001
SILENT_DB = -75.0
QUIET_DB = -45.0
LEAST_CONTRAST_DB = 8.0


class Fault(enum.StrEnum):
    """What is wrong with it; the values are what to do, in words."""

    NONE = "good"
    NOTHING = "no sound arrives: is it plugged in?"
    SILENT = "silent: is it switched off, or its level at zero?"
    CLIPS = "too loud: speak from further away, or turn its level down"
    QUIET = "too quiet: speak closer, or turn its level up"
    NO_SPEECH = "no speech stands out of the noise: did you speak?"


@dataclass(frozen=True, slots=True)
class MicrophoneVerdict:
    """Levels in dB of full scale: `speech_db` of the loud parts, `noise_db` of the quiet ones; `clipped` a share."""

    fault: Fault
    speech_db: float = -100.0
    noise_db: float = -100.0
    clipped: float = 0.0

    @property
    def words(self) -> str:
        """For the operator."""
        if self.fault is Fault.NOTHING:
            return self.fault.value
        clipped = f", {100 * self.clipped:.1f} % clipped" if self.clipped else ""
        return f"{self.fault.value} (speech {self.speech_db:.0f} dB, background {self.noise_db:.0f} dB{clipped})"


def judge(pcm: FloatArray) -> MicrophoneVerdict:
    """Judge samples (n,) at 16 kHz in which somebody spoke."""
    blocks = np.asarray(pcm[: len(pcm) // BLOCK_SAMPLES * BLOCK_SAMPLES], np.float64).reshape(-1, BLOCK_SAMPLES)
    if not len(blocks):
        return MicrophoneVerdict(Fault.NOTHING)
    blocks = blocks - blocks.mean()  # an offset of the sound card is no sound
    levels = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-10)
    speech_db, noise_db = (float(one) for one in np.percentile(levels, [90, 10]))
    clipped = float(np.mean(np.abs(pcm) >= CLIPPED))
    if levels.max() < SILENT_DB:
        fault = Fault.SILENT
    elif clipped > MOST_CLIPPED:
        fault = Fault.CLIPS
    elif speech_db < QUIET_DB:
        fault = Fault.QUIET
    elif speech_db - noise_db < LEAST_CONTRAST_DB:
        fault = Fault.NO_SPEECH
    else:
        fault = Fault.NONE
    return MicrophoneVerdict(fault, speech_db, noise_db, clipped)
