"""The bridge's messages: the shared vectors, one encoding each, and every way of being malformed."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import messages
from firmware_bridge.driver import ModemStatus
from firmware_bridge.messages import (
    TO_DEVICE,
    TO_HOST,
    Figure,
    Heard,
    Hello,
    Info,
    Keyed,
    Message,
    Ping,
    Send,
    Status,
    Unknown,
    clip,
    decode,
    status_of,
)
from gateway.errors import LocalProtocolError, RemoteProtocolError
from tests.bridge.make_vectors import FRAMING, MESSAGES, as_text, framing_vectors, message_vectors

VECTORS = json.loads(MESSAGES.read_text(encoding="utf-8"))
BY_RESULT = {result: [v for v in VECTORS if v["result"] == result] for result in ("known", "unknown", "malformed")}


def named(vectors: list[dict[str, Any]]) -> dict[str, Any]:
    return {"argvalues": vectors, "ids": [vector["name"] for vector in vectors]}


def built(shown: dict[str, Any]) -> Message:
    kind = getattr(messages, shown["kind"])
    types = {item.name: str(item.type) for item in fields(kind)}
    values = {name: value for name, value in shown.items() if name != "kind"}
    return kind(
        **{
            name: bytes.fromhex(value) if types[name].startswith("bytes") and value is not None else value
            for name, value in values.items()
        }
    )


def test_the_vector_files_are_what_the_script_makes() -> None:
    assert MESSAGES.read_text(encoding="utf-8") == as_text(message_vectors())
    assert FRAMING.read_text(encoding="utf-8") == as_text(framing_vectors())


@pytest.mark.parametrize("vector", **named(BY_RESULT["known"]))
def test_golden_messages_both_ways(vector: dict[str, Any]) -> None:
    message, data = built(vector["message"]), bytes.fromhex(vector["hex"])
    assert decode(data) == message
    assert (message.to_bytes() == data) is vector.get("canonical", True)
    assert isinstance(message, TO_DEVICE if vector["to"] == "device" else TO_HOST)


@pytest.mark.parametrize("vector", **named(BY_RESULT["unknown"]))
def test_golden_unknown_kinds(vector: dict[str, Any]) -> None:
    assert isinstance(decode(bytes.fromhex(vector["hex"])), Unknown)


@pytest.mark.parametrize("vector", **named(BY_RESULT["malformed"]))
def test_golden_malformed_messages(vector: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(bytes.fromhex(vector["hex"]))


def test_every_kind_has_a_golden_vector() -> None:
    assert {v["message"]["kind"] for v in BY_RESULT["known"]} == {kind.__name__ for kind in (*TO_DEVICE, *TO_HOST)}


def test_kinds_of_the_other_direction_are_unknown() -> None:
    assert decode(Ping(1).to_bytes(), TO_HOST) == Unknown(Ping.KIND)
    assert decode(Status(2).to_bytes(), TO_DEVICE) == Unknown(Status.KIND)


def values_for(rule: messages._Rule) -> st.SearchStrategy[Any]:
    made: list[st.SearchStrategy[Any]] = []
    if rule.types == (int,):
        made.append(st.integers(rule.low, rule.high))
    elif rule.types == (bool,):
        made.append(st.booleans())
    elif rule.types == (str,):
        made.append(st.text(max_size=rule.high // 4))
    elif rule.types == (bytes,):
        made.append(st.binary(max_size=min(rule.high, 300)))
    else:
        made += [st.integers(rule.low, rule.high), st.floats(allow_nan=False, allow_infinity=False)]
    return st.one_of(*made, *([st.none()] if rule.is_optional else []))


ANY_MESSAGE = st.sampled_from((*TO_DEVICE, *TO_HOST)).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.fixed_dictionaries({name: values_for(rule) for name, rule in messages._rules(kind) if name != "soft"}),
    )
)


@given(ANY_MESSAGE)
def test_what_is_encoded_is_decoded_again(made: tuple[type[Message], dict[str, Any]]) -> None:
    kind, values = made
    message = kind(**values)
    assert decode(message.to_bytes()) == message


@given(ANY_MESSAGE, st.data())
def test_damaged_messages_are_messages_or_refused(
    made: tuple[type[Message], dict[str, Any]], data: st.DataObject
) -> None:
    packed = bytearray(made[0](**made[1]).to_bytes())
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] = data.draw(st.integers(0, 255))
    try:
        message = decode(bytes(packed))
    except RemoteProtocolError:
        return
    assert isinstance(message, Unknown) or decode(message.to_bytes()) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        decode(data)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Hello(1, 0, "x"), "session is 0, needs 1 to 4294967295"),
        (lambda: Hello(1, 1, "n" * 65), "name is 65 bytes, needs 0 to 64"),
        (lambda: Send(1, bytes(4097)), "packet is 4097 bytes, needs 0 to 4096"),
        (lambda: Keyed(1, 0), "is_on is int, needs bool"),
        (lambda: Figure("x", float("nan")), "finite"),
        (lambda: Heard(b"ab", None, bytes(8)), "8 bytes, needs 16"),
        (lambda: Ping(True), "token is bool, needs int"),
    ],
)
def test_forbidden_messages_are_not_built(make: Any, problem: str) -> None:
    with pytest.raises(LocalProtocolError, match=problem):
        make()


def test_soft_bits_of_another_length_are_refused() -> None:
    whole = Heard(b"a", None, bytes(8)).to_bytes()
    with pytest.raises(RemoteProtocolError, match="soft"):
        decode(whole.replace(b"\xc4\x01a", b"\xc4\x02ab"))


def test_wrong_utf8_is_shown_and_bounded() -> None:
    data = b"\x83\x00\x18\x26\x01\x02\x02".replace(b"\x18\x26", b"\x26") + b"\xd9\xc8" + b"\xff" * 200
    status = decode(data)
    assert isinstance(status, Status)
    assert status.text is not None
    assert set(status.text) == {"\ufffd"}
    assert decode(status.to_bytes()) == status


def test_texts_are_cut_between_characters() -> None:
    assert clip("ääää", 5) == "ää"
    assert clip("short") == "short"


def test_a_status_of_a_later_version_is_not_ready() -> None:
    assert [status_of(code) for code in range(5)] == list(ModemStatus)
    assert status_of(77) is ModemStatus.STARTING


def test_the_longest_info_of_the_firmware_fits_its_smallest_scratch() -> None:
    largest = 0xFFFF_FFFF
    info = Info(255, largest, 4096, 255, largest, 0xFFFF, largest, largest, largest, 255, "n" * 64)
    assert len(info.to_bytes()) + 2 <= 64 + 64  # CLK_MTU is at least 64, the scratch 64 more


def test_too_long_is_not_read() -> None:
    with pytest.raises(RemoteProtocolError, match="at most"):
        decode(bytes(70_000))
