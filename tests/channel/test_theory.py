"""Residual loss by calculation: against closed forms, enumeration, and the figures of the design."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gateway.channel.theory import block_residual, both_lost, transition, word_failure


def enumerated(loss: float, burst: float | None, n: int, k: int, spacing: int) -> float:
    """By summing over every pattern of losses of the block."""
    step = np.linalg.matrix_power(transition(loss, burst), spacing)
    total = 0.0
    for pattern in itertools.product((0, 1), repeat=n):
        chance = loss if pattern[0] else 1 - loss
        for before, after in itertools.pairwise(pattern):
            chance *= step[before, after]
        if sum(pattern) > n - k:
            total += chance * sum(pattern[:k])
    return total / k


@pytest.mark.parametrize("burst", [None, 2.0, 8.0])
@pytest.mark.parametrize(("n", "k", "spacing"), [(2, 1, 1), (6, 4, 1), (6, 4, 2), (5, 3, 3), (8, 7, 1)])
def test_blocks_agree_with_enumeration(burst: float | None, n: int, k: int, spacing: int) -> None:
    assert block_residual(0.1, burst, n, k, spacing) == pytest.approx(enumerated(0.1, burst, n, k, spacing))


def test_independent_losses_are_binomial() -> None:
    assert both_lost(0.1, None, 3) == pytest.approx(0.01)
    # More than one of three lost, of those the share that is data: by symmetry the mean number lost, over three.
    assert block_residual(0.1, None, 3, 2) == pytest.approx((3 * 0.01 * 0.9 * 2 + 0.001 * 3) / 3)


def test_the_chain_keeps_its_share_and_burst() -> None:
    chain = transition(0.1, 8)
    assert np.array([0.9, 0.1]) @ chain == pytest.approx([0.9, 0.1])
    assert 1 / chain[1, 0] == pytest.approx(8)


def test_figures_of_the_design() -> None:
    assert both_lost(0.1, 2, 4) == pytest.approx(0.013, abs=0.001)
    assert both_lost(0.1, 8, 4) == pytest.approx(0.060, abs=0.002)
    assert block_residual(0.1, 2, 6, 4) == pytest.approx(0.046, abs=0.001)
    assert block_residual(0.1, 8, 6, 4) == pytest.approx(0.090, abs=0.002)
    assert block_residual(0.1, 2, 6, 4, 2) == pytest.approx(0.022, abs=0.001)
    assert 1 - (1 - word_failure(24, 3, 0.01)) ** 6 == pytest.approx(0.0005, abs=0.0001)
    # RS(15,9) over GF(16), of half the data: the design says 2.4 %, ten times what it is.
    assert word_failure(15, 3, 1 - 0.99**4) == pytest.approx(0.0023, abs=0.0001)


def test_extremes() -> None:
    assert block_residual(0.0, 2, 6, 4) == 0
    assert block_residual(1.0, None, 6, 4) == pytest.approx(1)
    assert word_failure(24, 24, 0.3) == pytest.approx(0)
    with pytest.raises(ValueError, match="needed: 0 to 1"):
        transition(1.5, None)
