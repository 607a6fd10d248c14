"""Codec2 side by side: the classical codec of HF digital voice, through its own command-line tools at 8 kHz."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import soxr
from numpy.typing import NDArray

from gateway.errors import EvaluationError

MODES = ("3200", "1300", "700C", "450")
TAIL_SAMPLES = 800
"""Silence added after the speech, 100 ms at 8 kHz: c2enc drops a partial frame and c2dec lags."""


def available() -> bool:
    """Whether c2enc and c2dec (Debian package codec2) are installed."""
    return shutil.which("c2enc") is not None and shutil.which("c2dec") is not None


def through_codec2(pcm: NDArray[np.float32], mode: str) -> NDArray[np.float32]:
    """Encode and decode (samples,) at 16 kHz by way of 8 kHz; the result lags by up to 30 ms and is that much longer.

    Raises EvaluationError for a mode that is not known or that the installed tools refuse.
    """
    if mode not in MODES:
        raise EvaluationError(f"Codec2 mode {mode!r} is not known; there are {', '.join(MODES)}")
    low = np.pad(soxr.resample(pcm, 16_000, 8_000, quality="VHQ"), (0, TAIL_SAMPLES))
    raw = np.round(np.clip(low, -1, 1) * 32767).astype("<i2").tobytes()
    decoded = _pipe("c2dec", mode, _pipe("c2enc", mode, raw))
    wave = np.frombuffer(decoded[: len(decoded) // 2 * 2], "<i2").astype(np.float32) / 32768
    return np.asarray(soxr.resample(wave, 8_000, 16_000, quality="VHQ"), dtype=np.float32)


def _pipe(tool: str, mode: str, data: bytes) -> bytes:
    done = subprocess.run([tool, mode, "-", "-"], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise EvaluationError(f"{tool} {mode} ended with {done.returncode}: {said[-1] if said else 'no message'}")
    return done.stdout


def telephone_band(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """The original through 8 kHz sampling: what no 8 kHz codec can exceed."""
    high = soxr.resample(soxr.resample(pcm, 16_000, 8_000, quality="VHQ"), 8_000, 16_000, quality="VHQ")
    return np.asarray(np.pad(high, (0, max(0, len(pcm) - len(high))))[: len(pcm)], dtype=np.float32)
