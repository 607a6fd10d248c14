"""What loss and bit errors leave behind, calculated: the figures that simulations are held against.

Rule: exact for the chain of `impairments` (Gilbert-Elliott with every packet lost in the bad state) and for independent
bit errors; nothing is drawn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def transition(loss: float, mean_burst: float | None) -> NDArray[np.float64]:
    """(2, 2): chance of good, lost (columns) after good, lost (rows); independent losses where `mean_burst` is None."""
    if not 0 <= loss <= 1:
        raise ValueError(f"loss {loss:g}: needed: 0 to 1")
    if mean_burst is None or loss in (0.0, 1.0):
        return np.array([[1 - loss, loss], [1 - loss, loss]])
    enter = loss / (mean_burst * (1 - loss))
    return np.array([[1 - enter, enter], [1 / mean_burst, 1 - 1 / mean_burst]])


def both_lost(loss: float, mean_burst: float | None, distance: int) -> float:
    """Share of packets lost together with the one `distance` after them."""
    return float(loss * np.linalg.matrix_power(transition(loss, mean_burst), distance)[1, 1])


def block_residual(loss: float, mean_burst: float | None, n: int, k: int, spacing: int = 1) -> float:
    """Share of the first k of n packets, `spacing` apart, that stay lost: those of blocks with more than n - k lost."""
    step = np.linalg.matrix_power(transition(loss, mean_burst), spacing)
    # chance[state of the last packet, lost so far, data packets lost so far]
    chance = np.zeros((2, n + 1, k + 1))
    chance[0, 0, 0], chance[1, 1, 1] = 1 - loss, loss
    for place in range(1, n):
        moved = np.einsum("sld,st->tld", chance, step)
        data = 1 if place < k else 0
        chance = np.zeros_like(chance)
        chance[0] = moved[0]
        chance[1, 1:, data:] = moved[1, :n, : k + 1 - data]
    failed = chance[:, n - k + 1 :].sum(axis=(0, 1))
    return float(failed @ np.arange(k + 1)) / k


def word_failure(bits: int, corrected: int, bit_error_rate: float) -> float:
    """Chance of more than `corrected` errors among `bits`."""
    p = bit_error_rate
    return 1.0 - sum(math.comb(bits, i) * p**i * (1 - p) ** (bits - i) for i in range(corrected + 1))
