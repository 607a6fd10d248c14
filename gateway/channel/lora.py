"""LoRa: air time, sensitivity, and loss of packets over a radio path that may move.

Rule: figures of the chip from its maker, errors from the theory of its modulation.

Semtech SX1276/77/78/79 data sheet, table 13 (least SNR by spreading factor) and 4.1.1.7 (air time); sensitivity is
-174 dBm/Hz + bandwidth + noise figure 6 dB + that SNR (Semtech AN1200.22). Bit errors: Elshabrawy & Robert, IEEE
Commun. Lett. 22(9), 2018, a closed form for orthogonal signals detected without phase. Coding 4/7 and 4/8 correct one
bit in a word of 7 or 8, 4/5 and 4/6 only find errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.figures import check_range, decibels
from gateway.channel.radio import THERMAL_DBM_HZ, Noise, RadioPath, Terrain
from gateway.channel.theory import word_failure
from gateway.channel.vhf import Motion, MovingRadio, moving_snr_cdf

NOISE_FIGURE_DB = 6.0
PREAMBLE_SYMBOLS = 8


def least_snr_db(spreading: int) -> float:
    """SNR in the bandwidth at which the chip still receives: -7.5 dB at SF7, 2.5 dB less with each step."""
    return -7.5 - 2.5 * (spreading - 7)


def sensitivity_dbm(spreading: int, bandwidth_hz: float) -> float:
    """Weakest signal that the chip receives."""
    return THERMAL_DBM_HZ + decibels(bandwidth_hz) + NOISE_FIGURE_DB + least_snr_db(spreading)


def airtime_s(
    spreading: int, bandwidth_hz: float, coding: int, n_bytes: int, preamble: int = PREAMBLE_SYMBOLS
) -> float:
    """Seconds on the air of a packet with explicit header and CRC; `coding` is x of 4/(4 + x)."""
    symbol_s = float(2**spreading / bandwidth_hz)
    slow = 1 if symbol_s >= 0.016 else 0  # low data rate optimisation, required from 16 ms on
    bits = 8 * n_bytes - 4 * spreading + 28 + 16
    symbols = 8 + max(0, math.ceil(bits / (4 * (spreading - 2 * slow)))) * (coding + 4)
    return (preamble + 4.25 + symbols) * symbol_s


def symbol_bit_errors(spreading: int, snr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance of a bit to be wrong at each `snr` (a ratio, in the bandwidth), before decoding; same shape."""
    places = np.sqrt(snr * 2.0 ** (spreading + 1)) - math.sqrt(1.386 * spreading + 1.154)
    flat = [0.25 * math.erfc(place / math.sqrt(2)) for place in places.ravel().tolist()]
    return np.array(flat).reshape(snr.shape)


@dataclass(frozen=True, slots=True)
class LoraRadio(RadioPath):
    """A radio path with a LoRa chip at both ends: 14 dBm is what Europe allows at 868 MHz."""

    frequency_hz: float = 868e6
    power_dbm: float = 14.0
    antennas_dbi: float = 2.0
    heights_m: tuple[float, float] = (30.0, 1.5)
    terrain: Terrain = Terrain.SUBURB
    bandwidth_hz: float = 125_000.0
    noise_figure_db: float = NOISE_FIGURE_DB
    noise: Noise = Noise.NONE


@dataclass(frozen=True, slots=True)
class LoraModel(PathModel):
    """A LoRa modem on a radio path; bandwidth and noise figure of `radio` are the chip's."""

    spreading: int = 7
    coding: int = 1
    radio: LoraRadio = field(default_factory=LoraRadio)
    motion: Motion = field(default_factory=Motion)

    def __post_init__(self) -> None:
        check_range("spreading", self.spreading, 6, 12)
        check_range("coding", self.coding, 1, 4)

    def packet_loss(self, snr_db: NDArray[np.float64], n_bytes: int) -> float:
        """Chance to lose a packet in equal parts at `snr_db` (parts,)."""
        wrong = symbol_bit_errors(self.spreading, 10.0 ** (snr_db / 10))
        if self.coding < 3:
            return max(0.0, -math.expm1(8 * n_bytes * float(np.log1p(-wrong).mean())))
        # The diagonal interleaver puts each bit of a word into another symbol: errors in a word are independent.
        failure = word_failure(4 + self.coding, 1, float(wrong.mean()))
        return 1.0 - (1.0 - min(1.0, max(0.0, failure))) ** (2 * n_bytes)

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return _LoraPath(self, MovingRadio(self.radio, self.motion, rng, start_s))

    def snr_cdf(self, snr_db: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Share of time at or below each `snr_db`, by theory; None where it has no steady answer."""
        return moving_snr_cdf(self.radio, self.motion, snr_db)


class _LoraPath(Path):
    def __init__(self, model: LoraModel, moving: MovingRadio) -> None:
        self._model, self._moving = model, moving

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        moving = self._moving
        mean_db = moving.snr_db(begin_s)
        power = np.maximum(moving.power(begin_s, end_s), 1e-12)
        loss = self._model.packet_loss(mean_db + 10 * np.log10(power), n_bytes)
        snr_db = mean_db + decibels(float(power.mean()))
        return Conditions(moving.delay_s(begin_s), loss, 0.0, snr_db, moving.doppler_hz(), "too weak")
