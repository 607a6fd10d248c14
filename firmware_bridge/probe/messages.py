"""Messages of `clarilink modem-test` as values, and their bytes.

Rule: parsing never raises; what is no message is `Wrong`. No station takes one for voice: the first byte claims version
3 of the air protocol, which none has.

Format (all numbers big-endian): magic D7 3C | kind u8 | sequence u16 | length u16, of the whole message | time u32,
milliseconds on the clock of whoever asked, modulo 2^32 | body | CRC-16/GENIBUS over all before it.

| kind | message | body |
|---|---|---|
| 1 | Probe: answer this | bytes of the answer u16, filler |
| 2 | Answer: sequence and time are the probe's | milliseconds from probe to answer u16, filler |
| 3 | BurstPart: sequence is its place in the burst | burst u8, filler |
| 4 | ReportWanted: what came of a burst? | burst u8 |
| 5 | Report: sequence and time as asked | burst u8, parts received u16, place of the first and of the last u16 each, \
milliseconds from first to last u32 |
| 6 | BurstWanted: send me one | burst u8, parts u8, bytes of each u16 |

Filler is of any length, so that a message has the length whose air time is to be measured.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gateway.errors import LocalProtocolError
from gateway.protocol.checksum import crc16

MAGIC = b"\xd7\x3c"
_HEAD = struct.Struct(">2sBHHI")
_CRC_BYTES = 2
MAX_BYTES = 0xFFFF


class Wrong(Enum):
    """Why bytes are no message."""

    FOREIGN = "foreign"
    """Something else altogether: a station's packet."""
    DAMAGED = "damaged"
    """One of ours once."""


@dataclass(frozen=True, slots=True)
class Probe:
    """To be answered at once, with `answer_bytes`."""

    sequence: int
    time_ms: int
    answer_bytes: int
    length: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """`held_ms` passed between probe and answer in the one who answers."""

    sequence: int
    time_ms: int
    held_ms: int
    length: int = 0


@dataclass(frozen=True, slots=True)
class BurstPart:
    """One of many sent one after the other, as fast as the modem takes them."""

    sequence: int
    time_ms: int
    burst: int
    length: int = 0


@dataclass(frozen=True, slots=True)
class ReportWanted:
    """Asks what came of a burst."""

    sequence: int
    time_ms: int
    burst: int
    length: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a burst; `first_place` and `last_place` of the parts received, `span_ms` between them."""

    sequence: int
    time_ms: int
    burst: int
    received: int
    first_place: int
    last_place: int
    span_ms: int
    length: int = 0


@dataclass(frozen=True, slots=True)
class BurstWanted:
    """Asks for a burst of `parts` messages of `part_bytes` each."""

    sequence: int
    time_ms: int
    burst: int
    parts: int
    part_bytes: int
    length: int = 0


Message = Probe | Answer | BurstPart | ReportWanted | Report | BurstWanted

_KINDS: dict[int, tuple[type[Message], struct.Struct]] = {
    1: (Probe, struct.Struct(">H")),
    2: (Answer, struct.Struct(">H")),
    3: (BurstPart, struct.Struct(">B")),
    4: (ReportWanted, struct.Struct(">B")),
    5: (Report, struct.Struct(">BHHHI")),
    6: (BurstWanted, struct.Struct(">BBH")),
}
_KIND_OF = {kind: (number, body) for number, (kind, body) in _KINDS.items()}
_COMMON = ("sequence", "time_ms", "length")


def least_bytes(kind: type[Message]) -> int:
    """Length of a message without filler."""
    return _HEAD.size + _KIND_OF[kind][1].size + _CRC_BYTES


MIN_MTU_BYTES = max(map(least_bytes, _KIND_OF))
"""What a modem must carry to be tested."""


def encode(message: Message) -> bytes:
    """The bytes, filled up to `message.length` where that is more than needed.

    Raises LocalProtocolError for a figure out of range.
    """
    number, layout = _KIND_OF[type(message)]
    length = max(message.length, least_bytes(type(message)))
    figures = [getattr(message, name) for name in message.__slots__ if name not in _COMMON]
    try:
        head = _HEAD.pack(MAGIC, number, message.sequence, length, message.time_ms)
        body = layout.pack(*figures)
    except struct.error as error:
        raise LocalProtocolError(f"{message}: {error}") from error
    filler = bytes((37 * place + message.sequence) & 0xFF for place in range(length - least_bytes(type(message))))
    whole = head + body + filler
    return whole + crc16(whole).to_bytes(_CRC_BYTES, "big")


def parse(data: bytes) -> Message | Wrong:
    """The message that `data` is."""
    data = bytes(data)
    if data[: len(MAGIC)] != MAGIC:
        return Wrong.FOREIGN
    if len(data) < _HEAD.size + _CRC_BYTES or crc16(data[:-_CRC_BYTES]) != int.from_bytes(data[-_CRC_BYTES:], "big"):
        return Wrong.DAMAGED
    _, number, sequence, length, time_ms = _HEAD.unpack_from(data)
    if number not in _KINDS or length != len(data):
        return Wrong.DAMAGED
    kind, layout = _KINDS[number]
    if len(data) < least_bytes(kind):
        return Wrong.DAMAGED
    figures: tuple[int, ...] = layout.unpack_from(data, _HEAD.size)
    make: Callable[..., Message] = kind
    return make(sequence, time_ms, *figures, length=length)


def clock_ms(now: float) -> int:
    """A time on a monotonic clock as messages carry it."""
    return round(now * 1000) & 0xFFFF_FFFF


def elapsed_s(since_ms: int, now: float) -> float:
    """Seconds from a time in a message of our own to now."""
    return ((clock_ms(now) - since_ms) & 0xFFFF_FFFF) / 1000
