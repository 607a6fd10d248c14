"""The checksum is the one that the specification names, and stands last, most significant byte first."""

from __future__ import annotations

import pytest

from gateway.protocol.checksum import crc16, with_crc, with_crc_if


def test_crc_is_the_one_named_in_the_specification() -> None:
    assert crc16(b"123456789") == 0xD64E


def test_it_follows_the_packet_where_it_is_wanted() -> None:
    assert with_crc(b"123456789") == with_crc_if(b"123456789", True) == b"123456789\xd6\x4e"
    assert with_crc_if(b"123456789", False) == b"123456789"


@pytest.mark.parametrize("padding", [b"\0", b"\0\0", b"\0" * 5])
def test_zeros_that_a_modem_adds_do_not_pass(padding: bytes) -> None:
    padded = with_crc(b"frames") + padding
    assert crc16(padded[:-2]) != int.from_bytes(padded[-2:], "big")
