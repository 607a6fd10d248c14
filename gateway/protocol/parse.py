"""Packets of the air protocol from their bytes (SPEC.md, clauses 2 to 5, 12, 15).

The rule: parsing never raises, because damage on the air is normal. Whatever cannot be understood becomes
`Dropped(reason, detail)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gateway.protocol.checksum import CRC_BYTES, crc16
from gateway.protocol.frames import packed_bytes, unpack_first_bits
from gateway.protocol.packets import (
    ACK_WANTED,
    FRAME_BYTES,
    HEADER_BYTES,
    LAST_PART,
    MAX_FRAMES,
    MAX_TEXT_BYTES,
    MAX_TEXT_PARTS,
    MESSAGE_KINDS,
    PART_MASK,
    SESSION_BYTES,
    VERSION,
    AckPacket,
    ExtendedKind,
    MessagePacket,
    Packet,
    PacketType,
    ParityPacket,
    Repeat,
    RepeatScheme,
    ReportPacket,
    SessionBlock,
    TextPacket,
    VoicePacket,
    control_character,
)
from gateway.protocol.report import BODY_BYTES, read_report

_PARITY_FIXED_BYTES = HEADER_BYTES + 1 + 2
_TEXT_FIXED_BYTES = HEADER_BYTES + 1 + 2 + 1 + 1 + 1
_ACK_BYTES = HEADER_BYTES + 1 + 2 + 2 + 1 + 1


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


def parse(data: bytes, *, crc: bool) -> Packet | Dropped:
    """The packet in `data` (exactly one, as the link delivered it), or why there is none. Never raises.

    `crc`: the link carries the checksum of clause 2.5. The checks go in the order of clause 2.6.
    """
    data = bytes(data)
    if crc:
        checked = without_crc(data)
        if isinstance(checked, Dropped):
            return checked
        data = checked
    elif len(data) < HEADER_BYTES:
        return Dropped(DropReason.TOO_SHORT, f"{len(data)} bytes, needs at least {HEADER_BYTES}")
    word = int.from_bytes(data[:HEADER_BYTES], "big")
    if (version := word >> 14) != VERSION:
        return Dropped(DropReason.WRONG_VERSION, f"version {version}, needs {VERSION}")
    kind = word >> 12 & 3
    if kind == PacketType.EXTENDED:
        return _parse_extended(data)
    if kind == PacketType.REDUNDANT:
        return _parse_redundant(word, data[HEADER_BYTES:])
    return _parse_voice(word, data[HEADER_BYTES:], with_session=kind == PacketType.VOICE_SESSION)


def without_crc(data: bytes) -> bytes | Dropped:
    """What stands before a right checksum; for sealed packets, whose checksum is outside (13.2). Never raises."""
    if len(data) < HEADER_BYTES + CRC_BYTES:
        return Dropped(DropReason.TOO_SHORT, f"{len(data)} bytes, needs at least {HEADER_BYTES + CRC_BYTES}")
    body, trailer = data[:-CRC_BYTES], data[-CRC_BYTES:]
    if (needed := crc16(body)) != int.from_bytes(trailer, "big"):
        return Dropped(DropReason.BAD_CRC, f"CRC 0x{trailer.hex()}, needs 0x{needed:04x}")
    return body


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
    if kind == ExtendedKind.TEXT:
        return _parse_text(data)
    if kind == ExtendedKind.ACK:
        return _parse_ack(data)
    if kind == ExtendedKind.REPORT:
        return _parse_report(data[HEADER_BYTES + 1 :])
    if kind in MESSAGE_KINDS:
        return MessagePacket(kind, data[HEADER_BYTES + 1 :])
    if kind == ExtendedKind.PARITY:
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
        part=flags & PART_MASK,
        last_part=bool(flags & LAST_PART),
        ack_wanted=bool(flags & ACK_WANTED),
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
