"""The file of one message: a head and records of one block each, every one with its own check.

It stays on this machine and is no part of the air protocol.

Rule: reading never raises for what is in the file. A torn or damaged record costs that block and no other; only a
damaged head makes a file useless (None).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

from gateway.protocol.bulk_code import Place, cut, join, layout_of
from gateway.protocol.bulk_packets import Addressee, MessageHead, MessageOffer, parse_message
from gateway.protocol.packets import MessagePacket
from gateway.protocol.parse import Dropped

MAGIC = b"\x89CLM\r\n\x1a\n"
FILE_VERSION = 1
LOCAL_BLOCK_BYTES = 240
"""Block size of a message that has not been on a link yet; the station cuts it as its link needs."""
_OFFER_BYTES = 13
HEAD_BYTES = len(MAGIC) + 1 + _OFFER_BYTES + 4 + 4 + 8 + 4
_CHECK_BYTES = 4


@dataclass(frozen=True, slots=True)
class Stamps:
    """When a message came into the spool: the spool's running time, which its age counts by; its number in the order of
    coming; and the wall clock, which is shown and never reckoned with, for clocks jump."""

    spool_s: int
    order: int
    wall_s: int


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message file as read: whatever blocks of it are good."""

    head: MessageHead
    stamps: Stamps
    blocks: Mapping[Place, bytes]
    good_bytes: int
    """Length of the file up to its last whole record: what follows is torn."""
    damaged_records: int

    @property
    def content(self) -> bytes | None:
        """The message if it is all there."""
        return join(self.head, self.blocks)

    @property
    def held(self) -> int:
        """Blocks of use, of `total`."""
        counts = layout_of(self.head).data_blocks
        return sum(min(count, sum(g == n for g, _ in self.blocks)) for n, count in enumerate(counts))

    @property
    def total(self) -> int:
        """Data blocks of the message."""
        return layout_of(self.head).total


def name_of(head: MessageHead) -> str:
    """File name of a message: it tells source and id."""
    return f"{head.source:04x}-{head.message_id:08x}.msg"


def head_bytes(head: MessageHead, stamps: Stamps) -> bytes:
    """Magic, file version, the 13 bytes of the offer, running time u32, order u32, wall clock u64, CRC-32."""
    times = stamps.spool_s.to_bytes(4, "big") + stamps.order.to_bytes(4, "big") + stamps.wall_s.to_bytes(8, "big")
    fixed = MAGIC + bytes((FILE_VERSION,)) + head.to_bytes() + times
    return fixed + crc32(fixed).to_bytes(_CHECK_BYTES, "big")


def record_bytes(head: MessageHead, place: Place, data: bytes) -> bytes:
    """Generation, index, the block, CRC-32 over the message's id and these."""
    fixed = bytes(place) + data
    return fixed + _record_check(head, fixed)


def whole_file(head: MessageHead, stamps: Stamps, content: bytes) -> bytes:
    """The file of a complete message: its data blocks."""
    records = (record_bytes(head, place, data) for place, data in cut(head, content).items())
    return head_bytes(head, stamps) + b"".join(records)


def file_bytes(head: MessageHead) -> int:
    """Length of the file of a complete message."""
    return HEAD_BYTES + layout_of(head).total * (2 + head.block_bytes + _CHECK_BYTES)


def read_file(data: bytes) -> StoredMessage | None:
    """What is good of a message file; None if its head is not."""
    fixed, check = data[: HEAD_BYTES - _CHECK_BYTES], data[HEAD_BYTES - _CHECK_BYTES : HEAD_BYTES]
    if len(data) < HEAD_BYTES or crc32(fixed).to_bytes(_CHECK_BYTES, "big") != check:
        return None
    if not fixed.startswith(MAGIC) or fixed[len(MAGIC)] != FILE_VERSION:
        return None
    at = len(MAGIC) + 1
    offer = parse_message(MessagePacket(5, fixed[at : at + _OFFER_BYTES]))
    if isinstance(offer, Dropped) or not isinstance(offer, MessageOffer):
        return None
    head = offer.head
    at += _OFFER_BYTES
    spool_s, order, wall_s = (int.from_bytes(fixed[at + a : at + b], "big") for a, b in ((0, 4), (4, 8), (8, 16)))
    stamps = Stamps(spool_s, order, wall_s)
    size = 2 + head.block_bytes + _CHECK_BYTES
    whole = (len(data) - HEAD_BYTES) // size * size + HEAD_BYTES
    layout, blocks, damaged = layout_of(head), dict[Place, bytes](), 0
    for start in range(HEAD_BYTES, whole, size):
        record = data[start : start + size - _CHECK_BYTES]
        place = (record[0], record[1])
        if _record_check(head, record) == data[start + size - _CHECK_BYTES : start + size] and layout.holds(place):
            blocks[place] = record[2:]
        else:
            damaged += 1
    return StoredMessage(head, stamps, blocks, whole, damaged)


def local_head(
    message_id: int, source: int, addressee: Addressee, destination: int, message_type: int, content: bytes
) -> MessageHead:
    """Head of a message that has not been on a link yet."""
    return MessageHead(message_id, source, addressee, destination, message_type, len(content) + 4, LOCAL_BLOCK_BYTES)


def _record_check(head: MessageHead, fixed: bytes) -> bytes:
    return crc32(fixed, head.message_id).to_bytes(_CHECK_BYTES, "big")
