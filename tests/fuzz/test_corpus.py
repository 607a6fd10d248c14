"""What fuzzing once found goes through every parser again; and the corpus stays small."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, one_input

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def test_the_corpus_stays_small() -> None:
    assert CORPUS
    assert sum(path.stat().st_size for path in CORPUS) < 100_000


def test_no_input_of_the_corpus_breaks_anything() -> None:
    for path in CORPUS:
        one_input(path.read_bytes())


@pytest.mark.parametrize("target", range(len(TARGETS)), ids=[target.__name__ for target in TARGETS])
def test_whatever_comes_breaks_nothing(target: int) -> None:
    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        one_input(bytes((target,)) + data)

    check()
