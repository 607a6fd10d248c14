"""The extended Golay code (24,12): corrects 3 bit errors in 24, always notices 4 (SPEC.md, clause 12.3).

Rule: arrays of words in and out, (words, 24) on the air and (words, 12) of data, so that a packet is one call. Bits
come first to last; the data is the first half of a word.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]

DATA_BITS = 12
WORD_BITS = 24
MAX_CORRECTED = 3
POLYNOMIAL = 0xAE3
"""x^11 + x^9 + x^7 + x^6 + x^5 + x + 1: generates the cyclic code of 23 bits; one bit of even parity follows."""


class HardWords(NamedTuple):
    """`data` (words, 12); `errors` (words,): bits corrected in each word, -1 where they were too many."""

    data: Bits
    errors: NDArray[np.int64]


def encode(data: Bits) -> Bits:
    """Data (words, 12) to words (words, 24)."""
    return np.concatenate([data, data @ _parity_rows() % 2], axis=1).astype(np.uint8)


def decode_hard(words: Bits) -> HardWords:
    """Words (words, 24) with errors to their data; what cannot be corrected is left as it came."""
    patterns, weights = _syndromes()
    data, parity = words[:, :DATA_BITS], words[:, DATA_BITS:]
    syndrome = ((data @ _parity_rows() + parity) % 2).astype(np.int64) @ (1 << np.arange(DATA_BITS)[::-1])
    corrected = (words ^ patterns[syndrome])[:, :DATA_BITS]
    return HardWords(corrected.astype(np.uint8), weights[syndrome])


def decode_soft(one_probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (words, 24) that bits are 1, each by itself, to those of the data bits given the code: (words, 12).

    Exact, by the sum over all 4096 words (a-posteriori decoding of a block code).
    """
    likely = np.clip(one_probability, 1e-6, 1 - 1e-6)
    ratios = np.log(likely) - np.log1p(-likely)
    book = _code_book()
    weights = ratios @ book.T
    weights = np.exp(weights - weights.max(axis=1, keepdims=True))
    ones = weights @ book[:, :DATA_BITS]
    return np.asarray(ones / weights.sum(axis=1, keepdims=True))


@cache
def _parity_rows() -> NDArray[np.int64]:
    """(12, 12): the parity bits of each data bit."""
    rows = []
    for place in range(DATA_BITS):
        word = 1 << WORD_BITS - 2 - place  # the data bit in the 23 bits of the cyclic word
        rest = word
        for bit in range(WORD_BITS - 2, WORD_BITS - DATA_BITS - 2, -1):
            if rest >> bit & 1:
                rest ^= POLYNOMIAL << bit - 11
        word |= rest
        word = word << 1 | word.bit_count() & 1
        rows.append([word >> bit & 1 for bit in range(DATA_BITS - 1, -1, -1)])
    return np.array(rows, dtype=np.int64)


@cache
def _code_book() -> NDArray[np.float64]:
    """(4096, 24): all words."""
    data = np.arange(1 << DATA_BITS)[:, None] >> np.arange(DATA_BITS)[::-1] & 1
    return encode(data.astype(np.uint8)).astype(np.float64)


@cache
def _syndromes() -> tuple[Bits, NDArray[np.int64]]:
    """For each of the 4096 syndromes the error of 3 bits or fewer (4096, 24) and how many, -1 where there is none."""
    columns = [int(row @ (1 << np.arange(DATA_BITS)[::-1])) for row in _parity_rows()]
    columns += [1 << bit for bit in range(DATA_BITS - 1, -1, -1)]
    patterns = np.zeros((1 << DATA_BITS, WORD_BITS), np.uint8)
    weights = np.full(1 << DATA_BITS, -1, np.int64)
    for weight in range(MAX_CORRECTED + 1):
        for places in itertools.combinations(range(WORD_BITS), weight):
            syndrome = 0
            for place in places:
                syndrome ^= columns[place]
            patterns[syndrome, list(places)] = 1
            weights[syndrome] = weight
    return patterns, weights
