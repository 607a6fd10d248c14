"""Consistent Overhead Byte Stuffing: any bytes as bytes without 00, one byte in 254 longer at most.

Rule: pure; encoding cannot fail, decoding says None instead of raising. S. Cheshire and M. Baker, "Consistent Overhead
Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999: each group begins with its code, the number of bytes to
the next code; a code below FF stands for a 00 after its group, except at the very end.
"""

from __future__ import annotations

FULL_GROUP = 254
"""So many bytes without 00 fill a group: its code is FF, and no 00 follows it."""


def cobs_encode(data: bytes) -> bytes:
    """`data` without zeros: never empty, at most `encoded_bytes(len(data))` long."""
    out = bytearray()
    runs = data.split(b"\0")
    for place, run in enumerate(runs):
        while len(run) >= FULL_GROUP:
            out.append(0xFF)
            out += run[:FULL_GROUP]
            run = run[FULL_GROUP:]
            if not run and place == len(runs) - 1:
                return bytes(out)  # the end follows a full group: no empty one is needed
        out.append(len(run) + 1)
        out += run
    return bytes(out)


def encoded_bytes(count: int) -> int:
    """The longest that `count` bytes can become."""
    return count + max(1, -(-count // FULL_GROUP))


def cobs_decode(encoded: bytes) -> bytes | None:
    """What was encoded; None for what no encoder makes. An empty group after a full one at the end is let pass, for
    some encoders write it."""
    if not encoded or 0 in encoded:
        return None
    out, at = bytearray(), 0
    while at < len(encoded):
        code = encoded[at]
        end = at + code
        if end > len(encoded):
            return None
        out += encoded[at + 1 : end]
        if code <= FULL_GROUP and end < len(encoded):
            out.append(0)
        at = end
    return bytes(out)


def cobs_decode_damaged(encoded: bytes) -> bytes:
    """The best that can be made of bytes with wrong bits. Below 254 bytes the length is right as long as no byte became
    00 or a code FF: a wrong code spoils the bytes that it and the next codes stand for, not the rest."""
    out, at = bytearray(), 0
    while at < len(encoded):
        code = max(encoded[at], 1)
        out += encoded[at + 1 : at + code]
        at += code
        if code <= FULL_GROUP and at < len(encoded):
            out.append(0)
    return bytes(out)
