"""The text line: for whom and what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.prompt import addressee_name, next_addressee, text_request
from gateway.control.requests import MAX_TEXT_CHARACTERS, SendText, mapping_of, request_of
from gateway.errors import RequestError

NAMES = ((2, "bravo"), (3, "Charlie"), (4, "charlotte"))


@pytest.mark.parametrize(
    ("typed", "chosen", "request_"),
    [
        ("standing by", None, SendText("standing by")),
        ("standing by", 3, SendText("standing by", 3)),
        ("@bravo come in", 3, SendText("come in", 2)),
        ("@b come in", None, SendText("come in", 2)),
        ("@CHARLIE  over there", None, SendText("over there", 3)),
        ("@all hello", 2, SendText("hello")),
        ("  ", None, None),
        ("@bravo", None, None),
    ],
)
def test_who_is_meant(typed: str, chosen: int | None, request_: SendText | None) -> None:
    assert text_request(typed, chosen, NAMES) == request_


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("@delta hello", "nobody is called delta; known: bravo, Charlie, charlotte, all"),
        ("@ch hello", "may mean 2 stations"),
        ("@ hello", "nobody is called"),
        ("x" * (MAX_TEXT_CHARACTERS + 1), "too long: 201"),
    ],
)
def test_why_it_cannot_be_sent(typed: str, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        text_request(typed, None, NAMES)


@given(st.text(), st.none() | st.sampled_from([2, 3, 4]))
def test_what_comes_out_is_sound(typed: str, chosen: int | None) -> None:
    try:
        request = text_request(typed, chosen, NAMES)
    except RequestError:
        return
    assert request is None or request_of(mapping_of(request)) == request


def test_tab_goes_round() -> None:
    seen: list[int | None] = [None]
    for _ in range(4):
        seen.append(next_addressee(seen[-1], NAMES))
    assert seen == [None, 2, 3, 4, None]
    assert next_addressee(None, NAMES, -1) == 4
    assert next_addressee(99, NAMES) is None
    assert [addressee_name(who, NAMES) for who in (None, 2, 99)] == ["group", "bravo", "station 99"]
