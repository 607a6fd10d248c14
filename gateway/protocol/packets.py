"""Packets of the air protocol as values, and their bytes (SPEC.md, clauses 2 to 5).

The rule: building a packet that the protocol forbids raises LocalProtocolError. `parse.py` is the way back.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum, IntEnum

from gateway.errors import LocalProtocolError
from gateway.protocol.checksum import with_crc_if
from gateway.protocol.frames import ReceivedFrame, first_bits, pack_first_bits
from gateway.protocol.report import LinkReport

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

MAX_DISTANCE = 15  # packets between a repeat and what it repeats (12.1)
MAX_BLOCK = 16  # voice packets, and parity packets, of one Reed-Solomon block (12.2)

MESSAGE_KINDS = frozenset((5, 6))  # blocks and status of buffered messages: bodies are read by bulk_packets (14)
ACK_WANTED, LAST_PART, PART_MASK = 0x80, 0x40, 0x0F  # flags of a text part (5.3)


class PacketType(IntEnum):
    """Bits 13 and 12 of the header (2.1)."""

    VOICE = 0
    VOICE_SESSION = 1
    EXTENDED = 2
    REDUNDANT = 3


class ExtendedKind(IntEnum):
    """The byte after the header of an extended packet (5.1); those of buffered messages are `MESSAGE_KINDS`."""

    TEXT = 1
    ACK = 2
    PARITY = 3
    REPORT = 4


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
            return with_crc_if(self._redundant(self.repeat), crc)
        kind = PacketType.VOICE if self.session is None else PacketType.VOICE_SESSION
        header = _header(kind, self.end_of_over, self.over_id, self.sequence)
        session = b"" if self.session is None else self.session.to_bytes()
        return with_crc_if(header + session + b"".join(self.frames), crc)

    def _redundant(self, repeat: Repeat) -> bytes:
        header = _header(PacketType.REDUNDANT, self.end_of_over, self.over_id, self.sequence)
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
        header = _header(PacketType.EXTENDED, self.last_frames is not None, self.over_id, self.first)
        shape = bytes(((self.members - 1) << 4 | self.depth - 1, self.row << 4 | self.parities - 1))
        last = b"" if self.last_frames is None else bytes((self.last_frames,))
        return with_crc_if(header + bytes((ExtendedKind.PARITY,)) + shape + last + self.data, crc)


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
        flags = (ACK_WANTED if self.ack_wanted else 0) | (LAST_PART if self.last_part else 0) | self.part
        body = self.source.to_bytes(2, "big") + bytes((self.group, self.message_id, flags)) + self.text.encode("utf-8")
        return _extended(ExtendedKind.TEXT, body, crc)


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
        return _extended(ExtendedKind.ACK, who + bytes((self.message_id, self.part)), crc)


@dataclass(frozen=True, slots=True)
class ReportPacket:
    """A receiver tells a talker how its over arrived (15.1)."""

    report: LinkReport

    def to_bytes(self, crc: bool) -> bytes:
        """The packet as sent; `crc` appends the checksum of clause 2.5."""
        return _extended(ExtendedKind.REPORT, self.report.body(), crc)


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
        return _extended(self.kind, self.body, crc)


Packet = VoicePacket | ParityPacket | TextPacket | AckPacket | ReportPacket | MessagePacket


def control_character(text: str) -> int | None:
    """Place of the first character that may not be sent: a control other than newline and tab (5.5)."""
    for place, character in enumerate(text):
        if character not in "\n\t" and unicodedata.category(character) == "Cc":
            return place
    return None


def _header(kind: int, end_of_over: bool = False, over_id: int = 0, sequence: int = 0) -> bytes:
    return (VERSION << 14 | kind << 12 | end_of_over << 11 | over_id << 6 | sequence).to_bytes(HEADER_BYTES, "big")


def _extended(kind: int, body: bytes, crc: bool) -> bytes:
    return with_crc_if(_header(PacketType.EXTENDED) + bytes((kind,)) + body, crc)


def _check_range(name: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise LocalProtocolError(f"{name} is {value}, needs 0 to {most}")
