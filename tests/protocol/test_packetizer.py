"""The sender's half of an over: every frame once, the session block on schedule, ids that nobody else uses."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.packetizer import Packetizer, next_over_id
from gateway.protocol.packets import SessionBlock, VoicePacket

ALICE = SessionBlock(1, 9, 1, 1)


def code(index: int) -> bytes:
    return index.to_bytes(3, "big")


def over(frames: int, over_id: int, per_packet: int) -> list[VoicePacket]:
    sender = Packetizer(per_packet, ALICE, over_id)
    packets = [packet for index in range(frames) if (packet := sender.push(code(index)))]
    return [*packets, sender.finish()]


@given(st.integers(0, 200), st.integers(1, 63), st.integers(0, 31))
def test_packetizer_sends_every_frame_once_and_the_session_on_schedule(frames: int, per: int, over_id: int) -> None:
    packets = over(frames, over_id=over_id, per_packet=per)
    assert b"".join(b"".join(p.frames) for p in packets) == b"".join(code(k) for k in range(frames))
    for place, packet in enumerate(packets):
        assert (packet.over_id, packet.sequence) == (over_id, place % 64)
        assert packet.session == (ALICE if place == 0 or place % 12 == 2 else None)
        assert packet.end_of_over == (place == len(packets) - 1)
        assert packet.end_of_over or len(packet.frames) == per


def test_packetizer_keeps_the_books_and_refuses_misuse() -> None:
    sender = Packetizer(6, ALICE, 0)
    for index in range(8):
        assert sender.next_frame_index == index
        sender.push(code(index))
    assert sender.finish().frames == (code(6), code(7))
    assert sender.next_frame_index == 8
    with pytest.raises(LocalProtocolError, match="after the end"):
        sender.push(b"abc")
    with pytest.raises(LocalProtocolError, match="before"):
        sender.finish()
    with pytest.raises(LocalProtocolError, match="2 bytes"):
        Packetizer(6, ALICE, 0).push(b"ab")
    for per_packet, over_id in ((0, 0), (64, 0), (6, 32)):
        with pytest.raises(LocalProtocolError):
            Packetizer(per_packet, ALICE, over_id)


def test_over_ids_start_anywhere_and_count_up() -> None:
    assert {next_over_id(None, random.Random(seed)) for seed in range(300)} == set(range(32))
    assert [next_over_id(previous, random.Random(0)) for previous in (0, 30, 31)] == [1, 31, 0]


def test_over_ids_of_others_are_passed_over() -> None:
    rng = random.Random(1)
    assert next_over_id(4, rng, {5, 6}) == 7
    assert next_over_id(30, rng, {31, 0}) == 1
    assert next_over_id(None, rng, set(range(31))) == 31
    assert next_over_id(4, rng, range(32)) == 5  # all in use: as without
