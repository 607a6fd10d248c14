"""Messages of the modem test: what is written is read, whatever comes is no exception, damage is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.probe.messages import (
    MAGIC,
    MIN_MTU_BYTES,
    Answer,
    BurstPart,
    BurstWanted,
    Message,
    Probe,
    Report,
    ReportWanted,
    Wrong,
    clock_ms,
    elapsed_s,
    encode,
    least_bytes,
    parse,
)
from gateway.errors import LocalProtocolError
from gateway.protocol.checksum import crc16
from gateway.protocol.parse import Dropped, DropReason
from gateway.protocol.parse import parse as parse_packet

u8, u16, u32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
MESSAGES = st.one_of(
    st.builds(Probe, u16, u32, u16, st.integers(15, 300)),
    st.builds(Answer, u16, u32, u16, st.integers(15, 300)),
    st.builds(BurstPart, u16, u32, u8, st.integers(14, 300)),
    st.builds(ReportWanted, u16, u32, u8, st.just(14)),
    st.builds(Report, u16, u32, u8, u16, u16, u16, u32, st.just(24)),
    st.builds(BurstWanted, u16, u32, u8, u8, u16, st.just(17)),
)


@given(MESSAGES)
def test_what_is_written_is_read(message: Message) -> None:
    data = encode(message)
    assert len(data) == message.length
    assert parse(data) == message


@given(st.binary(max_size=60))
def test_anything_else_is_wrong_and_raises_nothing(data: bytes) -> None:
    for one in (data, MAGIC + data, MAGIC + data + crc16(MAGIC + data).to_bytes(2, "big")):
        found = parse(one)
        if not isinstance(found, Wrong):
            assert parse(encode(found)) == found


@given(MESSAGES, st.data())
def test_damage_is_found(message: Message, data: st.DataObject) -> None:
    raw = bytearray(encode(message))
    bit = data.draw(st.integers(16, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    assert parse(raw) is Wrong.DAMAGED
    assert parse(raw[: data.draw(st.integers(2, len(raw) - 1))]) is Wrong.DAMAGED


def test_no_station_takes_one_for_its_own_and_the_longest_that_is_needed_is_short() -> None:
    dropped = parse_packet(encode(Probe(1, 2, 30, 30)), crc=False)
    assert isinstance(dropped, Dropped)
    assert dropped.reason is DropReason.WRONG_VERSION
    assert MIN_MTU_BYTES == 24


def test_one_byte_for_byte() -> None:
    plain = bytes.fromhex("d73c 06 0001 0011 00000400 07 0a 0020")
    assert encode(BurstWanted(1, 1024, 7, 10, 32)) == plain + crc16(plain).to_bytes(2, "big")


def test_a_figure_out_of_range_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="70000"):
        encode(Probe(70000, 0, 0))
    assert least_bytes(Probe) == 15


def test_time_goes_round() -> None:
    assert elapsed_s(clock_ms(4294967.0), 4294967.0 + 1.5) == 1.5
