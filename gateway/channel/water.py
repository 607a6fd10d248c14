"""Sound in the sea: its speed, what it loses on the way, and the noise it arrives in.

Rule: pure formulas, each with its source; levels in dB re 1 uPa (spectra per Hz), frequencies in kHz, ranges in metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOISE_STEPS = 64
"""Slices of a band over which noise and absorption are summed; finer ones change a level by less than 0.01 dB."""


def sound_speed_m_s(temperature_c: float = 10.0, salinity_ppt: float = 35.0, depth_m: float = 0.0) -> float:
    """Mackenzie's nine terms (JASA 70, 807, 1981): 2 to 30 degrees C, 25 to 40 ppt, 0 to 8000 m, within 0.07 m/s."""
    t, s, d = temperature_c, salinity_ppt - 35, depth_m
    of_heat = 4.591 * t - 5.304e-2 * t**2 + 2.374e-4 * t**3
    of_depth = 1.630e-2 * d + 1.675e-7 * d**2 - 7.139e-13 * t * d**3
    return 1448.96 + of_heat + 1.340 * s - 1.025e-2 * t * s + of_depth


def simple_sound_speed_m_s(temperature_c: float = 10.0, salinity_ppt: float = 35.0, depth_m: float = 0.0) -> float:
    """Medwin's simpler formula (JASA 58, 1318, 1975): 0 to 35 degrees C, to 45 ppt, to 1000 m."""
    t = temperature_c
    of_heat = 4.6 * t - 0.055 * t**2 + 0.00029 * t**3
    return 1449.2 + of_heat + (1.34 - 0.010 * t) * (salinity_ppt - 35) + 0.016 * depth_m


def relaxation_db_per_km(frequency_khz: float) -> float:
    """What boric acid and magnesium sulphate absorb: the two terms of Thorp (JASA 42, 270, 1967), in dB a kilometre."""
    f2 = frequency_khz**2
    return 0.11 * f2 / (1 + f2) + 44 * f2 / (4100 + f2)


def thorp_db_per_km(frequency_khz: float) -> float:
    """Thorp's absorption with the terms of viscosity and of very low frequencies (Brekhovskikh and Lysanov, 2.2)."""
    return relaxation_db_per_km(frequency_khz) + 2.75e-4 * frequency_khz**2 + 0.003


def spreading_db(range_m: float, exponent: float = 1.5) -> float:
    """10 k log10(r / 1 m): k is 2 for spherical, 1 for cylindrical, 1.5 for "practical" spreading (Urick, 5.2)."""
    return 10 * exponent * math.log10(max(range_m, 1.0))


def transmission_loss_db(range_m: float, frequency_khz: float, exponent: float = 1.5) -> float:
    """Spreading and absorption."""
    return spreading_db(range_m, exponent) + thorp_db_per_km(frequency_khz) * range_m / 1000


@dataclass(frozen=True, slots=True)
class Noise:
    """Ambient noise after Wenz (JASA 34, 1936, 1962), in the formulas of Coates (Underwater Acoustic Systems, 1990) as
    Stojanovic gives them (WUWNet 2006, equation 7).

    `shipping` from 0 (none near) to 1 (busy); `wind_m_s` at the surface; `more_db` for what a place or a vessel has on
    top (harbour machinery, a thruster beside the modem). Raises ValueError naming the figure.
    """

    wind_m_s: float = 5.0
    shipping: float = 0.5
    more_db: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.shipping <= 1:
            raise ValueError(f"shipping: got {self.shipping:g}; needed: 0 to 1")
        if not 0 <= self.wind_m_s <= 60:
            raise ValueError(f"wind_m_s: got {self.wind_m_s:g}; needed: 0 to 60")

    def parts_db(self, frequency_khz: float) -> dict[str, float]:
        """Spectrum levels in dB re 1 uPa^2/Hz: turbulence, shipping, wind, thermal."""
        log_f = math.log10(frequency_khz)
        return {
            "turbulence": 17 - 30 * log_f,
            "shipping": 40 + 20 * (self.shipping - 0.5) + 26 * log_f - 60 * math.log10(frequency_khz + 0.03),
            "wind": 50 + 7.5 * math.sqrt(self.wind_m_s) + 20 * log_f - 40 * math.log10(frequency_khz + 0.4),
            "thermal": -15 + 20 * log_f,
        }

    def spectrum_db(self, frequency_khz: float) -> float:
        """All parts together, `more_db` included."""
        return self.more_db + decibels(sum(power(part) for part in self.parts_db(frequency_khz).values()))

    def band_db(self, frequency_khz: float, bandwidth_khz: float) -> float:
        """Level of the band around `frequency_khz`, in dB re 1 uPa."""
        slices, width_hz = band(frequency_khz, bandwidth_khz)
        return decibels(sum(power(self.spectrum_db(f)) for f in slices) * width_hz)


def snr_db(
    range_m: float,
    source_level_db: float,
    noise: Noise,
    frequency_khz: float,
    bandwidth_khz: float,
    exponent: float = 1.5,
) -> float:
    """Signal to noise at the receiver: passive sonar equation, the source's power spread evenly over the band."""
    slices, _ = band(frequency_khz, bandwidth_khz)
    arriving = sum(power(-transmission_loss_db(range_m, f, exponent)) for f in slices) / len(slices)
    return source_level_db + decibels(arriving) - noise.band_db(frequency_khz, bandwidth_khz)


def band(frequency_khz: float, bandwidth_khz: float) -> tuple[NDArray[np.float64], float]:
    """Middles of the slices of a band in kHz, and the width of one in Hz."""
    edges = np.linspace(frequency_khz - bandwidth_khz / 2, frequency_khz + bandwidth_khz / 2, NOISE_STEPS + 1)
    return (edges[1:] + edges[:-1]) / 2, 1000 * bandwidth_khz / NOISE_STEPS


def power(level_db: float) -> float:
    """10^(dB / 10)."""
    return float(10 ** (level_db / 10))


def decibels(ratio: float) -> float:
    """10 log10 of a power; -inf for none."""
    return 10 * math.log10(ratio) if ratio > 0 else -math.inf
