"""Messages between stations and the channel process: whole ones come back, everything else is None."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.envelope import Bye, Hello, Message, Packet, Refused, Welcome, pack, unpack

MESSAGES = [
    Hello("alpha", 2**63 - 1),
    Packet("alpha", 5, b"\x00\xff"),
    Packet("ä" * 64, 0, b""),
    Bye("bravo", 5),
    Welcome(64, 300.0, True, 0.1, 4),
    Welcome(64, 300.0, True, 0.1, 4, 0.667),
    Refused("no room"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_come_back(message: Message) -> None:
    assert unpack(pack(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_cut_or_lengthened_messages_are_none(message: Message) -> None:
    data = pack(message)
    assert [unpack(data[:end]) for end in range(len(data))] == [None] * len(data)
    assert unpack(data + b"\x00") is None


@pytest.mark.parametrize(
    "parts",
    [
        [2, "hello", "alpha", 1],
        [1, "hallo", "alpha", 1],
        [1, "hello", "", 1],
        [1, "hello", "x" * 65, 1],
        [1, "hello", "alpha", "1"],
        [1, "hello", "alpha"],
        [1, "packet", "alpha", 1, "text"],
        [1, "welcome", 1, float("nan"), True, 0.0, 0],
        [1, "welcome", -1, 1.0, True, 0.0, 0],
        [1],
        [],
        {"hello": 1},
        "hello",
        None,
    ],
)
def test_wrong_ones_are_none(parts: object) -> None:
    assert unpack(msgpack.packb(parts)) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    message = unpack(data)
    assert message is None or unpack(pack(message)) == message


def test_a_welcome_without_a_delay_is_understood_and_one_with_a_wrong_delay_is_not() -> None:
    """A channel process of before the delay was told."""
    fields = [1, "welcome", 64, 300.0, True, 0.1, 4]
    assert unpack(msgpack.packb(fields)) == Welcome(64, 300.0, True, 0.1, 4)
    for delay in (-1.0, float("inf"), float("nan"), "long"):
        assert unpack(msgpack.packb([*fields, delay])) is None
