"""Packets of buffered messages as values, and their bytes: offer, block, status (SPEC.md, clause 14).

The rule: as for all packets, building what is forbidden raises LocalProtocolError, parsing never raises. The offer is
at once the description of a message and the question what is still wanted of it; blocks carry nothing but their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gateway.errors import LocalProtocolError
from gateway.protocol.packets import HEADER_BYTES, MessagePacket
from gateway.protocol.parse import Dropped, DropReason

KIND_BLOCK, KIND_STATUS = 5, 6
OFFER_INDEX = 255  # in the place of a block's index: this is an offer (14.3)
MIN_ROOM_BYTES = 16  # shortest packet, without checksum and tag, over which messages can go (14.2)
MIN_BLOCK_BYTES, MAX_BLOCK_BYTES = 4, 255
CHECK_BYTES = 4  # the CRC-32 that ends a message
MAX_CONTENT_BYTES = 0xFFFF - CHECK_BYTES
BLOCK_OVERHEAD_BYTES = HEADER_BYTES + 1 + 4 + 1 + 1
STATUS_BYTES = HEADER_BYTES + 1 + 4 + 2 + 1
TYPE_TEXT = 1
_OFFER_BODY_BYTES = 4 + 1 + 1 + 2 + 2 + 1 + 2
_ENTRY_BYTES = 3
_TO_STATION, _ANSWER_WANTED, _TYPE_MASK = 0x80, 0x40, 0x3F


class Addressee(Enum):
    """What `destination` names."""

    GROUP = "group"
    STATION = "station"


class StatusState(Enum):
    """What a receiver says about a message (14.5); the values are those on the wire."""

    COMPLETE = 0
    WANTING = 1
    PAUSED = 2
    """No room now: ask again later."""
    REFUSED_TYPE = 3
    REFUSED_SIZE = 4
    REFUSED_UNWANTED = 5

    @property
    def is_refusal(self) -> bool:
        """The message will never be taken."""
        return self in (StatusState.REFUSED_TYPE, StatusState.REFUSED_SIZE, StatusState.REFUSED_UNWANTED)


def voice_type(codec_id: int, codec_version: int) -> int:
    """The type of a voice message; raises LocalProtocolError for a codec that has none (14.3)."""
    bases = {1: 16, 2: 32, 15: 48}
    if codec_id not in bases or not 0 <= codec_version <= 15:
        raise LocalProtocolError(f"no message type for codec {codec_id} version {codec_version}")
    return bases[codec_id] + codec_version


def voice_codec(message_type: int) -> tuple[int, int] | None:
    """Codec id and version of a voice message's type; None for what is no voice."""
    if message_type < 16:
        return None
    return {1: 1, 2: 2, 3: 15}[message_type >> 4], message_type & 0xF


@dataclass(frozen=True, slots=True)
class MessageHead:
    """All that is known of a message beforehand. `total_bytes`: content and its 4 check bytes (14.3)."""

    message_id: int
    source: int
    addressee: Addressee
    destination: int
    message_type: int
    total_bytes: int
    block_bytes: int

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("message id", self.message_id, 0, 0xFFFF_FFFF),
            ("message source", self.source, 0, 0xFFFF),
            ("message destination", self.destination, 0, 0xFFFF if self.addressee is Addressee.STATION else 0xFF),
            ("message type", self.message_type, 1, _TYPE_MASK),
            ("message size", self.total_bytes, CHECK_BYTES + 1, 0xFFFF),
            ("block size", self.block_bytes, MIN_BLOCK_BYTES, MAX_BLOCK_BYTES),
        ):
            if not least <= value <= most:
                raise LocalProtocolError(f"{name} is {value}, needs {least} to {most} (SPEC 14.3)")

    @property
    def key(self) -> tuple[int, int]:
        """What tells messages apart: source and id."""
        return self.source, self.message_id

    @property
    def content_bytes(self) -> int:
        """Bytes of the message itself."""
        return self.total_bytes - CHECK_BYTES

    def to_bytes(self, *, answer_wanted: bool = False) -> bytes:
        """The 13 bytes of an offer's body."""
        control = self.message_type | (_TO_STATION if self.addressee is Addressee.STATION else 0)
        control |= _ANSWER_WANTED if answer_wanted else 0
        place = bytes((self.block_bytes, OFFER_INDEX))
        who = self.source.to_bytes(2, "big") + self.destination.to_bytes(2, "big")
        return (
            self.message_id.to_bytes(4, "big") + place + who + bytes((control,)) + self.total_bytes.to_bytes(2, "big")
        )


@dataclass(frozen=True, slots=True)
class MessageOffer:
    """Describes a message; with `answer_wanted` its receivers send a status now (14.3)."""

    head: MessageHead
    answer_wanted: bool

    def packet(self) -> MessagePacket:
        """As it goes on the air."""
        return MessagePacket(KIND_BLOCK, self.head.to_bytes(answer_wanted=self.answer_wanted))


@dataclass(frozen=True, slots=True)
class MessageBlock:
    """One block: the first of a generation are its data, those after them parity (14.4)."""

    message_id: int
    generation: int
    index: int
    data: bytes

    def __post_init__(self) -> None:
        if not (0 <= self.message_id <= 0xFFFF_FFFF and 0 <= self.generation <= 255 and 0 <= self.index < OFFER_INDEX):
            raise LocalProtocolError(
                f"no block {self.generation}.{self.index} of message {self.message_id} (SPEC 14.4)"
            )
        if not MIN_BLOCK_BYTES <= len(self.data) <= MAX_BLOCK_BYTES:
            raise LocalProtocolError(
                f"block of {len(self.data)} bytes: needs {MIN_BLOCK_BYTES} to {MAX_BLOCK_BYTES} (SPEC 14.4)"
            )

    def packet(self) -> MessagePacket:
        """As it goes on the air."""
        return MessagePacket(
            KIND_BLOCK, self.message_id.to_bytes(4, "big") + bytes((self.generation, self.index)) + self.data
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Blocks of one generation that a receiver asks for, ascending; or, with `onwards`, its only block and all data
    blocks after that to the end of the message."""

    generation: int
    blocks: tuple[int, ...]
    onwards: bool = False

    def __post_init__(self) -> None:
        blocks = self.blocks
        if not 0 <= self.generation <= 255 or not blocks or list(blocks) != sorted(set(blocks)):
            raise LocalProtocolError(f"wanted blocks {blocks} of generation {self.generation}: needs some, ascending")
        if not 0 <= blocks[0] <= blocks[-1] < OFFER_INDEX or (self.onwards and len(blocks) != 1):
            raise LocalProtocolError(f"wanted blocks {blocks}: needs 0 to 254, one for `onwards`")

    def to_bytes(self) -> bytes:
        """Generation, first block, bytes of bitmap (0: onwards), bitmap with the first block in its top bit."""
        first = self.blocks[0]
        size = 0 if self.onwards else (self.blocks[-1] - first) // 8 + 1
        bits = 0 if self.onwards else sum(1 << (8 * size - 1 - (block - first)) for block in self.blocks)
        return bytes((self.generation, first, size)) + bits.to_bytes(size, "big")


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """`source` tells the sender of a message how it stands there; `wanted` only when WANTING, and then some."""

    message_id: int
    source: int
    state: StatusState
    wanted: tuple[Wanted, ...] = ()

    def __post_init__(self) -> None:
        if not (0 <= self.message_id <= 0xFFFF_FFFF and 0 <= self.source <= 0xFFFF):
            raise LocalProtocolError(f"status of message {self.message_id} from {self.source} (SPEC 14.5)")
        if bool(self.wanted) != (self.state is StatusState.WANTING):
            raise LocalProtocolError(f"status {self.state.name} with {len(self.wanted)} entries (SPEC 14.5)")

    def packet(self) -> MessagePacket:
        """As it goes on the air."""
        fixed = self.message_id.to_bytes(4, "big") + self.source.to_bytes(2, "big") + bytes((self.state.value,))
        return MessagePacket(KIND_STATUS, fixed + b"".join(entry.to_bytes() for entry in self.wanted))


Message = MessageOffer | MessageBlock | MessageStatus


def fit_entries(entries: list[Wanted], room_bytes: int) -> tuple[Wanted, ...]:
    """As many of `entries`, in order, as a status packet of `room_bytes` holds; the last one may be shortened."""
    room = room_bytes - STATUS_BYTES
    fitting: list[Wanted] = []
    for entry in entries:
        size = len(entry.to_bytes())
        if size > room:
            span = 8 * (room - _ENTRY_BYTES)
            kept = tuple(block for block in entry.blocks if block - entry.blocks[0] < span)
            if kept:
                fitting.append(Wanted(entry.generation, kept))
            break
        fitting.append(entry)
        room -= size
    return tuple(fitting)


def parse_message(packet: MessagePacket) -> Message | Dropped:
    """The offer, block or status in `packet`, or why there is none. Never raises."""
    return _parse_status(packet.body) if packet.kind == KIND_STATUS else _parse_block(packet.body)


def _parse_block(body: bytes) -> Message | Dropped:
    if len(body) < 6:
        return Dropped(DropReason.BAD_LENGTH, f"message block of {len(body)} bytes, needs its id and place")
    message_id, generation, index = int.from_bytes(body[:4], "big"), body[4], body[5]
    if index != OFFER_INDEX:
        data = body[6:]
        if not MIN_BLOCK_BYTES <= len(data) <= MAX_BLOCK_BYTES:
            return Dropped(DropReason.BAD_LENGTH, f"block of {len(data)} bytes")
        return MessageBlock(message_id, generation, index, data)
    if len(body) != _OFFER_BODY_BYTES:
        return Dropped(DropReason.BAD_LENGTH, f"message offer of {len(body)} bytes, needs {_OFFER_BODY_BYTES}")
    control = body[10]
    try:
        head = MessageHead(
            message_id=message_id,
            source=int.from_bytes(body[6:8], "big"),
            addressee=Addressee.STATION if control & _TO_STATION else Addressee.GROUP,
            destination=int.from_bytes(body[8:10], "big"),
            message_type=control & _TYPE_MASK,
            total_bytes=int.from_bytes(body[11:13], "big"),
            block_bytes=generation,
        )
    except LocalProtocolError as error:
        return Dropped(DropReason.BAD_FIELD, str(error))
    return MessageOffer(head, bool(control & _ANSWER_WANTED))


def _parse_status(body: bytes) -> Message | Dropped:
    fixed = STATUS_BYTES - HEADER_BYTES - 1
    if len(body) < fixed:
        return Dropped(DropReason.BAD_LENGTH, f"message status of {len(body)} bytes, needs at least {fixed}")
    try:
        state = StatusState(body[6])
    except ValueError:
        return Dropped(DropReason.BAD_FIELD, f"message status {body[6]}")
    rest, wanted = body[fixed:], []
    while rest:
        size = rest[2] if len(rest) >= _ENTRY_BYTES else 0
        if len(rest) < _ENTRY_BYTES + size:
            return Dropped(DropReason.BAD_LENGTH, f"{len(rest)} bytes are no list of wanted blocks")
        generation, first = rest[0], rest[1]
        bits = int.from_bytes(rest[_ENTRY_BYTES : _ENTRY_BYTES + size], "big")
        blocks = tuple(
            first + place for place in range(min(8 * size, OFFER_INDEX - first)) if bits >> (8 * size - 1 - place) & 1
        )
        if size == 0 and first < OFFER_INDEX:
            wanted.append(Wanted(generation, (first,), onwards=True))
        elif blocks:
            wanted.append(Wanted(generation, blocks))
        else:
            return Dropped(DropReason.BAD_FIELD, f"no blocks wanted of generation {generation}")
        rest = rest[_ENTRY_BYTES + size :]
    if bool(wanted) != (state is StatusState.WANTING):
        return Dropped(DropReason.BAD_LENGTH, f"message status {state.name} with {len(wanted)} entries")
    return MessageStatus(int.from_bytes(body[:4], "big"), int.from_bytes(body[4:6], "big"), state, tuple(wanted))
