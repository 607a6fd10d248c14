"""Frames between zeros: cut anywhere, damaged anywhere, and always found again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.delimited import Check, CobsFramer, frame_overhead_bytes
from gateway.protocol.checksum import crc16

MTU = 64
payloads = st.lists(st.binary(max_size=MTU), max_size=5)


def test_a_frame_byte_by_byte() -> None:
    crc = crc16(b"\x11\x00\x22")
    assert crc == 0x4310
    assert CobsFramer(MTU).encode(b"\x11\x00\x22").hex() == "0211" + "04224310" + "00"
    assert CobsFramer(MTU).encode(b"\x11\x00\x22", after_silence=True).hex() == "00" + "0211" + "04224310" + "00"
    assert CobsFramer(MTU, Check.NONE).encode(b"\x11\x00\x22").hex() == "0211" + "0222" + "00"


@pytest.mark.parametrize("check", Check)
@given(sent=payloads, size=st.integers(1, 40))
def test_frames_come_back_however_they_are_cut(check: Check, sent: list[bytes], size: int) -> None:
    framer = CobsFramer(MTU, check)
    stream = b"".join(framer.encode(payload, after_silence=bool(place % 2)) for place, payload in enumerate(sent))
    heard = [payload for at in range(0, len(stream), size) for payload in framer.feed(stream[at : at + size])]
    assert heard == sent
    assert framer.bad_frames == 0
    assert not framer.has_begun


@given(garbage=st.binary(max_size=400), payload=st.binary(max_size=MTU))
def test_the_first_frame_after_garbage_is_heard(garbage: bytes, payload: bytes) -> None:
    framer = CobsFramer(MTU)
    framer.feed(garbage)
    assert framer.feed(framer.encode(payload, after_silence=True))[-1:] == [payload]
    assert framer.feed(framer.encode(payload)) == [payload]


@given(payload=st.binary(min_size=4, max_size=MTU), data=st.data())
def test_a_wrong_bit_is_a_bad_frame(payload: bytes, data: st.DataObject) -> None:
    framer = CobsFramer(MTU)
    frame = bytearray(framer.encode(payload))
    place = data.draw(st.integers(0, len(frame) - 2))
    frame[place] ^= 1 << data.draw(st.integers(0, 7))
    assert framer.feed(bytes(frame)) == []
    assert framer.bad_frames >= 1
    assert framer.feed(framer.encode(payload)) == [payload]


def test_without_a_check_damage_is_handed_on() -> None:
    framer = CobsFramer(MTU, Check.NONE)
    frame = bytearray(framer.encode(b"over and out"))
    frame[3] ^= 0x10
    (heard,) = framer.feed(bytes(frame))
    assert len(heard) == len(b"over and out")
    assert sum(a != b for a, b in zip(heard, b"over and out", strict=True)) == 1
    assert framer.bad_frames == 0


@pytest.mark.parametrize("check", Check)
def test_too_long_is_bad_and_never_held(check: Check) -> None:
    framer = CobsFramer(MTU, check)
    for _ in range(1000):
        assert framer.feed(b"\x55" * 100) == []
    assert len(framer._held) <= MTU + frame_overhead_bytes(MTU)
    assert framer.feed(b"\0" + framer.encode(b"after")) == [b"after"]
    assert framer.bad_frames == 1
    assert framer.bad_bytes == 100_000


@pytest.mark.parametrize("check", Check)
@pytest.mark.parametrize("mtu", [8, 252, 253, 254, 255, 1024])
def test_the_longest_payload_fits(check: Check, mtu: int) -> None:
    framer = CobsFramer(mtu, check)
    frame = framer.encode(b"\xaa" * mtu)
    assert framer.feed(frame) == [b"\xaa" * mtu]
    assert len(frame) <= mtu + frame_overhead_bytes(mtu, check)
    assert framer.feed(framer.encode(b"\xaa" * (mtu + 1))) == []


def test_reset_forgets_what_has_begun() -> None:
    framer = CobsFramer(MTU)
    framer.feed(framer.encode(b"half a frame")[:5])
    assert framer.has_begun
    framer.reset()
    assert framer.feed(framer.encode(b"whole")) == [b"whole"]
    assert framer.bad_frames == 0
