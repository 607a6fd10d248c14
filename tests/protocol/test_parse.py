"""Packets from bytes: golden vectors, round trips, and every kind of damage as a counted drop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.packets import AckPacket, Packet, SessionBlock, TextPacket, VoicePacket
from gateway.protocol.parse import Dropped, DropReason, parse

GOLDEN = Path(__file__).parents[1] / "golden"
PACKETS = json.loads((GOLDEN / "air_packets.json").read_text(encoding="utf-8"))
DROPPED = json.loads((GOLDEN / "air_dropped.json").read_text(encoding="utf-8"))


def named(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def build(fields: dict[str, Any]) -> Packet:
    rest = {key: value for key, value in fields.items() if key != "kind"}
    if fields["kind"] == "text":
        return TextPacket(**rest)
    if fields["kind"] == "ack":
        return AckPacket(**rest)
    rest["frames"] = tuple(bytes.fromhex(frame) for frame in rest["frames"])
    rest["session"] = SessionBlock(**rest["session"]) if rest["session"] else None
    return VoicePacket(**rest)


sessions = st.builds(SessionBlock, st.integers(0, 0xFFFF), st.integers(0, 255), st.integers(0, 15), st.integers(0, 15))
frames = st.binary(min_size=3, max_size=3)
voice = st.booleans().flatmap(
    lambda end: st.builds(
        VoicePacket,
        over_id=st.integers(0, 31),
        sequence=st.integers(0, 63),
        end_of_over=st.just(end),
        frames=st.lists(frames, min_size=0 if end else 1, max_size=63).map(tuple),
        session=st.none() | sessions,
    )
)
text = st.builds(
    TextPacket,
    source=st.integers(0, 0xFFFF),
    group=st.integers(0, 255),
    message_id=st.integers(0, 255),
    part=st.integers(0, 15),
    last_part=st.booleans(),
    ack_wanted=st.booleans(),
    text=st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t"), min_size=1, max_size=50),
)
acks = st.builds(AckPacket, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 255), st.integers(0, 15))
packets = voice | text | acks


@pytest.mark.parametrize("vector", PACKETS, ids=named)
def test_golden_packets_both_ways(vector: dict[str, Any]) -> None:
    packet = build(vector["packet"])
    assert packet.to_bytes(vector["crc"]).hex() == vector["hex"]
    assert parse(bytes.fromhex(vector["hex"]), crc=vector["crc"]) == packet


@pytest.mark.parametrize("vector", DROPPED, ids=named)
def test_golden_drops(vector: dict[str, Any]) -> None:
    dropped = parse(bytes.fromhex(vector["hex"]), crc=vector["crc"])
    assert isinstance(dropped, Dropped)
    assert dropped.reason is DropReason(vector["reason"]), dropped.detail
    assert dropped.detail


def test_every_drop_reason_has_a_golden_vector() -> None:
    assert {DropReason(vector["reason"]) for vector in DROPPED} == set(DropReason)


@given(packets, st.booleans())
def test_round_trip(packet: Packet, crc: bool) -> None:
    assert parse(packet.to_bytes(crc), crc=crc) == packet


@given(packets, st.data())
def test_any_burst_of_up_to_16_bits_is_found(packet: Packet, data: st.DataObject) -> None:
    sent = packet.to_bytes(True)
    error = data.draw(st.integers(1, 0xFFFF))
    shift = data.draw(st.integers(0, 8 * len(sent) - error.bit_length()))
    spoilt = (int.from_bytes(sent, "big") ^ error << shift).to_bytes(len(sent), "big")
    dropped = parse(spoilt, crc=True)
    assert isinstance(dropped, Dropped)
    assert dropped.reason is DropReason.BAD_CRC


@pytest.mark.parametrize("vector", [v for v in PACKETS if v["crc"]], ids=named)
def test_every_truncation_bit_flip_and_extension_is_found(vector: dict[str, Any]) -> None:
    sent = bytes.fromhex(vector["hex"])
    for length in range(len(sent)):
        assert isinstance(parse(sent[:length], crc=True), Dropped)
    for bit in range(8 * len(sent)):
        spoilt = bytearray(sent)
        spoilt[bit // 8] ^= 1 << bit % 8
        dropped = parse(bytes(spoilt), crc=True)
        assert isinstance(dropped, Dropped)
        assert dropped.reason is DropReason.BAD_CRC
    for tail in (b"\0", b"\xff", b"\0\0\0", sent):
        assert isinstance(parse(sent + tail, crc=True), Dropped)


@given(voice, st.binary(min_size=1, max_size=8))
def test_without_crc_only_whole_frames_may_follow(packet: VoicePacket, tail: bytes) -> None:
    parsed = parse(packet.to_bytes(False) + tail, crc=False)
    if len(tail) % 3 or len(packet.frames) + len(tail) // 3 > 63:
        assert isinstance(parsed, Dropped)
        assert parsed.reason is DropReason.BAD_LENGTH
    else:
        assert isinstance(parsed, VoicePacket)
        assert len(parsed.frames) == len(packet.frames) + len(tail) // 3


@given(st.binary(max_size=260), st.booleans())
def test_random_bytes_never_raise(data: bytes, crc: bool) -> None:
    parsed = parse(data, crc=crc)
    if not isinstance(parsed, Dropped):
        assert parse(parsed.to_bytes(crc), crc=crc) == parsed


@given(st.integers(0, 0x0FFF), st.integers(0, 3), st.binary(max_size=80))
def test_random_bodies_behind_good_headers_never_raise(low: int, kind: int, body: bytes) -> None:
    parsed = parse((1 << 14 | kind << 12 | low).to_bytes(2, "big") + body, crc=False)
    assert isinstance(parsed, Dropped) or parse(parsed.to_bytes(False), crc=False) == parsed


def test_reserved_bits_are_ignored() -> None:
    packet = TextPacket(1, 2, 3, 4, True, False, "hi")
    data = bytearray(packet.to_bytes(False))
    data[0] |= 0x0F
    data[1] = 0xFF
    data[7] |= 0x30
    assert parse(bytes(data), crc=False) == packet
