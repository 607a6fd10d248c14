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
from gateway.protocol.frames import ReceivedFrame, first_bits, pack_first_bits, packed_bytes, unpack_first_bits
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

MAX_DISTANCE = 15  # packets between a repeat and what it repeats (12.1)
MAX_BLOCK = 16  # voice packets, and parity packets, of one Reed-Solomon block (12.2)

_TYPE_VOICE, _TYPE_VOICE_SESSION, _TYPE_EXTENDED, _TYPE_REDUNDANT = 0, 1, 2, 3
_KIND_TEXT, _KIND_ACK, _KIND_PARITY, _KIND_REPORT = 1, 2, 3, 4
MESSAGE_KINDS = frozenset((5, 6))  # blocks and status of buffered messages: bodies are read by bulk_packets (14)
_PARITY_FIXED_BYTES = HEADER_BYTES + 1 + 2
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


class RepeatScheme(Enum):
    """What a packet of type 3 repeats of an earlier one (12.1): the scheme bits of its descriptor."""

    STAGE_ONE = 1
    PAYLOAD = 2
    TWO_BYTES = 3

    @property
    def bits(self) -> int:
        """How many bits of each frame are repeated, the first."""
        return {RepeatScheme.STAGE_ONE: 12, RepeatScheme.TWO_BYTES: 16, RepeatScheme.PAYLOAD: 24}[self]


@dataclass(frozen=True, slots=True)
class Repeat:
    """All frames of the packet `distance` places earlier, 3 bytes each, the bits that are not repeated 0."""

    scheme: RepeatScheme
    distance: int
    frames: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _check_range("repeat distance", self.distance - 1, MAX_DISTANCE - 1)
        _check_range("number of repeated frames", len(self.frames) - 1, MAX_FRAMES - 1)
        for place, frame in enumerate(self.frames):
            if len(frame) != FRAME_BYTES or first_bits(frame, self.scheme.bits) != frame:
                raise LocalProtocolError(f"repeated frame {place} is {frame.hex()}: not of scheme {self.scheme.name}")

    def to_bytes(self) -> bytes:
        """The frames as they follow those of the packet."""
        return pack_first_bits(self.frames, self.scheme.bits)


@dataclass(frozen=True, slots=True)
class VoicePacket:
    """A run of codec frames of one over; `sequence` is the 6 bits on the wire. Only an end of over may be empty.

    `repeat` makes it a packet of type 3. `heard` is what is known of the frames where bits arrive with errors; it is
    not sent.
    """

    over_id: int
    sequence: int
    end_of_over: bool
    frames: tuple[bytes, ...]
    session: SessionBlock | None = None
    repeat: Repeat | None = None
    heard: tuple[ReceivedFrame, ...] | None = None

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
        if self.repeat and not self.end_of_over and len(self.frames) != len(self.repeat.frames):
            raise LocalProtocolError(
                f"{len(self.frames)} frames and {len(self.repeat.frames)} repeated: packets of an over are equal (3.3)"
            )
        if self.repeat and len(self.frames) > len(self.repeat.frames):
            raise LocalProtocolError(f"last packet of {len(self.frames)} frames: longer than the one it repeats")

    def to_bytes(self, crc: bool) -> bytes:
        """The packet as sent; `crc` appends the checksum of clause 2.5."""
        if self.repeat is not None:
            return _seal(self._redundant(self.repeat), crc)
        kind = _TYPE_VOICE if self.session is None else _TYPE_VOICE_SESSION
        header = _header(kind, self.end_of_over, self.over_id, self.sequence)
        session = b"" if self.session is None else self.session.to_bytes()
        return _seal(header + session + b"".join(self.frames), crc)

    def _redundant(self, repeat: Repeat) -> bytes:
        header = _header(_TYPE_REDUNDANT, self.end_of_over, self.over_id, self.sequence)
        descriptor = bytes(((self.session is not None) << 7 | repeat.scheme.value << 4 | repeat.distance,))
        session = b"" if self.session is None else self.session.to_bytes()
        count = bytes((len(repeat.frames),)) if self.end_of_over else b""
        return header + descriptor + session + count + b"".join(self.frames) + repeat.to_bytes()


@dataclass(frozen=True, slots=True)
class ParityPacket:
    """One parity symbol row of a Reed-Solomon block of voice packets (12.2).

    The block's packets have the sequence numbers `first`, + depth, + 2 depth, ... (modulo 64), `members` of them; it
    has `parities` parity rows, of which this is `row`. `last_frames` is the number of frames in the last member where
    that ends the over, None where it does not. `data` has the length of the longest member's frames.
    """

    over_id: int
    first: int
    members: int
    depth: int
    parities: int
    row: int
    last_frames: int | None
    data: bytes

    def __post_init__(self) -> None:
        _check_range("over id", self.over_id, OVER_IDS - 1)
        _check_range("sequence", self.first, SEQUENCES - 1)
        if not 2 <= self.members <= MAX_BLOCK:
            raise LocalProtocolError(f"block of {self.members} voice packets: needs 2 to {MAX_BLOCK}")
        _check_range("block depth", self.depth - 1, MAX_BLOCK - 1)
        _check_range("number of parity rows", self.parities - 1, MAX_BLOCK - 1)
        _check_range("parity row", self.row, self.parities - 1)
        count, rest = divmod(len(self.data), FRAME_BYTES)
        if rest or not 1 <= count <= MAX_FRAMES:
            raise LocalProtocolError(
                f"parity of {len(self.data)} bytes: needs 1 to {MAX_FRAMES} frames of {FRAME_BYTES}"
            )
        if self.last_frames is not None:
            _check_range("frames of the last packet", self.last_frames, count)

    def to_bytes(self, crc: bool) -> bytes:
        """The packet as sent; `crc` appends the checksum of clause 2.5."""
        header = _header(_TYPE_EXTENDED, self.last_frames is not None, self.over_id, self.first)
        shape = bytes(((self.members - 1) << 4 | self.depth - 1, self.row << 4 | self.parities - 1))
        last = b"" if self.last_frames is None else bytes((self.last_frames,))
        return _seal(header + bytes((_KIND_PARITY,)) + shape + last + self.data, crc)


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


Packet = VoicePacket | ParityPacket | TextPacket | AckPacket | ReportPacket | MessagePacket


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
    if kind == _TYPE_REDUNDANT:
        return _parse_redundant(word, data[HEADER_BYTES:])
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


def parse_session(body: bytes) -> SessionBlock:
    """The session block in the first 4 bytes of `body` (4.1)."""
    return SessionBlock(int.from_bytes(body[:2], "big"), body[2], body[3] >> 4, body[3] & 0xF)


def _parse_voice(word: int, body: bytes, *, with_session: bool) -> Packet | Dropped:
    session = None
    if with_session:
        if len(body) < SESSION_BYTES:
            return Dropped(DropReason.BAD_LENGTH, f"{len(body)} bytes after the header, a session block needs 4")
        session = parse_session(body)
        body = body[SESSION_BYTES:]
    count, rest = divmod(len(body), FRAME_BYTES)
    if rest:
        return Dropped(DropReason.BAD_LENGTH, f"{len(body)} bytes of frames are not a multiple of {FRAME_BYTES}")
    if count > MAX_FRAMES:
        return Dropped(DropReason.BAD_LENGTH, f"{count} frames, at most {MAX_FRAMES}")
    end_of_over = bool(word >> 11 & 1)
    if not count and not end_of_over:
        return Dropped(DropReason.BAD_LENGTH, "no frames and not the end of an over")
    return VoicePacket(word >> 6 & 0x1F, word & 0x3F, end_of_over, _split(body), session)


def _parse_redundant(word: int, body: bytes) -> Packet | Dropped:
    """Type 3 (12.1): descriptor, session block where flagged, in the last packet a count, frames, repeated frames."""
    if not body:
        return Dropped(DropReason.BAD_LENGTH, "no descriptor")
    descriptor, body = body[0], body[1:]
    distance, end_of_over = descriptor & 0xF, bool(word >> 11 & 1)
    scheme = next((known for known in RepeatScheme if known.value == descriptor >> 4 & 7), None)
    if scheme is None:
        return Dropped(DropReason.UNKNOWN_TYPE, f"redundancy scheme {descriptor >> 4 & 7}")
    session_bytes = SESSION_BYTES if descriptor & 0x80 else 0
    if len(body) < session_bytes + end_of_over:
        return Dropped(DropReason.BAD_LENGTH, f"{len(body)} bytes after the descriptor")
    session, body = parse_session(body) if session_bytes else None, body[session_bytes:]
    if end_of_over:
        repeated, body = body[0], body[1:]
        if not 1 <= repeated <= MAX_FRAMES:
            return Dropped(DropReason.BAD_FIELD, f"{repeated} repeated frames")
    else:
        repeated = 8 * len(body) // (8 * FRAME_BYTES + scheme.bits)
    own_bytes = len(body) - packed_bytes(repeated, scheme.bits)
    count, rest = divmod(own_bytes, FRAME_BYTES)
    if rest or not 0 <= count <= repeated <= MAX_FRAMES or (not end_of_over and count != max(1, repeated)):
        return Dropped(DropReason.BAD_LENGTH, f"{len(body)} bytes of frames and repeated frames")
    if not distance:
        return Dropped(DropReason.BAD_FIELD, "a packet that repeats itself")
    repeat = Repeat(scheme, distance, unpack_first_bits(body[own_bytes:], repeated, scheme.bits))
    return VoicePacket(word >> 6 & 0x1F, word & 0x3F, end_of_over, _split(body[:own_bytes]), session, repeat)


def _split(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES))


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
    if kind == _KIND_PARITY:
        return _parse_parity(data)
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


def _parse_parity(data: bytes) -> Packet | Dropped:
    word = int.from_bytes(data[:HEADER_BYTES], "big")
    fixed = _PARITY_FIXED_BYTES + (word >> 11 & 1)
    count, rest = divmod(len(data) - fixed, FRAME_BYTES)
    if rest or not 1 <= count <= MAX_FRAMES:
        return Dropped(DropReason.BAD_LENGTH, f"parity packet of {len(data)} bytes")
    members, depth, row, parities = (data[3] >> 4) + 1, (data[3] & 0xF) + 1, data[4] >> 4, (data[4] & 0xF) + 1
    last = data[5] if word >> 11 & 1 else None
    if members < 2 or row >= parities or (last is not None and last > count):
        return Dropped(DropReason.BAD_FIELD, f"parity row {row} of {parities}, {members} members, last {last}")
    return ParityPacket(word >> 6 & 0x1F, word & 0x3F, members, depth, parities, row, last, data[fixed:])


def _header(kind: int, end_of_over: bool = False, over_id: int = 0, sequence: int = 0) -> bytes:
    return (VERSION << 14 | kind << 12 | end_of_over << 11 | over_id << 6 | sequence).to_bytes(HEADER_BYTES, "big")


def _seal(data: bytes, crc: bool) -> bytes:
    return data + crc16(data).to_bytes(CRC_BYTES, "big") if crc else data


def _check_range(name: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise LocalProtocolError(f"{name} is {value}, needs 0 to {most}")
