"""Packets as signals (docs/waveform.md).

Rule: pure; a packet's bytes alone decide its signal.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.waveform import figures, layout
from gateway.waveform.figures import CARRIERS, FFT_SAMPLES, PREFIX_SAMPLES, SAMPLE_RATE_HZ, Coding
from gateway.waveform.resample import ComplexArray, Resampler


@lru_cache(maxsize=1)
def chirp() -> ComplexArray:
    """(CHIRP_SAMPLES,) a linear sweep of the band from its lower to its upper end, of power 1."""
    t = np.arange(figures.CHIRP_SAMPLES) / SAMPLE_RATE_HZ
    length_s = figures.CHIRP_SAMPLES / SAMPLE_RATE_HZ
    slope = figures.BANDWIDTH_HZ / length_s
    return np.asarray(np.exp(2j * np.pi * (-figures.BANDWIDTH_HZ / 2 * t + slope * t * t / 2)))


def carrier_bins() -> NDArray[np.int64]:
    """(CARRIERS,) where each carrier lies in a transform of FFT_SAMPLES, lowest frequency first."""
    return np.arange(-CARRIERS // 2, CARRIERS // 2) % FFT_SAMPLES


def modulate(data: bytes, coding: Coding) -> ComplexArray:
    """`data` (at most MAX_BYTES) -> (packet_samples,) complex baseband, mean power 1 outside the gaps.

    Raises ValueError for an empty packet or one that is too long.
    """
    if not 1 <= len(data) <= figures.MAX_BYTES:
        raise ValueError(f"a packet of {len(data)} bytes; needed: 1 to {figures.MAX_BYTES}")
    bits = np.concatenate([layout.header_bits(len(data)), layout.payload_bits(data, coding)])
    steps = np.concatenate([layout.reference_signs()[None, :], 1.0 - 2.0 * bits])
    # Differential: a 0 leaves a carrier's phase as it was in the symbol before, a 1 turns it round.
    carriers = np.cumprod(steps, axis=0)
    spectrum = np.zeros((len(carriers), FFT_SAMPLES), np.complex128)
    spectrum[:, carrier_bins()] = carriers * FFT_SAMPLES / np.sqrt(CARRIERS)
    bodies = np.fft.ifft(spectrum, axis=1)
    symbols = np.concatenate([bodies[:, -PREFIX_SAMPLES:], bodies], axis=1).reshape(-1)
    gap = np.zeros(figures.GAP_SAMPLES, np.complex128)
    return np.concatenate([chirp(), chirp(), gap, symbols, gap])


def to_sound(signal: ComplexArray, rate_hz: int = 48_000, centre_hz: float = figures.CENTRE_HZ) -> NDArray[np.float32]:
    """Complex baseband -> (samples,) real sound at `rate_hz` around `centre_hz`, of the same mean power."""
    n = int(len(signal) * rate_hz / SAMPLE_RATE_HZ)
    t = np.arange(n) / rate_hz
    turned = Resampler(signal, SAMPLE_RATE_HZ).at(t) * np.exp(2j * np.pi * centre_hz * t)
    return np.asarray(np.sqrt(2) * turned.real, np.float32)


def from_sound(sound: NDArray[np.float32], rate_hz: int, centre_hz: float = figures.CENTRE_HZ) -> ComplexArray:
    """Real sound (samples,) -> complex baseband at SAMPLE_RATE_HZ, all but the band around `centre_hz` taken out."""
    t = np.arange(len(sound)) / rate_hz
    spectrum = np.fft.fft(np.sqrt(2) * sound * np.exp(-2j * np.pi * centre_hz * t))
    frequency = np.fft.fftfreq(len(sound), 1 / rate_hz)
    spectrum[np.abs(frequency) > 0.6 * figures.BANDWIDTH_HZ] = 0
    low = np.fft.ifft(spectrum)
    return Resampler(low, rate_hz).at(np.arange(int(len(sound) * SAMPLE_RATE_HZ / rate_hz)) / SAMPLE_RATE_HZ)
