"""Reed-Solomon blocks over voice packets, with erasures only (SPEC.md, clause 12.2): both ends.

Rule: the voice packets go out as they are, and what is calculated from parity is a voice packet again, so that nothing
else in the gateway knows of blocks. A byte column of a block is one code word; `reedsolo` does the arithmetic.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from reedsolo import ReedSolomonError, RSCodec

from gateway.protocol.packets import FRAME_BYTES, FRAME_S, SEQUENCES, ParityPacket, VoicePacket

_OVERS = 4  # overs kept apart at the receiver
_BLOCKS = 16  # unfinished blocks kept for each
_WINDOW = SEQUENCES // 2  # packet durations after which a sequence number may stand for another packet


class BlockSender:
    """Groups of k x depth voice packets; after each the parity packets of its `depth` interleaved blocks."""

    def __init__(self, n: int, k: int, depth: int) -> None:
        self._parities, self._group, self._depth = n - k, k * depth, depth
        self._code = RSCodec(n - k)
        self._packets: list[VoicePacket] = []

    def push(self, packet: VoicePacket) -> tuple[VoicePacket | ParityPacket, ...]:
        """Take the over's next packet; what is to be sent now, that packet first."""
        self._packets.append(packet)
        if len(self._packets) < self._group and not packet.end_of_over:
            return (packet,)
        blocks = [self._protect(self._packets[first :: self._depth]) for first in range(self._depth)]
        self._packets = []
        # Row by row, so that parity packets of a block are as far apart on the air as its voice packets.
        rows = (block[row] for row in range(self._parities) for block in blocks if row < len(block))
        return (packet, *rows)

    def _protect(self, members: list[VoicePacket]) -> list[VoicePacket | ParityPacket]:
        if len(members) < 2:
            return list(members)  # nothing, or a packet alone, for which parity would be a longer copy
        size = FRAME_BYTES * len(members[0].frames)
        columns = zip(*(b"".join(packet.frames).ljust(size, b"\0") for packet in members), strict=True)
        words = [self._code.encode(bytes(column))[len(members) :] for column in columns]
        last, first = members[-1], members[0]
        return [
            ParityPacket(
                over_id=first.over_id,
                first=first.sequence,
                members=len(members),
                depth=self._depth,
                parities=self._parities,
                row=row,
                last_frames=len(last.frames) if last.end_of_over else None,
                data=bytes(word[row] for word in words),
            )
            for row in range(min(self._parities, len(members)))
        ]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What all parity packets of a block agree on."""

    first: int
    members: int
    depth: int
    parities: int
    last_frames: int | None
    size: int

    def sequences(self) -> list[int]:
        return [(self.first + place * self.depth) % SEQUENCES for place in range(self.members)]

    def frames(self, place: int) -> int:
        """How many frames the member at this place holds."""
        is_last = place == self.members - 1 and self.last_frames is not None
        return self.last_frames if is_last and self.last_frames is not None else self.size // FRAME_BYTES


@dataclass(slots=True)
class _Over:
    """Voice packets of one over id by sequence number, and parity by block, each with the time it came."""

    voice: dict[int, tuple[tuple[bytes, ...], float]] = field(default_factory=dict)
    blocks: OrderedDict[_Shape, tuple[dict[int, bytes], float]] = field(default_factory=OrderedDict)
    keep_s: float = 0.0


class BlockReceiver:
    """Voice and parity packets in, in any order; lost voice packets out as soon as they can be calculated.

    Never raises on what it is given; memory is bounded.
    """

    def __init__(self) -> None:
        self._overs: OrderedDict[int, _Over] = OrderedDict()
        self._codes: dict[int, RSCodec] = {}

    def on_voice(self, packet: VoicePacket, now_s: float) -> tuple[VoicePacket, ...]:
        """Note a voice packet of the over that is followed; the lost ones that it makes known."""
        over = self._over(packet.over_id, len(packet.frames), now_s)
        over.voice[packet.sequence] = packet.frames, now_s
        waiting = [shape for shape in over.blocks if packet.sequence in shape.sequences()]
        return tuple(lost for shape in waiting for lost in self._solve(packet.over_id, over, shape, now_s))

    def on_parity(self, parity: ParityPacket, now_s: float) -> tuple[VoicePacket, ...]:
        """Take a parity packet; the lost voice packets that it makes known."""
        size = len(parity.data)
        over = self._over(parity.over_id, size // FRAME_BYTES, now_s)
        shape = _Shape(parity.first, parity.members, parity.depth, parity.parities, parity.last_frames, size)
        rows, _ = over.blocks.setdefault(shape, ({}, now_s))
        rows[parity.row] = parity.data
        if len(over.blocks) > _BLOCKS:
            over.blocks.popitem(last=False)
        return tuple(self._solve(parity.over_id, over, shape, now_s))

    def _over(self, over_id: int, frames: int, now_s: float) -> _Over:
        """The over of this id, without what is so old that its number may mean another packet by now."""
        over = self._overs.setdefault(over_id, _Over())
        self._overs.move_to_end(over_id)
        if len(self._overs) > _OVERS:
            self._overs.popitem(last=False)
        over.keep_s = max(over.keep_s, _WINDOW * FRAME_S * frames)
        since_s = now_s - over.keep_s
        over.voice = {number: held for number, held in over.voice.items() if held[1] > since_s}
        for shape in [shape for shape, held in over.blocks.items() if held[1] <= since_s]:
            del over.blocks[shape]
        return over

    def _solve(self, over_id: int, over: _Over, shape: _Shape, now_s: float) -> Iterator[VoicePacket]:
        rows, _ = over.blocks[shape]
        sequences = shape.sequences()
        held = [over.voice[number][0] if number in over.voice else None for number in sequences]
        missing = [place for place, frames in enumerate(held) if frames is None]
        if len(missing) > len(rows):
            return
        if not missing:
            del over.blocks[shape]
            return
        if any(frames is not None and len(frames) != shape.frames(place) for place, frames in enumerate(held)):
            return
        symbols = [b"".join(frames or ()).ljust(shape.size, b"\0") for frames in held]
        found = self._calculate(symbols, missing, rows, shape)
        del over.blocks[shape]
        for place in missing if found else ():
            count = shape.frames(place)
            data = bytes(word[place] for word in found)
            frames = tuple(data[at : at + FRAME_BYTES] for at in range(0, FRAME_BYTES * count, FRAME_BYTES))
            if any(data[FRAME_BYTES * count :]):
                continue  # the filling of a short packet is 0: these packets do not belong together
            ends = place == shape.members - 1 and shape.last_frames is not None
            over.voice[sequences[place]] = frames, now_s
            yield VoicePacket(over_id, sequences[place], ends, frames)

    def _calculate(
        self, symbols: list[bytes], missing: list[int], rows: dict[int, bytes], shape: _Shape
    ) -> list[bytes]:
        """Code words by column; [] where packets do not belong together."""
        if shape.parities not in self._codes:
            self._codes[shape.parities] = RSCodec(shape.parities)
        code = self._codes[shape.parities]
        erased = missing + [shape.members + row for row in range(shape.parities) if row not in rows]
        symbols = symbols + [rows.get(row, bytes(shape.size)) for row in range(shape.parities)]
        try:
            return [
                bytes(code.decode(bytes(column), erase_pos=erased, only_erasures=True)[0])
                for column in zip(*symbols, strict=True)
            ]
        except ReedSolomonError:
            return []
