"""Packets of buffered messages: golden vectors both ways, round trips, and damage as a counted drop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.bulk_packets import (
    BLOCK_OVERHEAD_BYTES,
    MIN_ROOM_BYTES,
    STATUS_BYTES,
    Addressee,
    Message,
    MessageBlock,
    MessageHead,
    MessageOffer,
    MessageStatus,
    StatusState,
    Wanted,
    fit_entries,
    parse_message,
    voice_codec,
    voice_type,
)
from gateway.protocol.packets import MessagePacket
from gateway.protocol.parse import Dropped, DropReason, parse

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "air_messages.json").read_text(encoding="utf-8"))


def named(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def head_of(fields: dict[str, Any]) -> MessageHead:
    return MessageHead(**{**fields, "addressee": Addressee(fields["addressee"])})


def build(fields: dict[str, Any]) -> Message:
    rest = {key: value for key, value in fields.items() if key != "kind"}
    if fields["kind"] == "offer":
        return MessageOffer(head_of(rest["head"]), rest["answer_wanted"])
    if fields["kind"] == "block":
        return MessageBlock(**{**rest, "data": bytes.fromhex(rest["data"])})
    wanted = tuple(Wanted(w["generation"], tuple(w["blocks"]), w["onwards"]) for w in rest["wanted"])
    return MessageStatus(rest["message_id"], rest["source"], StatusState(rest["state"]), wanted)


def read(data: bytes, *, crc: bool) -> Message | Dropped:
    packet = parse(data, crc=crc)
    if isinstance(packet, Dropped):
        return packet
    assert isinstance(packet, MessagePacket)
    return parse_message(packet)


u32, u16, u8 = st.integers(0, 0xFFFF_FFFF), st.integers(0, 0xFFFF), st.integers(0, 0xFF)
heads = st.sampled_from(Addressee).flatmap(
    lambda addressee: st.builds(
        MessageHead,
        message_id=u32,
        source=u16,
        addressee=st.just(addressee),
        destination=u16 if addressee is Addressee.STATION else u8,
        message_type=st.integers(1, 63),
        total_bytes=st.integers(5, 0xFFFF),
        block_bytes=st.integers(4, 255),
    )
)
lists = st.sets(st.integers(0, 254), min_size=1, max_size=40).map(lambda blocks: tuple(sorted(blocks)))
wishes = st.builds(Wanted, u8, lists) | st.builds(
    Wanted, u8, st.integers(0, 254).map(lambda first: (first,)), st.just(True)
)
statuses = st.builds(MessageStatus, u32, u16, st.sampled_from([s for s in StatusState if s.name != "WANTING"])) | (
    st.builds(
        MessageStatus, u32, u16, st.just(StatusState.WANTING), st.lists(wishes, min_size=1, max_size=4).map(tuple)
    )
)
blocks = st.builds(MessageBlock, u32, u8, st.integers(0, 254), st.binary(min_size=4, max_size=255))
messages = st.builds(MessageOffer, heads, st.booleans()) | blocks | statuses


@pytest.mark.parametrize("vector", GOLDEN["packets"], ids=named)
def test_golden_packets_both_ways(vector: dict[str, Any]) -> None:
    message = build(vector["packet"])
    assert message.packet().to_bytes(vector["crc"]).hex() == vector["hex"]
    assert read(bytes.fromhex(vector["hex"]), crc=vector["crc"]) == message


@pytest.mark.parametrize("vector", GOLDEN["dropped"], ids=named)
def test_golden_drops(vector: dict[str, Any]) -> None:
    dropped = read(bytes.fromhex(vector["hex"]), crc=False)
    assert isinstance(dropped, Dropped)
    assert dropped.reason is DropReason(vector["reason"]), dropped.detail
    assert dropped.detail


def test_sizes_that_the_specification_states() -> None:
    head = MessageHead(1, 2, Addressee.GROUP, 3, 1, 5, 4)
    assert len(MessageOffer(head, True).packet().to_bytes(False)) == MIN_ROOM_BYTES == 16
    assert len(MessageBlock(1, 0, 0, bytes(4)).packet().to_bytes(False)) == BLOCK_OVERHEAD_BYTES + 4 == 13
    assert len(MessageStatus(1, 2, StatusState.COMPLETE).packet().to_bytes(False)) == STATUS_BYTES == 10


@given(messages, st.booleans())
def test_round_trip(message: Message, crc: bool) -> None:
    assert read(message.packet().to_bytes(crc), crc=crc) == message


@given(st.sampled_from([5, 6]), st.binary(max_size=300))
def test_random_bodies_never_raise(kind: int, body: bytes) -> None:
    parsed = parse_message(MessagePacket(kind, body))
    assert isinstance(parsed, Dropped) or parse_message(parsed.packet()) == parsed


@given(st.lists(wishes, min_size=1, max_size=5), st.integers(14, 80))
def test_a_status_is_cut_to_the_room_it_has(entries: list[Wanted], room: int) -> None:
    fitting = fit_entries(entries, room)
    size = STATUS_BYTES + sum(len(entry.to_bytes()) for entry in fitting)
    assert fitting
    assert size <= room
    for kept, entry in zip(fitting, entries, strict=False):
        assert kept.generation == entry.generation
        assert kept.blocks == entry.blocks[: len(kept.blocks)]


@pytest.mark.parametrize("codec", [(1, 0), (1, 15), (2, 3), (15, 7)])
def test_voice_types_and_their_codecs(codec: tuple[int, int]) -> None:
    assert voice_codec(voice_type(*codec)) == codec


def test_what_is_no_voice() -> None:
    assert voice_codec(1) is voice_codec(15) is None
    for codec in ((0, 1), (3, 1), (1, 16), (1, -1)):
        with pytest.raises(LocalProtocolError, match="no message type"):
            voice_type(*codec)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"message_id": 1 << 32}, "message id"),
        ({"source": -1}, "source"),
        ({"destination": 256}, "destination"),
        ({"message_type": 0}, "type"),
        ({"message_type": 64}, "type"),
        ({"total_bytes": 4}, "size"),
        ({"total_bytes": 65536}, "size"),
        ({"block_bytes": 3}, "block size"),
    ],
)
def test_forbidden_heads_cannot_be_built(fields: dict[str, Any], why: str) -> None:
    good: dict[str, Any] = {"message_id": 1, "source": 1, "addressee": Addressee.GROUP, "destination": 255}
    good |= {"message_type": 1, "total_bytes": 5, "block_bytes": 4}
    MessageHead(**good)
    with pytest.raises(LocalProtocolError, match=why):
        MessageHead(**(good | fields))


def test_other_forbidden_packets_cannot_be_built() -> None:
    for index, data in ((255, bytes(9)), (0, bytes(3)), (0, bytes(256))):
        with pytest.raises(LocalProtocolError):
            MessageBlock(1, 0, index, data)
    for listed, onwards in (((), False), ((2, 1), False), ((1, 1), False), ((255,), False), ((1, 2), True)):
        with pytest.raises(LocalProtocolError):
            Wanted(0, listed, onwards)
    with pytest.raises(LocalProtocolError):
        MessageStatus(1, 2, StatusState.WANTING)
    with pytest.raises(LocalProtocolError):
        MessageStatus(1, 2, StatusState.COMPLETE, (Wanted(0, (1,)),))
    with pytest.raises(LocalProtocolError):
        MessagePacket(7, b"")
