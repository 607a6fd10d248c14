"""The checksum of clause 2.5, for links that check nothing themselves. Pure."""

from __future__ import annotations

from binascii import crc_hqx

CRC_BYTES = 2


def crc16(data: bytes) -> int:
    """CRC-16/GENIBUS (2.5): polynomial 0x1021, start 0xFFFF, nothing reflected, result complemented.

    crc_hqx does the arithmetic of CRC-16/XMODEM with another start. The complement matters: without it a packet that a
    modem padded with zero bytes would pass, and the padding be spoken.
    """
    return crc_hqx(data, 0xFFFF) ^ 0xFFFF


def with_crc(data: bytes) -> bytes:
    """A packet, or its sealed form, with the checksum of 2.5."""
    return data + crc16(data).to_bytes(CRC_BYTES, "big")


def with_crc_if(data: bytes, wanted: bool) -> bytes:
    """A packet, with the checksum where it is wanted."""
    return with_crc(data) if wanted else data
