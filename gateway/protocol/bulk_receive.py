"""Receiver of buffered messages: gathers blocks, answers questions, gives whole messages (SPEC.md, 14.7).

The rule: it speaks only when asked, and what it says it holds has first been handed out as an event, so that the caller
can have it on disk before the answer goes. Memory is bounded by count and size.

The caller carries out the events in order: `Opened`, `BlockHeld` and `Cleared` are to be kept, `Arrived` to be stored
and then confirmed by `finish`. What cannot be stored it says by `pause` (no room now).
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.protocol.bulk_code import Layout, Place, Restoration, join, layout_of
from gateway.protocol.bulk_packets import (
    MAX_CONTENT_BYTES,
    Addressee,
    MessageBlock,
    MessageHead,
    MessageOffer,
    MessageStatus,
    StatusState,
    Wanted,
    fit_entries,
)
from gateway.protocol.bulk_send import Progress, Wait

ANSWER_SLOTS = 4  # of a group; a station addressed by its number answers at once
MAX_OPEN = 8  # messages held in memory
MAX_STASHED = 128
COLUMNS_A_STEP = 16  # byte places restored at one call of `work`
MAX_REMEMBERED = 4096
Key = tuple[int, int]
"""Source and message id."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A message for this station begins, or begins anew with another block size: nothing of it is held."""

    head: MessageHead


@dataclass(frozen=True, slots=True)
class BlockHeld:
    """A block that was not held before."""

    head: MessageHead
    place: Place
    data: bytes


@dataclass(frozen=True, slots=True)
class Cleared:
    """The blocks did not make the message that its check bytes promise: all were dropped and are asked for again."""

    head: MessageHead


@dataclass(frozen=True, slots=True)
class Arrived:
    """The whole message, bit for bit; to be confirmed by `finish` once it is stored."""

    head: MessageHead
    content: bytes


Event = Opened | BlockHeld | Cleared | Arrived


@dataclass(frozen=True, slots=True)
class ReceiveConfig:
    """Who this station is, which types it takes, and its times (14.7)."""

    station: int
    group: int
    slot_s: float
    """How long one station's answer to a group takes, turn-around included."""
    room_bytes: int
    """Longest packet, without checksum and tag."""
    takes: Callable[[int], bool]
    """Whether messages of a type are of use here."""
    max_content_bytes: int = MAX_CONTENT_BYTES


@dataclass(slots=True)
class _Incoming:
    head: MessageHead
    layout: Layout
    lacking: list[int]
    """Blocks of each generation still needed, whichever they are."""
    blocks: dict[Place, bytes] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)
    """Generations of which all data blocks are here, heard or restored."""
    restoring: tuple[int, Restoration] | None = None

    @classmethod
    def of(cls, head: MessageHead) -> _Incoming:
        layout = layout_of(head)
        return cls(head, layout, list(layout.data_blocks))

    @property
    def lacks(self) -> int:
        return sum(self.lacking)

    def add(self, place: Place, data: bytes) -> bool:
        """Take a block; False if it is of no use."""
        fits = len(data) == self.head.block_bytes and self.layout.holds(place)
        if not fits or place in self.blocks or not self.lacking[place[0]]:
            return False
        self.blocks[place] = data
        self.lacking[place[0]] -= 1
        return True

    def clear(self) -> None:
        self.blocks.clear()
        self.whole.clear()
        self.restoring = None
        self.lacking = list(self.layout.data_blocks)

    def work(self) -> Event | None:
        """A little of what is to be done with generations that have enough blocks; the message when all is done."""
        if self.restoring is None and not self._begin_restoring():
            if self.lacks:
                return None
            content = join(self.head, self.blocks)
            return self._spoilt() if content is None else Arrived(self.head, content)
        assert self.restoring is not None
        generation, restoration = self.restoring
        if restoration.step(COLUMNS_A_STEP):
            if restoration.failed:
                return self._spoilt()
            self.blocks.update({(generation, n): data for n, data in enumerate(restoration.blocks())})
            self.whole.add(generation)
            self.restoring = None
        return None

    def _begin_restoring(self) -> bool:
        for generation, count in enumerate(self.layout.data_blocks):
            if self.lacking[generation] or generation in self.whole:
                continue
            held = {index: data for (g, index), data in self.blocks.items() if g == generation}
            if all(index in held for index in range(count)):
                self.whole.add(generation)
            else:
                self.restoring = generation, Restoration(count, held)
                return True
        return False

    def _spoilt(self) -> Cleared:
        self.clear()
        return Cleared(self.head)

    def wanted(self) -> list[Wanted]:
        """Of each generation as many missing data blocks as it needs, then everything behind the last block heard."""
        counts = self.layout.data_blocks
        end = (len(counts), 0)  # first place behind all that was heard
        last = max(self.blocks, default=(0, -1))
        tail = (last[0], last[1] + 1) if last[1] + 1 < counts[last[0]] else (last[0] + 1, 0)
        entries = []
        for generation, count in enumerate(counts):
            until = count if generation < tail[0] else tail[1] if generation == tail[0] else 0
            missing = [index for index in range(until) if (generation, index) not in self.blocks]
            missing = missing[: self.lacking[generation]]
            if missing:
                entries.append(Wanted(generation, tuple(missing)))
        if tail < end:
            entries.append(Wanted(tail[0], (tail[1],), onwards=True))
        return entries


class BulkReceiver:
    """All messages coming in at one station."""

    def __init__(self, config: ReceiveConfig, rng: random.Random) -> None:
        self._config, self._rng = config, rng
        self._open: dict[Key, _Incoming] = {}
        self._done: OrderedDict[Key, StatusState] = OrderedDict()
        self._paused: set[Key] = set()
        self._stash: OrderedDict[tuple[int, Place], MessageBlock] = OrderedDict()
        self._answers: dict[Key, float] = {}
        self.ignored = 0
        """Blocks that were of no use: of messages unknown here, repeated, or of a wrong size."""

    def use_config(self, config: ReceiveConfig) -> None:
        """Other times or another room from now on, as the link's figures became known."""
        self._config = config

    def restore(self, head: MessageHead, blocks: Mapping[Place, bytes]) -> None:
        """Go on with a message of which `blocks` were kept from before."""
        incoming = self._open.get(head.key)
        if incoming is None or incoming.head != head:
            incoming = self._open[head.key] = _Incoming.of(head)
        for place, data in blocks.items():
            incoming.add(place, data)

    def finish(self, key: Key, state: StatusState = StatusState.COMPLETE) -> None:
        """The message is stored (or, with a refusal, will never be taken): this is the answer from now on."""
        self._open.pop(key, None)
        self._paused.discard(key)
        self._done[key] = state
        self._done.move_to_end(key)
        while len(self._done) > MAX_REMEMBERED:
            self._done.popitem(last=False)

    def pause(self, key: Key) -> None:
        """There is no room for the message: say so, and begin it again (`Opened`) at its next offer."""
        self._open.pop(key, None)
        self._paused.add(key)

    def open_heads(self, message_id: int) -> list[MessageHead]:
        """Messages of this id that are coming in: one, but for a rare coincidence."""
        return [incoming.head for incoming in self._open.values() if incoming.head.message_id == message_id]

    def progress(self, key: Key) -> Progress | None:
        """Blocks held of those needed; None for a message that is not coming in."""
        incoming = self._open.get(key)
        return None if incoming is None else Progress(incoming.layout.total - incoming.lacks, incoming.layout.total)

    def on_offer(self, offer: MessageOffer, now_s: float) -> list[Event]:
        """Take an offer; if it asks and is for this station, an answer becomes due."""
        head, key = offer.head, offer.head.key
        if not self._is_for_us(head):
            return []
        events: list[Event] = []
        if key not in self._done:
            if not self._config.takes(head.message_type):
                self.finish(key, StatusState.REFUSED_TYPE)
            elif head.content_bytes > self._config.max_content_bytes:
                self.finish(key, StatusState.REFUSED_SIZE)
            elif key not in self._open or self._open[key].head != head:
                events = self._begin(head)
        if offer.answer_wanted:
            slots = 1 if head.addressee is Addressee.STATION else ANSWER_SLOTS
            self._answers[key] = now_s + self._config.slot_s * self._rng.randrange(slots)
        return events

    def on_block(self, block: MessageBlock) -> list[Event]:
        """Take a block; of a message whose offer was not heard yet it is kept for a while."""
        place = (block.generation, block.index)
        for incoming in self._open.values():
            head = incoming.head
            if head.message_id != block.message_id or not incoming.add(place, block.data):
                continue
            self._open[head.key] = self._open.pop(head.key)
            return [BlockHeld(head, place, block.data)]
        self.ignored += 1
        if all(message_id != block.message_id for _, message_id in [*self._open, *self._done]):
            self._stash[block.message_id, place] = block
            if len(self._stash) > MAX_STASHED:
                self._stash.popitem(last=False)
        return []

    def work(self) -> list[Event]:
        """Put together what has enough blocks, a little at each call: some 20 ms of arithmetic at the most."""
        events = (incoming.work() for incoming in self._open.values())
        return [event for event in events if event is not None]

    def next(self, now_s: float) -> MessageStatus | Wait | None:
        """The answer to send now, when one is due, or None; call `work` first."""
        if not self._answers:
            return None
        key = min(self._answers, key=lambda known: self._answers[known])
        if self._answers[key] > now_s:
            return Wait(self._answers[key])
        if key in self._open and not self._open[key].lacks:
            return Wait(now_s)  # enough is here: `work` will tell whether it is the message
        del self._answers[key]
        return self._status(key)

    def _status(self, key: Key) -> MessageStatus:
        station, message_id = self._config.station, key[1]
        if key in self._done:
            return MessageStatus(message_id, station, self._done[key])
        incoming = self._open.get(key)
        wanted = () if incoming is None else fit_entries(incoming.wanted(), self._config.room_bytes)
        state = StatusState.WANTING if wanted else StatusState.PAUSED
        return MessageStatus(message_id, station, state, wanted)

    def _is_for_us(self, head: MessageHead) -> bool:
        if head.source == self._config.station:
            return False
        if head.addressee is Addressee.STATION:
            return head.destination == self._config.station
        return head.destination in (0, self._config.group)

    def _begin(self, head: MessageHead) -> list[Event]:
        if head.key not in self._open and len(self._open) >= MAX_OPEN:
            # The one not heard for longest: the caller has its blocks, and gives them back by `restore`.
            del self._open[next(iter(self._open))]
        self._paused.discard(head.key)
        self._open[head.key] = _Incoming.of(head)
        events: list[Event] = [Opened(head)]
        for stashed in [known for known in self._stash if known[0] == head.message_id]:
            events += self.on_block(self._stash.pop(stashed))
        return events
