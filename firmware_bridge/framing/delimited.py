"""Packets in a byte stream that may begin anywhere and hold garbage: COBS between zeros, with a CRC-16.

Rule: pure; what is damaged is counted, and the next 00 is a fresh start. On the line:

    00? COBS(payload || crc) 00

Each frame ends with one 00. A sender that was silent begins with an extra 00, which ends whatever noise the line made
meanwhile. The CRC is CRC-16/GENIBUS (SPEC.md 2.5), big-endian, over the payload, before COBS.
"""

from __future__ import annotations

from enum import Enum

from firmware_bridge.framing.cobs import cobs_decode, cobs_decode_damaged, cobs_encode, encoded_bytes
from gateway.protocol.checksum import CRC_BYTES, crc16

DELIMITER = b"\0"


class Check(Enum):
    """How a frame is guarded; the values are words of a profile."""

    CRC = "crc"
    NONE = "none"
    """No CRC on the line, and damaged payloads are handed on: for stations that guard bits themselves."""


def frame_overhead_bytes(mtu_bytes: int, check: Check = Check.CRC) -> int:
    """What framing adds at most to a payload of `mtu_bytes`, the extra 00 not counted."""
    guarded = mtu_bytes + (CRC_BYTES if check is Check.CRC else 0)
    return encoded_bytes(guarded) + len(DELIMITER) - mtu_bytes


class CobsFramer:
    """Frames out, frames in; one per direction or both in one. `bad_frames` and `bad_bytes` count what was no frame."""

    def __init__(self, mtu_bytes: int, check: Check = Check.CRC) -> None:
        """Payloads have at most `mtu_bytes`; more than such a frame needs is never held."""
        self.mtu_bytes, self.check = mtu_bytes, check
        self._longest = mtu_bytes + frame_overhead_bytes(mtu_bytes, check) - len(DELIMITER)
        self._held = bytearray()
        self._skipped = 0
        self.bad_frames = 0
        self.bad_bytes = 0

    def encode(self, payload: bytes, *, after_silence: bool = False) -> bytes:
        """One frame; `after_silence` puts the extra 00 before it."""
        guarded = payload + crc16(payload).to_bytes(CRC_BYTES, "big") if self.check is Check.CRC else payload
        return (DELIMITER if after_silence else b"") + cobs_encode(guarded) + DELIMITER

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data`, cut anywhere, completes."""
        payloads: list[bytes] = []
        *ended, rest = data.split(DELIMITER)
        for piece in ended:
            self._hold(piece)
            payload = self._end()
            if payload is not None:
                payloads.append(payload)
        self._hold(rest)
        return payloads

    def reset(self) -> None:
        """Forget a frame that has begun: the stream was cut."""
        self._held.clear()
        self._skipped = 0

    @property
    def has_begun(self) -> bool:
        """Whether part of a frame, or of garbage, is held."""
        return bool(self._held) or self._skipped > 0

    def _hold(self, piece: bytes) -> None:
        if self._skipped or len(self._held) + len(piece) > self._longest:
            self._skipped += len(self._held) + len(piece)
            self._held.clear()
        else:
            self._held += piece

    def _end(self) -> bytes | None:
        encoded, skipped = bytes(self._held), self._skipped
        self.reset()
        if not encoded and not skipped:
            return None  # two zeros in a row are none too many
        payload = None if skipped else self._open(encoded)
        if payload is None:
            self.bad_frames += 1
            self.bad_bytes += len(encoded) + skipped
        return payload

    def _open(self, encoded: bytes) -> bytes | None:
        if self.check is Check.NONE:
            payload = cobs_decode_damaged(encoded)
            return payload if len(payload) <= self.mtu_bytes else None
        guarded = cobs_decode(encoded)
        if guarded is None or not CRC_BYTES <= len(guarded) <= self.mtu_bytes + CRC_BYTES:
            return None
        payload, crc = guarded[:-CRC_BYTES], guarded[-CRC_BYTES:]
        return payload if crc16(payload) == int.from_bytes(crc, "big") else None
