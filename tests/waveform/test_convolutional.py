"""The code: known outputs, round trips, and decisions as likely as any sequence's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.waveform.convolutional import decode, encode

bits_lists = st.lists(st.integers(0, 1), min_size=1, max_size=80).map(lambda b: np.array(b, np.uint8))


def test_a_single_one_writes_both_generators() -> None:
    coded = encode(np.array([1], np.uint8)).reshape(-1, 2)
    assert "".join(map(str, coded[:, 0])) == f"{0o133:07b}"
    assert "".join(map(str, coded[:, 1])) == f"{0o171:07b}"


@given(bits_lists)
def test_what_was_coded_is_decoded(bits: np.ndarray) -> None:
    found = decode(4.0 * (1.0 - 2.0 * encode(bits)))
    assert np.array_equal(found < 0, bits)
    assert np.abs(found).min() >= 4 * 10 / 2, "ten coded bits tell any two sequences apart"


@given(bits_lists, st.data())
def test_any_four_wrong_bits_are_put_right(bits: np.ndarray, data: st.DataObject) -> None:
    coded = encode(bits)
    wrong = data.draw(st.lists(st.integers(0, len(coded) - 1), max_size=4, unique=True))
    coded[wrong] ^= 1
    assert np.array_equal(decode(1.0 - 2.0 * coded) < 0, bits)


@pytest.mark.parametrize("seed", range(5))
def test_soft_decisions_are_those_of_a_search_over_all_sequences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 8
    llr = rng.normal(size=2 * (n + 6)) * 2
    every = [np.array(bits, np.uint8) for bits in itertools.product((0, 1), repeat=n)]
    metric = np.array([(llr / 2) @ (1.0 - 2.0 * encode(bits)) for bits in every])
    sent = np.array(every)
    for i, found in enumerate(decode(llr)):
        expected = metric[sent[:, i] == 0].max() - metric[sent[:, i] == 1].max()
        assert found == pytest.approx(expected, abs=1e-9)
