"""Does the sound work? A tone for the speaker, and a verdict on a few seconds of the microphone, in words.

Rule: pure; who plays, records and speaks is the caller (a station, `clarilink sound`).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray

TONE_S = 1.0
TONE_HZ = 1000.0
TONE_DB = -12.0
MICROPHONE_S = 3.0
BLOCK_S = 0.02
_RAMP_S = 0.01

SILENT_DB = -80.0
"""A microphone that is switched off or unplugged gives less than this; a quiet room gives more."""
FAINT_DB, LOUD_DB = -45.0, -12.0
"""Between them speech is brought to one level without loss, with room for a shout."""
SPEECH_OVER_NOISE_DB = 12.0
NOISY_DB = -45.0
CLIPPED = 0.999
CLIPPED_SHARE = 0.0005


class Finding(enum.Enum):
    """What is the matter with a microphone; the value is what to tell, and what to do."""

    NOTHING = "no sound at all: switched off, muted or not plugged in?"
    CLIPS = "too loud, it clips: turn the microphone down or speak further away"
    NO_SPEECH = "only noise, nobody seems to speak: speak while it listens"
    FAINT = "very quiet: turn the microphone up or speak closer"
    LOUD = "loud: a shout will clip; turn the microphone down a little"
    NOISY = "good level, but noisy"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class MicrophoneVerdict:
    """Levels in dB of full scale: `level_db` of the loud part, `noise_db` of the quietest; `clipped` a share 0..1."""

    finding: Finding
    level_db: float
    peak_db: float
    noise_db: float
    clipped: float

    @property
    def is_good(self) -> bool:
        """Whether the far end will understand."""
        return self.finding in (Finding.GOOD, Finding.LOUD, Finding.NOISY)

    @property
    def text(self) -> str:
        """A line for the operator."""
        figures = f"speech {self.level_db:.0f} dB, peak {self.peak_db:.0f} dB, noise {self.noise_db:.0f} dB"
        if self.clipped >= CLIPPED_SHARE:
            figures += f", {100 * self.clipped:.1f} % clipped"
        return f"microphone: {self.finding.value} ({figures})"


def microphone_verdict(pcm: FloatArray) -> MicrophoneVerdict:
    """On some seconds (samples,) in which somebody spoke and paused."""
    size = int(BLOCK_S * SAMPLE_RATE_HZ)
    count = len(pcm) // size
    if count == 0:
        return MicrophoneVerdict(Finding.NOTHING, -100.0, -100.0, -100.0, 0.0)
    power = np.mean(np.square(pcm[: count * size], dtype=np.float64).reshape(count, size), axis=1)
    loud = np.quantile(power, 0.9)
    level_db = _decibels(float(np.mean(power[power >= loud * 10**-1.5])))
    noise_db = _decibels(float(np.quantile(power, 0.1)))
    peak = float(np.max(np.abs(pcm)))
    clipped = float(np.mean(np.abs(pcm) >= CLIPPED))
    verdict = (level_db, _decibels(peak * peak), noise_db, clipped)
    return MicrophoneVerdict(_finding(level_db, noise_db, clipped), *verdict)


def _finding(level_db: float, noise_db: float, clipped: float) -> Finding:
    if level_db < SILENT_DB:
        return Finding.NOTHING
    if clipped >= CLIPPED_SHARE:
        return Finding.CLIPS
    if level_db - noise_db < SPEECH_OVER_NOISE_DB:
        return Finding.NO_SPEECH
    if level_db < FAINT_DB:
        return Finding.FAINT
    if level_db > LOUD_DB:
        return Finding.LOUD
    return Finding.NOISY if noise_db > NOISY_DB else Finding.GOOD


def _decibels(power: float) -> float:
    return float(10 * np.log10(power + 1e-10))


def tone_pcm(seconds: float = TONE_S) -> FloatArray:
    """A tone (samples,) that begins and ends without a click."""
    time = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    ramp = np.clip(np.minimum(time, seconds - time) / _RAMP_S, 0.0, 1.0)
    tone = 10 ** (TONE_DB / 20) * np.sin(2 * np.pi * TONE_HZ * time) * ramp
    return tone.astype(np.float32)


def meter(level_db: float, peak_db: float, width: int = 40) -> str:
    """A level meter from -60 to 0 dB, for a line of text: `#` the level, `|` the peak."""
    level, peak = (round(np.clip((db + 60) / 60, 0, 1) * (width - 1)) for db in (level_db, peak_db))
    bar = ["#" if place <= level and level_db > -60 else "." for place in range(width)]
    bar[peak] = "|"
    return "".join(bar)
