"""Formants moved without the pitch: a longer or shorter vocal tract for training clips, cheap enough for every step.

Rule: the fine structure of each frame's spectrum stays where it is; only its smooth envelope is stretched.

Together with resampling (which moves pitch and formants alike) any pair of pitch and formants can be had: resample by
`pitch`, then warp by `formants / pitch`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

FRAME, HOP = 512, 256
"""Samples of a frame and between frames: 32 and 16 ms."""
BINS = FRAME // 2 + 1
BANDS = 40
"""Of the envelope, on the mel scale."""
REACH = 5.0
"""Bins (156 Hz) that a band reaches at least to either side: wider, and formants hardly move; narrower, and the
envelope follows single harmonics."""
LARGEST_GAIN = 10.0
"""Of one bin, 20 dB: where the envelope is stretched past a hole."""


def warp_formants(pcm: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """`pcm` (samples,) at 16 kHz with its spectral envelope stretched by `factor`: above 1 a shorter vocal tract.

    Same length and pitch, the level within about 1 dB. The envelope is each frame's power in mel bands, interpolated.
    """
    window, to_bands = _window(), _bands()
    count = -(-len(pcm) // HOP) + 1
    padded = np.zeros((count + 1) * HOP, np.float32)
    padded[HOP : HOP + len(pcm)] = pcm
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP] * window
    spectrum = fft.rfft(frames, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    envelope = np.log(power @ to_bands + np.float32(1e-10))
    gain = np.exp(np.clip(envelope @ _moves(round(factor, 3)), -_LOG_GAIN, _LOG_GAIN))
    warped = fft.irfft(spectrum * gain, FRAME, axis=1) * window
    out = np.zeros((count + 1, HOP), np.float32)
    out[:-1] += warped[:, :HOP]
    out[1:] += warped[:, HOP:]
    whole: NDArray[np.float32] = out.reshape(-1)[HOP : HOP + len(pcm)]
    return whole


_LOG_GAIN = np.float32(np.log(LARGEST_GAIN))


@lru_cache
def _window() -> NDArray[np.float32]:
    """Square root of a periodic Hann window: analysis and synthesis together overlap to 1."""
    return np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


@lru_cache
def _band_places() -> NDArray[np.float64]:
    """Centres of the bands in bins."""
    top = 2595 * np.log10(1 + 8000 / 700)
    hz = 700 * (10 ** (np.linspace(0, top, BANDS) / 2595) - 1)
    return np.asarray(hz / 8000 * (BINS - 1))


@lru_cache
def _bands() -> NDArray[np.float32]:
    """(bins, bands): means over triangles that reach to the neighbours' centres, and at least REACH."""
    places = _band_places()
    reach = np.maximum(np.gradient(places), REACH)
    weights = np.maximum(0, 1 - np.abs(np.arange(BINS)[:, None] - places) / reach)
    means: NDArray[np.float32] = (weights / weights.sum(0)).astype(np.float32)
    return means


@lru_cache(maxsize=256)
def _moves(factor: float) -> NDArray[np.float32]:
    """(bands, bins): half the log envelope read at bin / factor, less half of it read at the bin: a log gain."""
    unit = np.eye(BANDS)
    places, bins = _band_places(), np.arange(BINS)
    read = [np.interp(bins / factor, places, row) - np.interp(bins, places, row) for row in unit]
    return (0.5 * np.array(read)).astype(np.float32)
