"""Bit order and soft bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec import bits
from gateway.codec.spec import DIGITS

digit_lists = st.lists(st.integers(0, 7), min_size=DIGITS, max_size=DIGITS)


@given(digit_lists)
def test_pack_and_unpack_agree(digits: list[int]) -> None:
    frame = bits.pack(np.array(digits))
    assert len(frame) == 3
    assert bits.unpack(frame).tolist() == digits


def test_order_by_importance() -> None:
    """Stage-1 top bits first (0xF0), stage-2 lowest bits last."""
    assert bits.pack(np.array([4, 4, 4, 4, 0, 0, 0, 0])) == b"\xf0\x00\x00"
    assert bits.pack(np.array([1, 0, 0, 0, 0, 0, 0, 0])) == b"\x00\x80\x00"
    assert bits.pack(np.array([0, 0, 0, 0, 4, 0, 0, 0])) == b"\x00\x08\x00"
    assert bits.pack(np.array([0, 0, 0, 0, 0, 0, 0, 1])) == b"\x00\x00\x01"


@given(st.binary(min_size=3, max_size=3))
def test_certain_soft_bits_equal_hard_ones(frame: bytes) -> None:
    soft = bits.hear_soft(np.unpackbits(np.frombuffer(frame, np.uint8)).astype(float))
    hard = bits.hear(frame)
    assert np.allclose(soft.values, hard.values)
    assert np.allclose(soft.doubt, 0, atol=1e-6)


def test_unknown_bits_are_an_erasure() -> None:
    soft = bits.hear_soft(np.full(24, 0.5))
    assert np.allclose(soft.values, bits.ERASED.values, atol=1e-7)
    assert np.allclose(soft.doubt, bits.ERASED.doubt)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=24, max_size=24))
def test_any_soft_input_stays_in_range(probabilities: list[float]) -> None:
    heard = bits.hear_soft(np.array(probabilities))
    assert np.abs(heard.values).max() <= 1
    assert 0 <= heard.doubt.min() <= heard.doubt.max() <= 1


def test_natural_binary_costs_7_per_flipped_bit() -> None:
    """The figure the labelling was chosen by: mean squared level error over all levels and bits, in level steps."""
    errors = [(level - (level ^ (1 << bit))) ** 2 for level in range(8) for bit in range(3)]
    assert np.mean(errors) == pytest.approx(7.0)
