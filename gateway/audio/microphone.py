"""What a few seconds of a microphone tell about it, in words for somebody who can do something about it. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray

BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50
PAUSE_DB = 15.0
"""Blocks that are quieter than the loud ones by more are pauses between words."""
SILENT_DB = -80.0
"""A microphone that is switched off gives less than this; a quiet room gives more."""
QUIET_DB, LOUD_DB = -45.0, -12.0
"""Between them speech is brought to one level without loss, with room for a shout."""
LEAST_CONTRAST_DB = 8.0
NOISY_DB = -45.0
CLIPPED = 0.999
MOST_CLIPPED = 0.0005


class Finding(enum.StrEnum):
    """What is the matter with a microphone; the value is what to tell, and what to do."""

    NOTHING = "no sound arrives: is it plugged in?"
    SILENT = "silent: is it switched off, or its level at zero?"
    CLIPS = "too loud, it clips: speak from further away, or turn its level down"
    NO_SPEECH = "no speech stands out of the noise: did you speak?"
    QUIET = "too quiet: speak closer, or turn its level up"
    LOUD = "good, but a shout will clip: turn its level down a little"
    NOISY = "good, but noisy"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class MicrophoneVerdict:
    """Levels in dB of full scale: `speech_db` of the loud part, `noise_db` of the quietest; `clipped` a share 0..1."""

    finding: Finding
    speech_db: float = -100.0
    peak_db: float = -100.0
    noise_db: float = -100.0
    clipped: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether the far end will understand."""
        return self.finding in (Finding.GOOD, Finding.LOUD, Finding.NOISY)

    @property
    def words(self) -> str:
        """For the operator."""
        if self.finding is Finding.NOTHING:
            return str(self.finding)
        figures = f"speech {self.speech_db:.0f} dB, peak {self.peak_db:.0f} dB, background {self.noise_db:.0f} dB"
        if self.clipped >= MOST_CLIPPED:
            figures += f", {100 * self.clipped:.1f} % clipped"
        return f"{self.finding} ({figures})"


def judge(pcm: FloatArray) -> MicrophoneVerdict:
    """Judge samples (n,) at 16 kHz in which somebody spoke and paused."""
    blocks = np.asarray(pcm[: len(pcm) // BLOCK_SAMPLES * BLOCK_SAMPLES], np.float64).reshape(-1, BLOCK_SAMPLES)
    if not len(blocks):
        return MicrophoneVerdict(Finding.NOTHING)
    blocks = blocks - blocks.mean()  # an offset of the sound card is no sound
    power = np.mean(blocks**2, axis=1)
    words = power[power >= np.quantile(power, 0.9) * 10 ** (-PAUSE_DB / 10)]
    speech_db, peak_db, noise_db = (
        float(10 * np.log10(one + 1e-10))
        for one in (np.mean(words), np.max(np.abs(blocks)) ** 2, np.quantile(power, 0.1))
    )
    clipped = float(np.mean(np.abs(pcm) >= CLIPPED))
    return MicrophoneVerdict(_finding(speech_db, noise_db, clipped), speech_db, peak_db, noise_db, clipped)


def _finding(speech_db: float, noise_db: float, clipped: float) -> Finding:
    if speech_db < SILENT_DB:
        return Finding.SILENT
    if clipped >= MOST_CLIPPED:
        return Finding.CLIPS
    if speech_db - noise_db < LEAST_CONTRAST_DB:
        return Finding.NO_SPEECH
    if speech_db < QUIET_DB:
        return Finding.QUIET
    if speech_db > LOUD_DB:
        return Finding.LOUD
    return Finding.NOISY if noise_db > NOISY_DB else Finding.GOOD
