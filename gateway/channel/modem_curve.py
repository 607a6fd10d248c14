"""From signal-to-noise ratio to wrong bits and lost packets: the stated curve of a modem.

Rule: formulas from the books, no tables; what a real modem does worse goes into a negative coding gain.

SNR here is Es/N0, the ratio within a noise bandwidth of one symbol rate; a receiver known by the SNR in a wider
bandwidth gets the difference as `processing_gain_db`. Bit errors in white noise: Proakis, Digital Communications,
4th ed., 5.2 (coherent BPSK and Gray-coded QPSK, DPSK) and 5.4 (coherent and non-coherent binary FSK).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gateway.channel.figures import check_range
from gateway.channel.theory import word_failure


class Modulation(StrEnum):
    """How bits become a signal."""

    BPSK = "bpsk"
    QPSK = "qpsk"
    DPSK = "dpsk"
    FSK = "fsk"
    """Binary, detected without knowing the phase: the plain modem."""
    COHERENT_FSK = "coherent-fsk"


class Gives(StrEnum):
    """What a modem hands to its user."""

    PACKETS = "packets"
    """Whole packets or none: a checksum drops those with a wrong bit."""
    BITS = "bits"
    """Every packet that it finds, wrong bits included."""


def bit_error_rate(modulation: Modulation, snr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance of a bit to be wrong at each `snr` (Es/N0 as a ratio), same shape."""
    match modulation:
        case Modulation.DPSK:
            return np.asarray(0.5 * np.exp(-snr))
        case Modulation.FSK:
            return np.asarray(0.5 * np.exp(-snr / 2))
        case Modulation.BPSK:
            return _half_erfc(snr)
        case Modulation.QPSK | Modulation.COHERENT_FSK:
            return _half_erfc(snr / 2)


def _half_erfc(squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """0.5 erfc(sqrt(x)), which is Q(sqrt(2 x)); NumPy has no erfc of its own."""
    flat = [0.5 * math.erfc(root) for root in np.sqrt(squared).ravel().tolist()]
    return np.array(flat).reshape(squared.shape)


@dataclass(frozen=True, slots=True)
class ModemCurve:
    """Figures of a modem; the keys of a `[model.modem]` table.

    `coding_gain_db` is added to the SNR: what a code wins at the error rates of use, less what the receiver loses.
    Instead or besides, a block code stated by its words: `word_bits` on the air carry `word_data_bits`, `word_corrects`
    wrong ones are put right, and an interleaver spreads a packet's errors evenly over its words. Below `sync_db` of
    mean SNR a packet is not found at all. Raises ValueError naming the figure.
    """

    modulation: Modulation = Modulation.BPSK
    gives: Gives = Gives.PACKETS
    coding_gain_db: float = 0.0
    processing_gain_db: float = 0.0
    word_bits: int = 0
    word_data_bits: int = 0
    word_corrects: int = 0
    sync_db: float | None = None

    def __post_init__(self) -> None:
        check_range("coding_gain_db", self.coding_gain_db, -20, 30)
        check_range("processing_gain_db", self.processing_gain_db, -20, 60)
        check_range("word_bits", self.word_bits, 0, 4096)
        if self.sync_db is not None:
            check_range("sync_db", self.sync_db, -60, 60)
        if self.word_bits:
            check_range("word_data_bits", self.word_data_bits, 1, self.word_bits)
            check_range("word_corrects", self.word_corrects, 0, self.word_bits - self.word_data_bits)
            if self.gives is Gives.BITS:
                raise ValueError('word_bits: a block code goes with gives = "packets"')
        elif self.word_data_bits or self.word_corrects:
            raise ValueError("word_bits: missing; word_data_bits and word_corrects need it")

    def bit_errors(self, snr_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Chance of a bit on the air to be wrong at each `snr_db`, same shape."""
        effective_db = snr_db + (self.coding_gain_db + self.processing_gain_db)
        return bit_error_rate(self.modulation, 10.0 ** (effective_db / 10))

    def outcome(self, snr_db: NDArray[np.float64], n_bytes: int) -> tuple[float, float]:
        """(chance to be lost, chance of each bit to be wrong) of a packet in equal parts at `snr_db` (parts,)."""
        if self.sync_db is not None and float(np.mean(10.0 ** (snr_db / 10))) < 10.0 ** (self.sync_db / 10):
            return 1.0, 0.0
        wrong = self.bit_errors(snr_db)
        if self.gives is Gives.BITS:
            return 0.0, float(wrong.mean())
        if self.word_bits:
            words = -(-8 * n_bytes // self.word_data_bits)
            failure = min(1.0, max(0.0, word_failure(self.word_bits, self.word_corrects, float(wrong.mean()))))
            return 1.0 - (1.0 - failure) ** words, 0.0
        return max(0.0, -math.expm1(8 * n_bytes * float(np.log1p(-wrong).mean()))), 0.0
