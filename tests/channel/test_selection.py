"""Words for directions of a net."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.selection import select


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("*", {"ab", "ba", "ac", "ca", "bc", "cb"}),
        ("a", {"ab", "ba", "ac", "ca"}),
        ("a>b", {"ab"}),
        ("a > b", {"ab"}),
        ("a<>b", {"ab", "ba"}),
        ("a>*", {"ab", "ac"}),
        ("*>a", {"ba", "ca"}),
        ("*<>a", {"ab", "ba", "ac", "ca"}),
        ("nobody", set()),
    ],
)
def test_what_is_meant(text: str, fitting: set[str]) -> None:
    selection = select(text)
    assert {a + b for a in "abc" for b in "abc" if a != b and selection.fits(a, b)} == fitting
    assert selection.fits_all == (text == "*")


@pytest.mark.parametrize("text", ["", ">", "a>", ">b", "a>b>c", "a<>", "a<>a", "a<>b<>c", "<<", "a<b"])
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"path '.*': needs"):
        select(text)


@given(st.text(alphabet="ab*<> ", max_size=8))
def test_words_are_understood_or_refused(text: str) -> None:
    try:
        selection = select(text)
    except ValueError:
        return
    assert select(str(selection).split(", ")[0]).pairs[0] == selection.pairs[0]
