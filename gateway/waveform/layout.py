"""Where the bits of a packet lie on carriers and symbols, and which fixed sequences go with them.

Rule: pure, and the same both ways: what `spread` does to bits, `gather` undoes to their log-likelihood ratios (positive
for a 0), adding those of bits that were sent more than once.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.waveform import convolutional
from gateway.waveform.figures import CARRIERS, Coding, coded_bits, payload_symbols

HEADER_CRC = 0x07
"""CRC-8 with x^8 + x^2 + x + 1 (ITU-T I.432.1's header check), beginning with 0xFF."""


def lfsr(length: int, taps: tuple[int, int]) -> NDArray[np.uint8]:
    """`length` bits of a shift register fed by the exclusive or of two of its stages, all ones at first."""
    stages = [1] * taps[0]
    out = np.empty(length, np.uint8)
    for i in range(length):
        out[i] = stages[taps[0] - 1] ^ stages[taps[1] - 1]
        stages = [int(out[i]), *stages[:-1]]
    return out


@lru_cache(maxsize=1)
def reference_signs() -> NDArray[np.float64]:
    """(CARRIERS,) +1 or -1 on each carrier of the reference symbol, lowest first: x^9 + x^5 + 1."""
    return np.asarray(1.0 - 2.0 * lfsr(CARRIERS, (9, 5)))


@lru_cache(maxsize=64)
def _whitening(bits: int) -> NDArray[np.uint8]:
    return lfsr(bits, (7, 4))


@lru_cache(maxsize=64)
def _places(symbols: int) -> NDArray[np.int64]:
    """Place i -> (symbol * CARRIERS + carrier) of bit i: neighbours lie half a packet and 45 carriers apart."""
    size = symbols * CARRIERS
    step = CARRIERS * (symbols // 2) + 45
    while math.gcd(step, size) > 1:
        step += 2
    return np.arange(size) * step % size


def spread(bits: NDArray[np.uint8], symbols: int) -> NDArray[np.uint8]:
    """Coded bits -> (symbols, CARRIERS): repeated from the start until full, whitened, interleaved."""
    full = np.resize(bits, symbols * CARRIERS) ^ _whitening(symbols * CARRIERS)
    placed = np.empty_like(full)
    placed[_places(symbols)] = full
    return placed.reshape(symbols, CARRIERS)


def gather(llr: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """(symbols, CARRIERS) -> (bits,), undoing `spread`."""
    flat = llr.reshape(-1)[_places(len(llr))] * (1.0 - 2.0 * _whitening(llr.size))
    summed = np.zeros(bits)
    np.add.at(summed, np.arange(len(flat)) % bits, flat)
    return summed


def header_bits(n_bytes: int) -> NDArray[np.uint8]:
    """(1, CARRIERS) bits of the header symbol: the length and its CRC, always coded."""
    head = np.unpackbits(np.array([n_bytes, crc8(n_bytes)], np.uint8))
    return spread(convolutional.encode(head), 1)


def read_header(llr: NDArray[np.float64]) -> int | None:
    """(1, CARRIERS) -> the packet's length in bytes, or None if its CRC does not fit."""
    heard = convolutional.decode(gather(llr, coded_bits(2, Coding.CONVOLUTIONAL)))
    length, check = np.packbits(heard < 0).tolist()
    return int(length) if crc8(length) == check else None


def payload_bits(data: bytes, coding: Coding) -> NDArray[np.uint8]:
    """(symbols, CARRIERS) bits of a packet, most significant bit of each byte first."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    if coding is Coding.CONVOLUTIONAL:
        bits = convolutional.encode(bits)
    return spread(bits, payload_symbols(len(data), coding))


def read_payload(llr: NDArray[np.float64], n_bytes: int, coding: Coding) -> NDArray[np.float64]:
    """(symbols, CARRIERS) -> (8 n_bytes,) log-likelihood ratios of the packet's bits."""
    summed = gather(llr, coded_bits(n_bytes, coding))
    return convolutional.decode(summed) if coding is Coding.CONVOLUTIONAL else summed


def crc8(byte: int) -> int:
    """CRC-8 of one byte."""
    register = 0xFF ^ byte
    for _ in range(8):
        register = (register << 1) ^ (HEADER_CRC if register & 0x80 else 0)
    return register & 0xFF
