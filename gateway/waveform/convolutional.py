"""The convolutional code of rate 1/2 and constraint length 7, and its decoder with soft bits in and out.

Rule: pure. Generators 133 and 171 (octal), as in CCSDS 131.0-B (without the inversion) and IEEE 802.11 clause 17.3.5.6.
The decoder is max-log-MAP (Bahl et al. 1974, with maxima for sums): its signs are those of the likeliest sequence, as
Viterbi's algorithm finds it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.waveform.figures import TAIL_BITS

STATES = 64
_GENERATORS = (0o133, 0o171)

# A state is the last six bits, the newest in front. It is reached from two others by the same bit.
_TO = np.arange(STATES)
_FROM = ((_TO[:, None] & 31) << 1) | np.arange(2)
_BIT = _TO >> 5
_NEXT = (np.arange(2)[None, :] << 5) | (_TO[:, None] >> 1)


def _parity(register: NDArray[np.int64], generator: int) -> NDArray[np.int64]:
    return np.array([(int(r) & generator).bit_count() & 1 for r in register.ravel()]).reshape(register.shape)


def _signs(register: NDArray[np.int64]) -> NDArray[np.float64]:
    """(..., 2): +1 for a coded 0, -1 for a 1, of the seven bits in the encoder."""
    return np.stack([1.0 - 2.0 * _parity(register, generator) for generator in _GENERATORS], axis=-1)


_SIGNS_TO = _signs((_BIT[:, None] << 6) | _FROM)
_SIGNS_FROM = _signs((np.arange(2)[None, :] << 6) | _TO[:, None])


def encode(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n,) bits -> (2 (n + 6),): six zeros follow the bits; the outputs of both generators alternate, 133 first."""
    fed = np.concatenate([bits, np.zeros(TAIL_BITS, np.uint8)])
    outputs = []
    for generator in _GENERATORS:
        taps = np.array([int(digit) for digit in f"{generator:07b}"])  # the first is the newest bit's
        outputs.append(np.convolve(fed, taps)[: len(fed)] % 2)
    return np.stack(outputs, axis=1).reshape(-1).astype(np.uint8)


def decode(llr: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2 (n + 6),) log P(0)/P(1) of the coded bits -> (n,) of the bits sent."""
    pairs = llr.reshape(-1, 2) / 2
    steps = len(pairs)
    into = np.einsum("tc,sjc->tsj", pairs, _SIGNS_TO)
    outof = np.einsum("tc,sbc->tsb", pairs, _SIGNS_FROM)
    outof[steps - TAIL_BITS :, :, 1] = -np.inf
    alpha = np.full((steps + 1, STATES), -np.inf)
    alpha[0, 0] = 0.0
    for t in range(steps):
        reached = (alpha[t][_FROM] + into[t]).max(axis=1)
        alpha[t + 1] = reached - reached.max()
    beta = np.full((steps + 1, STATES), -np.inf)
    beta[steps, 0] = 0.0
    for t in range(steps - 1, -1, -1):
        left = (beta[t + 1][_NEXT] + outof[t]).max(axis=1)
        beta[t] = left - left.max()
    n = steps - TAIL_BITS
    best = (alpha[:n, _FROM] + into[:n]).max(axis=2) + beta[1 : n + 1]
    return np.asarray(best[:, :32].max(axis=1) - best[:, 32:].max(axis=1))
