"""The figures of the waveform, as docs/waveform.md specifies them: all lengths follow from here.

Rule: constants and arithmetic. Signals are complex baseband at SAMPLE_RATE_HZ, with a mean power of 1; on the air they
lie around a carrier of CENTRE_HZ.
"""

from __future__ import annotations

from enum import Enum

SAMPLE_RATE_HZ = 8000
CENTRE_HZ = 12_000.0
"""Middle of the band on the air where nothing else is said; a set of impulse responses brings its own."""
CARRIERS = 128
FFT_SAMPLES = 256
PREFIX_SAMPLES = 96
SYMBOL_SAMPLES = PREFIX_SAMPLES + FFT_SAMPLES
SPACING_HZ = SAMPLE_RATE_HZ / FFT_SAMPLES
BANDWIDTH_HZ = CARRIERS * SPACING_HZ
CHIRP_SAMPLES = 256
GAP_SAMPLES = 96
"""Silence after the chirps, and at the end of a packet, for echoes to die away."""
FIRST_SYMBOL = 2 * CHIRP_SAMPLES + GAP_SAMPLES
"""First sample of the reference symbol, from the first of the first chirp; the header symbol follows it."""
MAX_BYTES = 255


class Coding(Enum):
    """What guards the bits of a packet; the header is always coded."""

    NONE = "none"
    CONVOLUTIONAL = "convolutional"


TAIL_BITS = 6
"""Zeros that bring the encoder back to where it began."""


def coded_bits(n_bytes: int, coding: Coding) -> int:
    """Bits on the air for `n_bytes`, before they are filled up to whole symbols."""
    return 8 * n_bytes if coding is Coding.NONE else 2 * (8 * n_bytes + TAIL_BITS)


def payload_symbols(n_bytes: int, coding: Coding) -> int:
    """OFDM symbols that carry `n_bytes`."""
    return -(-coded_bits(n_bytes, coding) // CARRIERS)


def packet_samples(n_bytes: int, coding: Coding) -> int:
    """Samples from the first of the preamble to the end of the closing gap."""
    return FIRST_SYMBOL + (2 + payload_symbols(n_bytes, coding)) * SYMBOL_SAMPLES + GAP_SAMPLES


def airtime_s(n_bytes: int, coding: Coding) -> float:
    """Seconds that a packet of `n_bytes` is on the air."""
    return packet_samples(n_bytes, coding) / SAMPLE_RATE_HZ
