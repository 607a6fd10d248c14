"""KISS: frames between host and TNC, as bytes cut anywhere.

Rule: a state machine over bytes; what is damaged is dropped and counted (`modem.*` in the metrics handed in), and the
next FEND begins afresh.

Sources: Chepponis and Karn, "The KISS TNC: A simple Host-to-TNC communications protocol" (1987), sections 2 and 4.
SMACK: Schiefer and Deyke, "SMACK - Protocol Description", version 1.0 (1992): bit 7 of a data frame's command byte says
that a CRC-16 follows; commands have none. G8BPQ's extensions as in AEA's manuals (PK-900, command KISS): command 0x0C
carries two bytes that the TNC returns when the frame has been sent (ACKMODE); a checksum is the exclusive-or of all
bytes between the FENDs before escaping, on every frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import reduce
from operator import xor

from gateway.metrics import Metrics

FEND, FESC, TFEND, TFESC = 0xC0, 0xDB, 0xDC, 0xDD
MAX_BODY_BYTES = 4096 + 64
"""The largest packet there is, with an AX.25 header and its like."""
SMACK_FLAG = 0x80
SMACK_MAX_PORT = 7
ACK_ID_BYTES = 2
RETURN_PORT = 15


class KissCommand(IntEnum):
    """The lower four bits of a frame's first byte; times are in 10 ms."""

    DATA = 0x0
    TX_DELAY = 0x1
    PERSISTENCE = 0x2
    SLOT_TIME = 0x3
    TX_TAIL = 0x4
    FULL_DUPLEX = 0x5
    SET_HARDWARE = 0x6
    ACKED_DATA = 0xC
    """To the TNC: two bytes of id, then the frame; from it: the id of a frame that has been sent."""
    POLL = 0xE
    RETURN = 0xF
    """Leave KISS; on port 15, so that all eight bits are set."""


class Checksum(Enum):
    """What guards frames on the line between host and TNC."""

    NONE = "none"
    SMACK = "smack"
    XOR = "xor"


@dataclass(frozen=True, slots=True)
class KissFrame:
    """One frame; `command` is a `KissCommand` or a number that nobody gave a meaning."""

    port: int
    command: int
    data: bytes = b""


def smack_crc(data: bytes) -> int:
    """CRC-16 of SMACK: x^16 + x^15 + x^2 + 1, bits reflected, from 0; 0 over data with its CRC (low byte first)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def encode_kiss(frame: KissFrame, checksum: Checksum = Checksum.NONE) -> bytes:
    """The frame with its FENDs, as it goes down the line."""
    is_smack = checksum is Checksum.SMACK and frame.command == KissCommand.DATA
    kind = frame.port << 4 | frame.command | (SMACK_FLAG if is_smack else 0)
    body = bytes((kind,)) + frame.data
    if is_smack:
        body += smack_crc(body).to_bytes(2, "little")
    elif checksum is Checksum.XOR:
        body += bytes((reduce(xor, body),))
    return b"\xc0" + body.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


class KissDecoder:
    """Takes bytes and gives frames."""

    def __init__(self, checksum: Checksum, metrics: Metrics) -> None:
        self._checksum, self._metrics = checksum, metrics
        self._body = bytearray()
        self._is_escaped = False
        self._is_bad = False
        self.heard_smack = False
        """Whether a frame with SMACK's checksum has come, after which a SMACK TNC uses it as well."""

    @property
    def partial(self) -> bytes:
        """What has come of the frame that is not complete."""
        return bytes(self._body)

    def feed(self, data: bytes) -> list[KissFrame]:
        """The frames that `data` completes."""
        frames = []
        for byte in data:
            if byte == FEND:
                frame = self._end()
                if frame is not None:
                    frames.append(frame)
            elif self._is_bad:
                continue
            elif self._is_escaped:
                self._escaped(byte)
            elif byte == FESC:
                self._is_escaped = True
            else:
                self._body.append(byte)
                self._check_length()
        return frames

    def _escaped(self, byte: int) -> None:
        self._is_escaped = False
        if byte in (TFEND, TFESC):
            self._body.append(FEND if byte == TFEND else FESC)
            self._check_length()
        else:  # section 2 goes on with the frame; but then it is not what was sent
            self._spoil("modem.rx_bad_escape")

    def _check_length(self) -> None:
        if len(self._body) > MAX_BODY_BYTES:
            self._spoil("modem.rx_too_long")

    def _spoil(self, counter: str) -> None:
        self._metrics.count(counter)
        self._is_bad = True
        self._body.clear()

    def _end(self) -> KissFrame | None:
        if self._is_escaped:
            self._spoil("modem.rx_bad_escape")
        body = bytes(self._body)
        is_whole = not self._is_bad
        self._body.clear()
        self._is_escaped = self._is_bad = False
        return self._frame(body) if is_whole and body else None

    def _frame(self, body: bytes) -> KissFrame | None:
        if self._checksum is Checksum.XOR:
            if len(body) < 2 or reduce(xor, body):
                self._metrics.count("modem.rx_bad_checksum")
                return None
            body = body[:-1]
        kind = body[0]
        if self._checksum is Checksum.SMACK and kind & (SMACK_FLAG | 0x0F) == SMACK_FLAG:
            if len(body) < 3 or smack_crc(body):
                self._metrics.count("modem.rx_bad_checksum")
                return None
            self.heard_smack = True
            return KissFrame(kind >> 4 & SMACK_MAX_PORT, KissCommand.DATA, body[1:-2])
        return KissFrame(kind >> 4, kind & 0x0F, body[1:])
