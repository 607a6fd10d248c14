"""A small set of impulse responses of our own, for use and tests where no measured one is at hand.

Rule: pure and seeded. Made up, not measured: rays between two modems in shallow water by the image method (Brekhovskikh
and Lysanov, Fundamentals of Ocean Acoustics, 3rd ed., section 5.1), each reflected at the surface (pressure turned
round, a tenth lost) and the bottom (half lost), its phase wandering with the waves it has met.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.waveform.figures import CENTRE_HZ
from gateway.waveform.resample import ComplexArray
from gateway.waveform.responses import Responses
from gateway.waveform.water import SOUND_M_S


@dataclass(frozen=True, slots=True)
class ShallowWater:
    """Where the modems are, in metres, and the water; `doppler_hz` is the standard deviation at one surface bounce."""

    range_m: float = 1000.0
    depth_m: float = 40.0
    source_m: float = 15.0
    receiver_m: float = 25.0
    surface: float = -0.9
    bottom: float = 0.5
    doppler_hz: float = 0.4
    snapshots: int = 96
    snapshot_rate_hz: float = 12.0
    taps: int = 64
    tap_rate_hz: float = 8000.0
    orders: int = 4


def shallow_water(water: ShallowWater, seed: int) -> Responses:
    """The set: repeatable for a seed; the direct ray arrives at tap 4."""
    rng = np.random.default_rng(seed)
    rays = []
    for order in range(-water.orders, water.orders + 1):
        for sign in (1, -1):
            # Images of the source at 2 n D +- z; surface at 0, bottom at D.
            drop = 2 * order * water.depth_m + sign * water.source_m - water.receiver_m
            bounces = abs(2 * order) if sign == 1 else abs(2 * order - 1)
            top = bounces // 2 + (bounces % 2 if (sign == -1 and order <= 0) else 0)
            gain = water.surface**top * water.bottom ** (bounces - top)
            rays.append((float(np.hypot(water.range_m, drop)), gain, top))
    nearest = min(length for length, _, _ in rays)
    taps = np.zeros((water.snapshots, water.taps), np.complex128)
    tap = np.arange(water.taps)
    for length, gain, top in rays:
        delay_s = (length - nearest) / SOUND_M_S
        place = delay_s * water.tap_rate_hz + 4
        if place > water.taps - 8:
            continue  # too late to be there in full, and weak
        phase = -2 * np.pi * CENTRE_HZ * delay_s
        wander = _wander(water.snapshots, water.doppler_hz * np.sqrt(top) / water.snapshot_rate_hz, rng)
        steady = np.sqrt(1 / (1 + top))  # each meeting with the waves scatters more of the ray
        change = steady + np.sqrt(1 - steady**2) * wander
        shape = np.sinc(0.6 * (tap - place)) * np.hanning(34)[np.clip(tap - round(place) + 16, 0, 33)]
        taps += (gain * nearest / length * np.exp(1j * phase) * change)[:, None] * shape[None, :]
    taps /= np.sqrt(np.mean(np.sum(np.abs(taps) ** 2, axis=1)))
    return Responses(taps, water.snapshot_rate_hz, water.tap_rate_hz, CENTRE_HZ, 0.0, "shallow water")


def _wander(count: int, width: float, rng: np.random.Generator) -> ComplexArray:
    """(count,) complex Gaussian of power 1 with a Gaussian spectrum of standard deviation `width` (cycles a
    snapshot)."""
    frequency = np.fft.fftfreq(8 * count)
    amplitude = np.exp(-(frequency**2) / (4 * max(width, 1e-6) ** 2))
    amplitude /= np.sqrt(np.sum(amplitude**2))
    draws = (rng.normal(size=8 * count) + 1j * rng.normal(size=8 * count)) / np.sqrt(2)
    return np.asarray(np.fft.ifft(draws * amplitude)[:count] * 8 * count)
