"""From signal to noise to what a modem makes of it: the chance that a packet is lost, or that a bit is wrong.

Rule: a curve is stated in full by two figures, so that it can be held against a data sheet or a measurement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gateway.channel.modem_curve import Modulation, bit_error_rate

_WIDTH_IN_SLOPES = 2 * math.log(9)
"""A logistic curve goes from 10 to 90 % within so many of its slopes."""


class ModemKind(StrEnum):
    """Which curve: a packet modem's own, or that of frequency shift keying with its packets or bits handed on."""

    PACKET = "packet"
    FSK = "fsk"
    FSK_BITS = "fsk-bits"


@dataclass(frozen=True, slots=True)
class AcousticModem:
    """`packet`: half of all packets arrive at `half_db`, and 10 to 90 % lie within `width_db` around it (logistic). The
    figures are fitted to a modem; coding makes the curve steep.

    `fsk`: orthogonal binary FSK, detected without phase: a bit is wrong with exp(-Eb/N0 / 2) / 2 (Proakis, Digital
    Communications, 4th ed., 5.4-47), Eb/N0 being the SNR of the band times bandwidth over `bit_rate_bps`, plus
    `coding_gain_db`; a packet with a wrong bit is lost. `fsk-bits`: the same bits, handed on as they are.
    """

    kind: ModemKind = ModemKind.PACKET
    half_db: float = 3.0
    width_db: float = 3.0
    bit_rate_bps: float = 80.0
    coding_gain_db: float = 0.0

    def __post_init__(self) -> None:
        if self.width_db <= 0:
            raise ValueError(f"width_db: got {self.width_db:g}; needed: above 0")
        if self.bit_rate_bps <= 0:
            raise ValueError(f"bit_rate_bps: got {self.bit_rate_bps:g}; needed: above 0")

    def packet_success(self, snr_db: float) -> float:
        """Of a packet modem, by the SNR in its band, in dB averaged over the packet."""
        slopes = (snr_db - self.half_db) * _WIDTH_IN_SLOPES / self.width_db
        return 1 / (1 + math.exp(-slopes)) if slopes > -700 else 0.0

    def bit_error_rate(self, snr: NDArray[np.float64], bandwidth_khz: float) -> float:
        """Of FSK, over the instants of a packet; `snr` are power ratios in the band."""
        gain = 1000 * bandwidth_khz / self.bit_rate_bps * 10 ** (self.coding_gain_db / 10)
        return float(np.mean(bit_error_rate(Modulation.FSK, snr * gain)))
