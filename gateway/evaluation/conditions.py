"""What happens to speech before any codec hears it: noise, a room, a hand microphone, one turned up too far.

Rule: a condition depends on the clip's number alone, so every system is given the very same sound; figures are still
taken against the clean original.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.audio.acoustics import (
    coloured_noise,
    engine_hum,
    hand_microphone,
    overdriven,
    statistical_room,
)
from gateway.audio.files import read_audio
from gateway.codec.level import active_level_db
from gateway.errors import EvaluationError

Pcm = NDArray[np.float32]

SAMPLE_RATE = 16_000
BANDS = ("hand-microphone",)
HAND_MICROPHONE_HZ = (300.0, 3400.0)
"""The band of a communications microphone, as ITU-T G.712 has it for telephone channels."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`spoil` takes the clip's number and its samples, and gives as many."""

    name: str
    spoil: Callable[[int, Pcm], Pcm]


CLEAN = Condition("", lambda _number, pcm: pcm)


def noise_recordings(folder: Path) -> list[Pcm]:
    """Recordings in the noise folder's manifest, at 16 kHz; raises EvaluationError where there are none."""
    manifest = folder / "manifest.tsv"
    if not manifest.is_file():
        raise EvaluationError(f"{folder}: no manifest.tsv there; noise needs a folder of recordings")
    with manifest.open(newline="", encoding="utf-8") as file:
        paths = sorted(folder / row["path"] for row in csv.DictReader(file, delimiter="\t"))
    recordings = [read_audio(path) for path in paths]
    if not recordings:
        raise EvaluationError(f"{manifest}: lists no recordings")
    return recordings


def made_up_noise() -> list[Pcm]:
    """Wind, hiss and two engines, 30 s each, always the same: for where there are no recordings."""
    rng = np.random.default_rng(1)
    samples = 30 * SAMPLE_RATE

    def engine(base_hz: float) -> Pcm:
        rumble = coloured_noise(samples, -0.6, rng)
        return np.asarray(rumble / rumble.std() + 1.5 * engine_hum(samples, base_hz, rng), dtype=np.float32)

    return [coloured_noise(samples, -1.0, rng), engine(55.0), coloured_noise(samples, 0.0, rng), engine(110.0)]


def noise(snr_db: float, recordings: list[Pcm]) -> Condition:
    """A stretch of one of the recordings, `snr_db` below the speech: its mean power against the active speech level."""

    def spoil(number: int, pcm: Pcm) -> Pcm:
        rng = np.random.default_rng(number)
        recording = recordings[number % len(recordings)]
        start = int(rng.integers(len(recording)))
        stretch = np.take(recording, np.arange(start, start + len(pcm)), mode="wrap")
        level = 10 ** ((active_level_db(pcm) - snr_db) / 20)
        noisy = pcm + stretch * np.float32(level / (np.sqrt(np.mean(stretch**2)) + 1e-9))
        # Louder than full scale would be distortion on top of noise: the whole clip goes down instead.
        return np.asarray(noisy / max(1.0, float(np.abs(noisy).max())), dtype=np.float32)

    return Condition(f"noise {snr_db:g} dB", spoil)


def reverb(decay_s: float) -> Condition:
    """A room that decays by 60 dB in `decay_s`, a new one for every clip, as loud as the direct sound (a talker at the
    critical distance)."""

    def spoil(number: int, pcm: Pcm) -> Pcm:
        room = statistical_room(decay_s, (0.0, 0.0), np.random.default_rng(number))
        size = len(pcm) + len(room)
        heard = np.fft.irfft(np.fft.rfft(pcm, size) * np.fft.rfft(room, size), size)[: len(pcm)]
        return np.asarray(heard / max(1.0, float(np.abs(heard).max())), dtype=np.float32)

    return Condition(f"reverb {decay_s:g} s", spoil)


def band(name: str) -> Condition:
    """A microphone of `BANDS`."""
    if name not in BANDS:
        raise EvaluationError(f"band {name!r} is not known; there are {', '.join(BANDS)}")

    def spoil(_number: int, pcm: Pcm) -> Pcm:
        response = hand_microphone(len(pcm) // 2 + 1, *HAND_MICROPHONE_HZ)
        return np.asarray(np.fft.irfft(np.fft.rfft(pcm) * response, len(pcm)), dtype=np.float32)

    return Condition(name, spoil)


def overdrive(depth_db: float) -> Condition:
    """A microphone, sound card or radio turned up too far: peaks cut off `depth_db` below each clip's highest."""
    return Condition(f"overdriven {depth_db:g} dB", lambda _number, pcm: overdriven(pcm, depth_db))
