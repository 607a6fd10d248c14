"""A length in front: padded, glued, cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.sized import MAX_PACKET_BYTES, missing_bytes, unwrap, unwrap_all, wrap

PACKET = st.binary(max_size=300)


@given(PACKET, st.integers(0, 40))
def test_padding_is_left_out(packet: bytes, padding: int) -> None:
    assert unwrap(wrap(packet) + bytes(padding)) == packet


@given(st.lists(PACKET, min_size=1, max_size=4))
def test_glued_packets_come_apart(packets: list[bytes]) -> None:
    assert unwrap_all(b"".join(map(wrap, packets))) == packets


@given(PACKET, st.data())
def test_a_cut_packet_is_missed_by_as_much_as_is_missing(packet: bytes, data: st.DataObject) -> None:
    block = wrap(packet)
    kept = data.draw(st.integers(0, len(block) - 1))
    assert unwrap(block[:kept]) is None
    assert unwrap_all(block[:kept]) is None
    if kept >= 2:
        assert missing_bytes(block[:kept]) == len(block) - kept
    assert missing_bytes(block) == 0


@given(PACKET)
def test_no_block_begins_as_the_escape_of_a_modem(packet: bytes) -> None:
    assert not wrap(b"+++" + packet).startswith(b"+")


def test_the_limits() -> None:
    assert unwrap(wrap(bytes(MAX_PACKET_BYTES))) == bytes(MAX_PACKET_BYTES)
    with pytest.raises(ValueError, match="4096 bytes"):
        wrap(bytes(4096))
    assert missing_bytes(b"\xff\xff") is None
    assert unwrap(b"\xff\xff" + bytes(70_000)) is None
