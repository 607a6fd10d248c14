"""Bits find their places and back; the sequences are those that docs/waveform.md writes out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.waveform.figures import CARRIERS, Coding, coded_bits, payload_symbols
from gateway.waveform.layout import (
    crc8,
    gather,
    header_bits,
    lfsr,
    payload_bits,
    read_header,
    read_payload,
    reference_signs,
    spread,
)


@pytest.mark.parametrize(("taps", "period"), [((7, 4), 127), ((9, 5), 511)])
def test_shift_registers_run_through_all_states(taps: tuple[int, int], period: int) -> None:
    twice = lfsr(2 * period, taps)
    assert np.array_equal(twice[:period], twice[period:])
    assert twice[:period].sum() == (period + 1) // 2


def test_sequences_as_documented() -> None:
    assert "".join(map(str, lfsr(16, (7, 4)))) == "0000111011110010"
    assert "".join("-" if sign < 0 else "+" for sign in reference_signs()[:16]) == "+++++----+-----+"
    assert [crc8(byte) for byte in (0, 1, 34, 255)] == [0xF3, 0xF4, 0x1D, 0x00]


@given(st.integers(1, 9).flatmap(lambda s: st.tuples(st.just(s), st.integers(1, s * CARRIERS))))
def test_every_bit_is_sent_and_its_copies_are_added(shape: tuple[int, int]) -> None:
    symbols, count = shape
    bits = np.random.default_rng(count).integers(0, 2, count).astype(np.uint8)
    found = gather(1.0 - 2.0 * spread(bits, symbols), count)
    assert np.array_equal(found < 0, bits)
    assert np.abs(found).sum() == symbols * CARRIERS


def test_neighbours_lie_apart_in_time_and_frequency() -> None:
    symbols = 6
    place = {}
    for i in range(0, 200):
        one = np.zeros(symbols * CARRIERS, np.uint8)
        one[i] = 1
        changed = spread(one, symbols) ^ spread(np.zeros_like(one), symbols)
        place[i] = np.argwhere(changed)[0]
    for i in range(199):
        assert abs(place[i][1] - place[i + 1][1]) >= 40
        assert abs(place[i][0] - place[i + 1][0]) >= 2


@given(st.integers(1, 255))
def test_header_tells_the_length(n_bytes: int) -> None:
    assert read_header(1.0 - 2.0 * header_bits(n_bytes)) == n_bytes


@settings(max_examples=40)
@given(st.binary(min_size=1, max_size=255), st.sampled_from(Coding))
def test_payload_comes_back(data: bytes, coding: Coding) -> None:
    placed = payload_bits(data, coding)
    assert placed.shape == (payload_symbols(len(data), coding), CARRIERS)
    assert placed.size - coded_bits(len(data), coding) < CARRIERS
    found = read_payload(1.0 - 2.0 * placed, len(data), coding)
    assert np.packbits(found < 0).tobytes() == data
