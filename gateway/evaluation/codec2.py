"""Codec2 side by side: the classical codec of HF digital voice, through its own command-line tools at 8 kHz."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import soxr
from numpy.typing import NDArray

MODES = ("3200", "1300", "700C", "450")


def available() -> bool:
    """Whether c2enc and c2dec (Debian package codec2) are installed."""
    return shutil.which("c2enc") is not None and shutil.which("c2dec") is not None


def through_codec2(pcm: NDArray[np.float32], mode: str) -> NDArray[np.float32]:
    """Encode and decode (samples,) at 16 kHz by way of 8 kHz; the result has the same length."""
    low = soxr.resample(pcm, 16_000, 8_000, quality="VHQ")
    raw = np.round(np.clip(low, -1, 1) * 32767).astype("<i2").tobytes()
    coded = subprocess.run(["c2enc", mode, "-", "-"], input=raw, capture_output=True, check=True).stdout
    decoded = subprocess.run(["c2dec", mode, "-", "-"], input=coded, capture_output=True, check=True).stdout
    wave = np.frombuffer(decoded[: len(decoded) // 2 * 2], "<i2").astype(np.float32) / 32768
    high = soxr.resample(wave, 8_000, 16_000, quality="VHQ")
    return np.asarray(np.pad(high, (0, max(0, len(pcm) - len(high))))[: len(pcm)], dtype=np.float32)


def telephone_band(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """The original through 8 kHz sampling: what no 8 kHz codec can exceed."""
    high = soxr.resample(soxr.resample(pcm, 16_000, 8_000, quality="VHQ"), 8_000, 16_000, quality="VHQ")
    return np.asarray(np.pad(high, (0, max(0, len(pcm) - len(high))))[: len(pcm)], dtype=np.float32)
