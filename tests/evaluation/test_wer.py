"""Texts made comparable, and word errors counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evaluation.wer import normalise, primary_language, word_errors

words = st.lists(st.sampled_from(["the", "ship", "is", "sinking", "now"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("reference", "heard", "errors"),
    [
        ("the ship is here", "the ship is here", 0),
        ("the ship is here", "the sheep is", 2),
        ("the ship", "a b c d e f g h", 2),
        ("", "noise", 1),
        ("", "", 0),
        ("two words", "", 2),
    ],
)
def test_word_errors(reference: str, heard: str, errors: int) -> None:
    assert word_errors(reference, heard) == errors


@given(words, words)
def test_errors_never_exceed_the_reference(reference: str, heard: str) -> None:
    assert 0 <= word_errors(reference, heard) <= max(1, len(reference.split()))


def test_normalisation_is_whispers() -> None:
    assert normalise("Mr. Smith's colour, 21!") == "mister smith is color 21"
    assert normalise("Grüße, Herr Müller!", "de") == "grüße herr müller"


@pytest.mark.parametrize("lang", ["zh", "zh-HK", "ja", "th"])
def test_without_spaces_characters_are_words(lang: str) -> None:
    assert normalise("你好, 世界", lang).split() == ["你", "好", "世", "界"]


@pytest.mark.parametrize(("tag", "primary"), [("en", "en"), ("zh-HK", "zh"), ("EN-gb", "en"), ("hsb", "hsb")])
def test_primary_languages(tag: str, primary: str) -> None:
    assert primary_language(tag) == primary
