"""Requests travel as mappings and come back the same; whatever else comes from outside is refused in one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.requests import (
    OPERATIONS,
    DeleteMessage,
    HoldKey,
    PlayMessage,
    PressKey,
    ReleaseKey,
    ReplayOver,
    Request,
    RetryMessage,
    SendText,
    SetMute,
    SetParrot,
    SetVolume,
    StopPlaying,
    TestMicrophone,
    TestTone,
    ToggleKey,
    ToggleRecording,
    clean_text,
    mapping_of,
    request_of,
)
from gateway.errors import RequestError

EXAMPLES: list[Request] = [
    PressKey("web:1f2e", break_in=True, lease_s=1.0),
    PressKey("keyboard"),
    HoldKey("web:1f2e"),
    ReleaseKey("web:1f2e"),
    ToggleKey("keyboard", break_in=True),
    SendText("Standing by.", to=2),
    SendText("Höhe 3 m"),
    ToggleRecording(),
    PlayMessage(),
    PlayMessage("00ff12ab"),
    RetryMessage("00ff12ab"),
    DeleteMessage("00ff12ab"),
    ReplayOver(3),
    StopPlaying(),
    SetParrot(True),
    SetVolume(-6.0),
    SetMute(False),
    TestTone(),
    TestMicrophone(),
]


@pytest.mark.parametrize("request_", EXAMPLES, ids=lambda one: type(one).__name__)
def test_a_request_travels(request_: Request) -> None:
    assert request_of(mapping_of(request_)) == request_


def test_every_operation_has_an_example() -> None:
    assert {type(example) for example in EXAMPLES} == set(OPERATIONS.values())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "mapping"),
        ({}, "op: got None"),
        ({"op": "fly"}, "needed: one of press"),
        ({"op": ["press"]}, "op: got"),
        ({"op": "press"}, "holder is missing"),
        ({"op": "press", "holder": ""}, "0 characters"),
        ({"op": "press", "holder": "x" * 41}, "41 characters"),
        ({"op": "press", "holder": 5}, "needed: text"),
        ({"op": "press", "holder": "a", "lease_s": 60}, "0.1 to 10"),
        ({"op": "press", "holder": "a", "lease_s": True}, "press.lease_s"),
        ({"op": "press", "holder": "a", "break_in": 1}, "true or false"),
        ({"op": "press", "holder": "a", "loud": 1}, "unknown key 'loud'"),
        ({"op": "text", "text": "\x00\n"}, "0 characters"),
        ({"op": "text", "text": "x", "to": 70000}, "0 to 65535"),
        ({"op": "text", "text": "x", "to": 1.5}, "whole number"),
        ({"op": "play", "id": "../etc"}, "hex"),
        ({"op": "delete"}, "id is missing"),
        ({"op": "delete", "id": None}, "id is missing"),
        ({"op": "replay", "index": 0}, "1 to 100"),
        ({"op": "volume", "volume_db": float("nan")}, "-40 to 20"),
        ({"op": "mute", "is_on": "yes"}, "true or false"),
    ],
)
def test_what_is_no_request_is_refused(data: object, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        request_of(data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.sampled_from(["op", "holder", "text", "to", "id", "index", "is_on", "lease_s", "volume_db", "break_in"]),
        st.sampled_from(list(OPERATIONS)) | anything,
    )
    | anything
)
def test_nothing_from_outside_raises_anything_else(data: object) -> None:
    try:
        made = request_of(data)
    except RequestError:
        return
    assert request_of(mapping_of(made)) == made


@given(st.text())
def test_texts_are_clean(text: str) -> None:
    clean = clean_text(text)
    assert clean.isprintable()
    assert clean == clean.strip()
