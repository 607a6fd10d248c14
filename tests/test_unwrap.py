"""Whatever comes off a link becomes packets or counters, never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics import Metrics
from gateway.protocol.bit_protection import protect
from gateway.protocol.packets import VoicePacket
from gateway.protocol.protection import Protection, ProtectionKind
from gateway.unwrap import Unwrapped, Unwrapper
from tests.protocol.sealed import opener, plain_over, sealed_over, sealer

NONE = Protection()
BIT = Protection(ProtectionKind.BIT)
PACKET = VoicePacket(3, 7, False, (b"\x11\x22\x33",) * 6)
PLAIN = PACKET.to_bytes(False)


def test_a_packet_is_parsed_and_its_bytes_told() -> None:
    assert Unwrapper(Metrics(), crc=False, protection=NONE).unwrap(PLAIN, 0.0) == Unwrapped((PACKET,), len(PLAIN))
    checked = PACKET.to_bytes(True)
    assert Unwrapper(Metrics(), crc=True, protection=NONE).unwrap(checked, 0.0) == Unwrapped((PACKET,), len(checked))


def test_a_wrong_checksum_is_counted() -> None:
    metrics = Metrics()
    checked = bytearray(PACKET.to_bytes(True))
    checked[5] ^= 4
    assert Unwrapper(metrics, crc=True, protection=NONE).unwrap(bytes(checked), 0.0).packets == ()
    assert metrics.snapshot() == {"rx.dropped.bad_crc": 1}


def test_what_guards_bits_is_undone_and_frames_are_as_heard() -> None:
    unwrapper = Unwrapper(Metrics(), crc=True, protection=BIT)  # the link's checksum is not on coded packets
    coded = protect(PLAIN, BIT.strong_bits)
    got = unwrapper.unwrap(coded, 0.0)
    assert got.air_bytes == len(coded)
    (packet,) = got.packets
    assert isinstance(packet, VoicePacket)
    assert packet.frames == PACKET.frames
    assert packet.heard is not None
    assert len(packet.heard) == 6


def test_probabilities_are_used_under_bit_protection_alone() -> None:
    coded = protect(PLAIN, BIT.strong_bits)
    unsure = [0.5] * (8 * len(coded))
    metrics = Metrics()
    assert Unwrapper(metrics, crc=False, protection=BIT).unwrap(coded, 0.0, unsure).packets == ()
    assert sum(metrics.snapshot().values()) == 1
    got = Unwrapper(metrics, crc=False, protection=NONE).unwrap(PLAIN, 0.0, [0.5] * (8 * len(PLAIN)))
    assert got.packets == (PACKET,)


def test_too_few_bits_are_counted() -> None:
    metrics = Metrics()
    assert Unwrapper(metrics, crc=False, protection=BIT).unwrap(b"", 9.0, [0.5] * 7).packets == ()
    assert metrics.snapshot() == {"rx.dropped.too_short": 1}


def test_what_is_sealed_is_verified_first() -> None:
    metrics = Metrics()
    unwrapper = Unwrapper(metrics, crc=False, protection=NONE, opener=opener())
    first, second = sealed_over(sealer(), 2)
    assert unwrapper.unwrap(PLAIN, 0.0).packets == ()
    assert sum(metrics.snapshot().values()) == 1
    got = unwrapper.unwrap(first, 0.1)
    assert [packet.to_bytes(False) for packet in got.packets] == plain_over(2)[:1]
    assert got.air_bytes == len(first)
    flipped = second[:-1] + bytes((second[-1] ^ 1,))
    assert unwrapper.unwrap(flipped, 0.2).packets == ()
    assert metrics.counter("rx.dropped.bad_tag") == 1


def test_of_packets_held_back_nobody_knows_whose_bytes_came() -> None:
    unwrapper = Unwrapper(Metrics(), crc=False, protection=NONE, opener=opener(hold_s=0.2))
    sealed = sealed_over(sealer(), 4)
    assert unwrapper.unwrap(sealed[1], 0.0) == Unwrapped()
    got = unwrapper.unwrap(sealed[0], 0.1)
    assert [packet.to_bytes(False) for packet in got.packets] == plain_over(4)[:2]
    assert got.air_bytes is None


def test_forgeries_are_told_by_reason() -> None:
    unwrapper = Unwrapper(Metrics(), crc=False, protection=NONE, opener=opener())
    first, second = sealed_over(sealer(), 2)
    unwrapper.unwrap(first, 0.0)
    forged = [second[:-1] + bytes((second[-1] ^ (1 + n % 2),)) for n in range(200)]
    told = [sum(unwrapper.unwrap(data, 0.1 + n * 0.5).alarm.values()) for n, data in enumerate(forged)]
    assert 3 < sum(told) <= 200
    assert told.count(0) > 190  # now and then, not each


@pytest.mark.parametrize("protection", [NONE, BIT])
@pytest.mark.parametrize("crc", [False, True])
@given(data=st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_counted(crc: bool, protection: Protection, data: bytes) -> None:
    metrics = Metrics()
    got = Unwrapper(metrics, crc=crc, protection=protection).unwrap(data, 0.0)
    assert len(got.packets) + sum(metrics.snapshot().values()) == 1
