"""The Golay code: its distances, every error it promises to correct, and exact probabilities."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.channel.theory import word_failure
from gateway.protocol import golay


def words() -> np.ndarray:
    data = (np.arange(4096)[:, None] >> np.arange(11, -1, -1) & 1).astype(np.uint8)
    return golay.encode(data)


def test_it_is_the_code_with_the_weights_of_the_extended_golay_code() -> None:
    weights, counts = np.unique(words().sum(axis=1), return_counts=True)
    assert dict(zip(weights.tolist(), counts.tolist(), strict=True)) == {0: 1, 8: 759, 12: 2576, 16: 759, 24: 1}


def test_data_comes_first_and_parity_is_even() -> None:
    book = words()
    assert np.array_equal(book[:, :12] @ (1 << np.arange(11, -1, -1)), np.arange(4096))
    assert not (book.sum(axis=1) % 2).any()


@settings(deadline=None)
@given(st.integers(0, 4095), st.sets(st.integers(0, 23), max_size=3))
def test_up_to_three_errors_are_corrected_and_counted(data: int, places: set[int]) -> None:
    word = words()[data : data + 1].copy()
    word[0, list(places)] ^= 1
    decoded = golay.decode_hard(word)
    assert int(decoded.data[0] @ (1 << np.arange(11, -1, -1))) == data
    assert decoded.errors[0] == len(places)


def test_every_four_errors_are_noticed() -> None:
    errors = np.zeros((10626, 24), np.uint8)
    for row, places in enumerate(itertools.combinations(range(24), 4)):
        errors[row, list(places)] = 1
    assert (golay.decode_hard(errors).errors == -1).all()


def test_failures_are_as_many_as_theory_says() -> None:
    rng = np.random.default_rng(3)
    flips = (rng.random((200_000, 24)) < 0.03).astype(np.uint8)
    decoded = golay.decode_hard(flips)
    wrong = decoded.data.any(axis=1) | (decoded.errors < 0)
    expected = word_failure(24, 3, 0.03)
    assert abs(wrong.mean() - expected) < 4 * np.sqrt(expected / 200_000)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 4095), st.sets(st.integers(0, 23), max_size=3))
def test_soft_decoding_of_sure_bits_agrees_with_hard(data: int, places: set[int]) -> None:
    word = words()[data : data + 1].copy()
    word[0, list(places)] ^= 1
    ones = golay.decode_soft(np.where(word == 1, 0.99, 0.01))
    assert np.array_equal(ones[0] > 0.5, words()[data, :12] == 1)


def test_soft_probabilities_are_exact() -> None:
    rng = np.random.default_rng(2)
    given_ones = rng.random((1, 24))
    book = words()
    likely = np.where(book == 1, given_ones, 1 - given_ones).prod(axis=1)
    expected = (likely[:, None] * book[:, :12]).sum(axis=0) / likely.sum()
    np.testing.assert_allclose(golay.decode_soft(given_ones)[0], expected, rtol=1e-9)


def test_erased_bits_are_no_errors() -> None:
    """Seven unknown bits are one fewer than the distance: they follow from the others."""
    word = np.where(words()[1234:1235] == 1, 1.0, 0.0)
    word[0, [0, 3, 5, 8, 11, 17, 20]] = 0.5
    assert np.array_equal(golay.decode_soft(word)[0] > 0.5, words()[1234, :12] == 1)


def test_nonsense_probabilities_do_not_break_it() -> None:
    assert np.isfinite(golay.decode_soft(np.array([[0.0, 1.0] * 12, [1.0] * 24]))).all()
