"""A message as blocks that survive loss: cut into generations, Reed-Solomon parity, whole again (SPEC.md, 14.4).

The rule: linear and stateless. Which blocks a message has follows from its head alone; any k of a generation's blocks
give its k data blocks back. The arithmetic of the code is the `reedsolo` library's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

from reedsolo import ReedSolomonError, RSCodec

from gateway.protocol.bulk_packets import CHECK_BYTES, MAX_BLOCK_BYTES, Addressee, MessageHead

PARITY_BLOCKS = 32  # of every generation; few of them are ever sent
MAX_DATA_BLOCKS = 96  # of a generation

Place = tuple[int, int]
"""Generation and index of a block."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a message of given sizes is cut: the number of data blocks of each generation."""

    data_blocks: tuple[int, ...]

    @property
    def total(self) -> int:
        """Data blocks of the whole message."""
        return sum(self.data_blocks)

    def holds(self, place: Place) -> bool:
        """Whether the message has such a block, data or parity."""
        generation, index = place
        return generation < len(self.data_blocks) and index < self.data_blocks[generation] + PARITY_BLOCKS

    def data_places(self) -> list[Place]:
        """Places of all data blocks in the order of the content."""
        return [(g, index) for g, count in enumerate(self.data_blocks) for index in range(count)]


def layout_of(head: MessageHead) -> Layout:
    """As few generations as 96 data blocks each allow, as equal as can be, the longer ones first (14.4)."""
    blocks = math.ceil(head.total_bytes / head.block_bytes)
    count = math.ceil(blocks / MAX_DATA_BLOCKS)
    base, longer = divmod(blocks, count)
    return Layout(tuple(base + (generation < longer) for generation in range(count)))


def checksum(head: MessageHead, content: bytes) -> bytes:
    """CRC-32 (as in zlib) over id, source, destination, control byte without its bit 6, and content (14.3)."""
    control = head.message_type | (0x80 if head.addressee is Addressee.STATION else 0)
    who = head.message_id.to_bytes(4, "big") + head.source.to_bytes(2, "big") + head.destination.to_bytes(2, "big")
    return crc32(content, crc32(who + bytes((control,)))).to_bytes(CHECK_BYTES, "big")


def cut(head: MessageHead, content: bytes) -> dict[Place, bytes]:
    """The data blocks of `content`, check bytes and zero padding included."""
    layout = layout_of(head)
    whole = (content + checksum(head, content)).ljust(layout.total * head.block_bytes, b"\0")
    size = head.block_bytes
    return {place: whole[n * size : (n + 1) * size] for n, place in enumerate(layout.data_places())}


def parity(data: list[bytes]) -> list[bytes]:
    """The 32 parity blocks of one generation's data blocks (all of one size)."""
    code = _code()
    columns = [bytes(code.encode(bytes(column))[len(data) :]) for column in zip(*data, strict=True)]
    return [bytes(block) for block in zip(*columns, strict=True)]


class Restoration:
    """The data blocks of one generation from any `count` of its blocks, in steps that each take little time."""

    def __init__(self, count: int, held: Mapping[int, bytes]) -> None:
        """`held`: blocks by index, all of one size."""
        total = count + PARITY_BLOCKS
        self._missing = [index for index in range(total) if index not in held]
        self.failed = len(self._missing) > PARITY_BLOCKS
        """They are too few, or contradict each other."""
        blank = b"" if not held else bytes(len(next(iter(held.values()))))
        rows = [held.get(index, blank) for index in range(total)]
        self._columns = [bytes(column) for column in zip(*rows, strict=True)] if not self.failed else []
        self._done: list[bytes] = []

    def step(self, columns: int) -> bool:
        """Work on so many byte places more, about 1 ms each; True when there is nothing left to do."""
        for column in self._columns[len(self._done) : len(self._done) + columns]:
            try:
                self._done.append(bytes(_code().decode(column, erase_pos=self._missing, only_erasures=True)[0]))
            except ReedSolomonError:
                self.failed = True
        return self.failed or len(self._done) == len(self._columns)

    def blocks(self) -> list[bytes]:
        """The data blocks, once `step` has said True and unless `failed`."""
        return [bytes(block) for block in zip(*self._done, strict=True)]


def restore(count: int, held: Mapping[int, bytes]) -> list[bytes] | None:
    """The `count` data blocks of a generation from those `held` by index; None if they are too few or contradict."""
    if all(index in held for index in range(count)):
        return [held[index] for index in range(count)]
    whole = Restoration(count, held)
    while not whole.step(MAX_BLOCK_BYTES):
        pass
    return None if whole.failed else whole.blocks()


def join(head: MessageHead, held: Mapping[Place, bytes]) -> bytes | None:
    """The content from enough blocks of every generation; None if they are too few or the check does not fit."""
    parts: list[bytes] = []
    for generation, count in enumerate(layout_of(head).data_blocks):
        data = restore(count, {index: block for (g, index), block in held.items() if g == generation})
        if data is None:
            return None
        parts += data
    whole = b"".join(parts)[: head.total_bytes]
    content = whole[:-CHECK_BYTES]
    return content if whole[-CHECK_BYTES:] == checksum(head, content) else None


def pieces(head: MessageHead, held: Mapping[Place, bytes], piece_bytes: int) -> list[bytes | None]:
    """The content in pieces of `piece_bytes`, None where a block of it is missing: what can be had of a part."""
    layout = layout_of(head)
    blocks: list[bytes | None] = []
    for generation, count in enumerate(layout.data_blocks):
        own = {index: block for (g, index), block in held.items() if g == generation}
        whole = restore(count, own) if own else None
        blocks += whole if whole is not None else [own.get(index) for index in range(count)]
    known = b"".join((b"\1" if block is not None else b"\0") * head.block_bytes for block in blocks)
    data = b"".join(block if block is not None else bytes(head.block_bytes) for block in blocks)
    return [
        data[at : at + piece_bytes] if 0 not in known[at : at + piece_bytes] else None
        for at in range(0, head.content_bytes - piece_bytes + 1, piece_bytes)
    ]


@lru_cache(maxsize=1)
def _code() -> RSCodec:
    """GF(2^8) by 0x11D, generator element 2, first consecutive root 2^0, shortened from 255 (14.4)."""
    return RSCodec(PARITY_BLOCKS, nsize=255, fcr=0, prim=0x11D, generator=2)
