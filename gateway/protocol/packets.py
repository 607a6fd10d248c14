"""Packets of the air protocol as values, and their bytes (SPEC.md, clauses 2 to 5).

The rule: building a packet that the protocol forbids raises LocalProtocolError; parsing never raises, because damage
on the air is normal. Whatever cannot be understood becomes `Dropped(reason, detail)`.
"""

from __future__ import annotations

import unicodedata
from binascii import crc_hqx
from dataclasses import dataclass
from enum import Enum

from gateway.errors import LocalProtocolError
from gateway.protocol.report import BODY_BYTES, LinkReport, read_report

VERSION = 1  # value of the 2-bit version field (2.2)
FRAME_BYTES = 3  # one codec frame (3.2)
FRAME_S = 0.08  # audio in one codec frame, seconds
FRAME_SAMPLES = 1280  # the same in samples at 16 kHz
MAX_FRAMES = 63  # frames in one voice packet (3.4)
MAX_TEXT_BYTES = 200  # UTF-8 bytes in one text part (5.4)
MAX_TEXT_PARTS = 16
OVER_IDS = 32
SEQUENCES = 64
HEADER_BYTES = 2
SESSION_BYTES = 4
CRC_BYTES = 2

_TYPE_VOICE, _TYPE_VOICE_SESSION, _TYPE_EXTENDED = 0, 1, 2
_KIND_TEXT, _KIND_ACK = 1, 2
_KIND_REPORT = 4
MESSAGE_KINDS = frozenset((5, 6))  # blocks and status of buffered messages: bodies are read by bulk_packets (14)
_TEXT_FIXED_BYTES = HEADER_BYTES + 1 + 2 + 1 + 1 + 1
_ACK_BYTES = HEADER_BYTES + 1 + 2 + 2 + 1 + 1
_ACK_WANTED, _LAST_PART, _PART_MASK = 0x80, 0x40, 0x0F


class DropReason(Enum):
    """Why received bytes did not become a packet (2.6). The values are counter names."""

    TOO_SHORT = "too_short"
    BAD_CRC = "bad_crc"
    WRONG_VERSION = "wrong_version"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_KIND = "unknown_kind"
    BAD_LENGTH = "bad_length"
    BAD_TEXT = "bad_text"
    BAD_FIELD = "bad_field"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Received bytes that are no packet of this version: a reason to count and a detail for the log."""

    reason: DropReason
    detail: str


@dataclass(frozen=True, slots=True)
class SessionBlock:
    """Who talks, to whom, in which codec: the same in every repeat within an over (4.1)."""

    source: int
    group: int
    codec_id: int
    codec_version: int

    def __post_init__(self) -> None:
        _check_range("session source", self.source, 0xFFFF)
        _check_range("talk group", self.group, 0xFF)
        _check_range("codec id", self.codec_id, 0xF)
        _check_range("codec version", self.codec_version, 0xF)

    def to_bytes(self) -> bytes:
        """Four bytes: source u16, group u8, codec id and version 4 bits each."""
        return self.source.to_bytes(2, "big") + bytes((self.group, self.codec_id << 4 | self.codec_version))


@dataclass(frozen=True, slots=True)
class VoicePacket:
    """A run of codec frames of one over; `sequence` is the 6 bits on the wire. Only an end of over may be empty."""

    over_id: int
    sequence: int
    end_of_over: bool
    frames: tuple[bytes, ...]
    session: SessionBlock | None = None

    def __post_init__(self) -> None:
        _check_range("over id", self.over_id, OVER_IDS - 1)
        _check_range("sequence", self.sequence, SEQUENCES - 1)
        if not self.frames and not self.end_of_over:
            raise LocalProtocolError("voice packet without frames: only an end of over may be empty (SPEC 3.3)")
        if len(self.frames) > MAX_FRAMES:
            raise LocalProtocolError(f"voice packet of {len(self.frames)} frames: at most {MAX_FRAMES} (SPEC 3.4)")
        for place, frame in enumerate(self.frames):
            if len(frame) != FRAME_BYTES:
                raise LocalProtocolError(f"frame {place} has {len(frame)} bytes, needs {FRAME_BYTES} (SPEC 3.2)")

    def to_bytes(self, crc: bool) -> bytes:
        """The packet as sent; `crc` appends the checksum of clause 2.5."""
        kind = _TYPE_VOICE if self.session is None else _TYPE_VOICE_SESSION
        header = _header(kind, self.end_of_over, self.over_id, self.sequence)
        session = b"" if self.session is None else self.session.to_bytes()
        return _seal(header + session + b"".join(self.frames), crc)


@dataclass(frozen=True, slots=True)
class TextPacket:
    """One part of a text message from `source` to a talk group (5.3)."""

    source: int
    group: int
    message_id: int
    part: int
    last_part: bool
    ack_wanted: bool
    text: str

    def __post_init__(self) -> None:
        _check_range("text source", self.source, 0xFFFF)
        _check_range("text group", self.group, 0xFF)
        _check_range("message id", self.message_id, 0xFF)
        _check_range("text part", self.part, MAX_TEXT_PARTS - 1)
        try:
            size = len(self.text.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"text cannot be sent as UTF-8: {error}") from error
        if not 1 <= size <= MAX_TEXT_BYTES:
            raise LocalProtocolError(f"text part of {size} bytes: needs 1 to {MAX_TEXT_BYTES} (SPEC 5.4)")
        if (place := control_character(self.text)) is not None:
            raise LocalProtocolError(f"text holds control character {self.text[place]!r} at {place} (SPEC 5.5)")

    def to_bytes(self, crc: bool) -> bytes:
        """The packet as sent; `crc` appends the checksum of clause 2.5."""
        flags = (_ACK_WANTED if self.ack_wanted else 0) | (_LAST_PART if self.last_part else 0) | self.part
        fixed = bytes((_KIND_TEXT,)) + self.source.to_bytes(2, "big") + bytes((self.group, self.message_id, flags))
        return _seal(_header(_TYPE_EXTENDED) + fixed + self.text.encode("utf-8"), crc)


@dataclass(frozen=True, slots=True)
class AckPacket:
    """`source` tells `destination` that it holds part `part` of message `message_id` (5.6)."""

    source: int
    destination: int
    message_id: int
    part: int

    def __post_init__(self) -> None:
        _check_range("ack source", self.source, 0xFFFF)
        _check_range("ack destination", self.destination, 0xFFFF)
        _check_range("message id", self.message_id, 0xFF)
        _check_range("ack part", self.part, MAX_TEXT_PARTS - 1)

    def to_bytes(self, crc: bool) -> bytes:
        """The packet as sent; `crc` appends the checksum of clause 2.5."""
        who = self.source.to_bytes(2, "big") + self.destination.to_bytes(2, "big")
        return _seal(_header(_TYPE_EXTENDED) + bytes((_KIND_ACK,)) + who + bytes((self.message_id, self.part)), crc)


@dataclass(frozen=True, slots=True)
class ReportPacket:
    """A receiver tells a talker how its over arrived (15.1)."""

    report: LinkReport

    def to_bytes(self, crc: bool) -> bytes:
        """The packet as sent; `crc` appends the checksum of clause 2.5."""
        return _seal(_header(_TYPE_EXTENDED) + bytes((_KIND_REPORT,)) + self.report.body(), crc)


@dataclass(frozen=True, slots=True)
class MessagePacket:
    """An extended packet of a buffered message, its body still to be read by `bulk_packets.parse_message` (14)."""

    kind: int
    body: bytes

    def __post_init__(self) -> None:
        if self.kind not in MESSAGE_KINDS:
            raise LocalProtocolError(f"message packet of kind {self.kind}: needs one of {sorted(MESSAGE_KINDS)}")

    def to_bytes(self, crc: bool) -> bytes:
        """The packet as sent; `crc` appends the checksum of clause 2.5."""
        return _seal(_header(_TYPE_EXTENDED) + bytes((self.kind,)) + self.body, crc)


Packet = VoicePacket | TextPacket | AckPacket | ReportPacket | MessagePacket


def parse(data: bytes, *, crc: bool) -> Packet | Dropped:
    """The packet in `data` (exactly one, as the link delivered it), or why there is none. Never raises.

    `crc`: the link carries the checksum of clause 2.5. The checks go in the order of clause 2.6.
    """
    data = bytes(data)
    shortest = HEADER_BYTES + (CRC_BYTES if crc else 0)
    if len(data) < shortest:
        return Dropped(DropReason.TOO_SHORT, f"{len(data)} bytes, needs at least {shortest}")
    if crc:
        data, trailer = data[:-CRC_BYTES], data[-CRC_BYTES:]
        if (needed := crc16(data)) != int.from_bytes(trailer, "big"):
            return Dropped(DropReason.BAD_CRC, f"CRC 0x{trailer.hex()}, needs 0x{needed:04x}")
    word = int.from_bytes(data[:HEADER_BYTES], "big")
    if (version := word >> 14) != VERSION:
        return Dropped(DropReason.WRONG_VERSION, f"version {version}, needs {VERSION}")
    kind = word >> 12 & 3
    if kind == _TYPE_EXTENDED:
        return _parse_extended(data)
    if kind > _TYPE_EXTENDED:
        return Dropped(DropReason.UNKNOWN_TYPE, f"type {kind}")
    return _parse_voice(word, data[HEADER_BYTES:], with_session=kind == _TYPE_VOICE_SESSION)


def crc16(data: bytes) -> int:
    """CRC-16/GENIBUS (2.5): polynomial 0x1021, start 0xFFFF, nothing reflected, result complemented.

    crc_hqx does the arithmetic of CRC-16/XMODEM with another start. The complement matters: without it a packet that a
    modem padded with zero bytes would pass, and the padding be spoken.
    """
    return crc_hqx(data, 0xFFFF) ^ 0xFFFF


def with_crc(data: bytes) -> bytes:
    """A packet, or its sealed form, with the checksum of 2.5."""
    return _seal(data, True)


def without_crc(data: bytes) -> bytes | Dropped:
    """What stands before a right checksum; for sealed packets, whose checksum is outside (13.2). Never raises."""
    if len(data) < HEADER_BYTES + CRC_BYTES:
        return Dropped(DropReason.TOO_SHORT, f"{len(data)} bytes, needs at least {HEADER_BYTES + CRC_BYTES}")
    body, trailer = data[:-CRC_BYTES], data[-CRC_BYTES:]
    if (needed := crc16(body)) != int.from_bytes(trailer, "big"):
        return Dropped(DropReason.BAD_CRC, f"CRC 0x{trailer.hex()}, needs 0x{needed:04x}")
    return body


def control_character(text: str) -> int | None:
    """Place of the first character that may not be sent: a control other than newline and tab (5.5)."""
    for place, character in enumerate(text):
        if character not in "\n\t" and unicodedata.category(character) == "Cc":
            return place
    return None


def _parse_voice(word: int, body: bytes, *, with_session: bool) -> Packet | Dropped:
    session = None
    if with_session:
        if len(body) < SESSION_BYTES:
            return Dropped(DropReason.BAD_LENGTH, f"{len(body)} bytes after the header, a session block needs 4")
        codec = body[3]
        session = SessionBlock(int.from_bytes(body[:2], "big"), body[2], codec >> 4, codec & 0xF)
        body = body[SESSION_BYTES:]
    count, rest = divmod(len(body), FRAME_BYTES)
    if rest:
        return Dropped(DropReason.BAD_LENGTH, f"{len(body)} bytes of frames are not a multiple of {FRAME_BYTES}")
    if count > MAX_FRAMES:
        return Dropped(DropReason.BAD_LENGTH, f"{count} frames, at most {MAX_FRAMES}")
    end_of_over = bool(word >> 11 & 1)
    if not count and not end_of_over:
        return Dropped(DropReason.BAD_LENGTH, "no frames and not the end of an over")
    frames = tuple(body[at : at + FRAME_BYTES] for at in range(0, len(body), FRAME_BYTES))
    return VoicePacket(word >> 6 & 0x1F, word & 0x3F, end_of_over, frames, session)


def _parse_extended(data: bytes) -> Packet | Dropped:
    if len(data) <= HEADER_BYTES:
        return Dropped(DropReason.BAD_LENGTH, "extended packet without its kind byte")
    kind = data[HEADER_BYTES]
    if kind == _KIND_TEXT:
        return _parse_text(data)
    if kind == _KIND_ACK:
        return _parse_ack(data)
    if kind == _KIND_REPORT:
        return _parse_report(data[HEADER_BYTES + 1 :])
    if kind in MESSAGE_KINDS:
        return MessagePacket(kind, data[HEADER_BYTES + 1 :])
    return Dropped(DropReason.UNKNOWN_KIND, f"extended kind {kind}")


def _parse_text(data: bytes) -> Packet | Dropped:
    size = len(data) - _TEXT_FIXED_BYTES
    if not 1 <= size <= MAX_TEXT_BYTES:
        return Dropped(DropReason.BAD_LENGTH, f"text of {size} bytes, needs 1 to {MAX_TEXT_BYTES}")
    try:
        text = data[_TEXT_FIXED_BYTES:].decode("utf-8")
    except UnicodeDecodeError as error:
        return Dropped(DropReason.BAD_TEXT, f"not UTF-8 at byte {_TEXT_FIXED_BYTES + error.start}")
    if (place := control_character(text)) is not None:
        return Dropped(DropReason.BAD_TEXT, f"control character {text[place]!r}")
    flags = data[7]
    return TextPacket(
        source=int.from_bytes(data[3:5], "big"),
        group=data[5],
        message_id=data[6],
        part=flags & _PART_MASK,
        last_part=bool(flags & _LAST_PART),
        ack_wanted=bool(flags & _ACK_WANTED),
        text=text,
    )


def _parse_ack(data: bytes) -> Packet | Dropped:
    if len(data) != _ACK_BYTES:
        return Dropped(DropReason.BAD_LENGTH, f"ack of {len(data)} bytes, needs {_ACK_BYTES}")
    if data[8] >= MAX_TEXT_PARTS:
        return Dropped(DropReason.BAD_FIELD, f"ack of part {data[8]}, at most {MAX_TEXT_PARTS - 1}")
    return AckPacket(int.from_bytes(data[3:5], "big"), int.from_bytes(data[5:7], "big"), data[7], data[8])


def _parse_report(body: bytes) -> Packet | Dropped:
    if len(body) != BODY_BYTES:
        return Dropped(DropReason.BAD_LENGTH, f"link report of {len(body)} bytes, needs {BODY_BYTES}")
    report = read_report(body)
    return Dropped(DropReason.BAD_FIELD, report) if isinstance(report, str) else ReportPacket(report)


def _header(kind: int, end_of_over: bool = False, over_id: int = 0, sequence: int = 0) -> bytes:
    return (VERSION << 14 | kind << 12 | end_of_over << 11 | over_id << 6 | sequence).to_bytes(HEADER_BYTES, "big")


def _seal(data: bytes, crc: bool) -> bytes:
    return data + crc16(data).to_bytes(CRC_BYTES, "big") if crc else data


def _check_range(name: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise LocalProtocolError(f"{name} is {value}, needs 0 to {most}")
