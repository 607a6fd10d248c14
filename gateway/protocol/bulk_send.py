"""Sender of one buffered message: asks what is wanted, sends exactly that, asks again (SPEC.md, 14.6).

The rule: pull model, and nothing to remember. What to send follows from the answers of the receivers alone, so that a
sender that was restarted needs only the message itself. `next` is asked whenever the link could take a packet.

Theory of operation
-------------------
ASK: an offer that wants an answer goes out, and for `answer_wait_s` nothing else does. An answer that lists blocks puts
these, and a share of parity blocks with them, into the queue; when the queue has been sent, it asks again. Without an
answer it asks again too: a few times soon, then at doubling intervals up to `backoff_cap_s`. After `give_up_s` and some
questions without any answer it has failed. It is more patient with receivers that have answered before in this run. A
station's answer counts at once; those of a group are gathered until the wait is over.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from gateway.protocol.bulk_code import PARITY_BLOCKS, Place, cut, layout_of, parity
from gateway.protocol.bulk_packets import (
    Addressee,
    MessageBlock,
    MessageHead,
    MessageOffer,
    MessageStatus,
    StatusState,
    Wanted,
)

QUICK_ASKS = 5  # questions before the intervals double, to receivers not heard yet in this run
QUICK_ASKS_KNOWN = 8  # the same to those who have answered before: they are there, and only packets are lost
LEAST_ASKS = 6  # questions without an answer before it gives up, as above
LEAST_ASKS_KNOWN = 16
OFFER_EVERY = 16  # blocks to a group, so that those who missed the question can keep what they hear
QUIET_ASKS = 2  # questions to a group that nobody answers with a wish, before it counts as served


class SendState(Enum):
    """How far a message is."""

    SENDING = "sending"
    DELIVERED = "delivered"
    REFUSED = "refused"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class SendTiming:
    """Times of 14.6. `answer_wait_s`: from the moment the question is handed to the link until all answers are here."""

    answer_wait_s: float
    backoff_cap_s: float = 600.0
    give_up_s: float = 3600.0
    parity_share: float = 0.25
    """Parity blocks for each block asked for."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to send before `until_s`, unless a packet arrives."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Blocks that the receivers do not ask for any more, of all; of a group the one that has least."""

    held: int
    total: int


class Outgoing:
    """One message on its way; `content` without check bytes."""

    def __init__(self, head: MessageHead, content: bytes, timing: SendTiming, rng: random.Random, now_s: float) -> None:
        self.head = head
        self.state = SendState.SENDING
        self.refusal: StatusState | None = None
        self.confirmed: set[int] = set()
        """Stations that have the whole message."""
        self._layout = layout_of(head)
        self._data = cut(head, content)
        self._parity: dict[int, list[bytes]] = {}
        # A random place to begin, so that after a restart other parity blocks go out than before.
        self._next_parity = [rng.randrange(PARITY_BLOCKS) for _ in self._layout.data_blocks]
        self._timing, self._rng = timing, rng
        self._queue: deque[Place] = deque()
        self._since_offer = 0
        self._asked_until_s: float | None = None
        self._ask_s = now_s
        self._heard_s = now_s
        self._unanswered = 0
        self._ever_answered = False
        self._quiet = 0
        self._answered = False
        self._wishes: dict[int, tuple[Wanted, ...]] = {}
        self._held = 0

    @property
    def progress(self) -> Progress:
        """As of the last answer."""
        return Progress(self._held, self._layout.total)

    @property
    def awaits_answer(self) -> bool:
        """A question is out: whoever shares the channel should leave it to the answer."""
        return self._asked_until_s is not None

    def next(self, now_s: float) -> MessageOffer | MessageBlock | Wait | None:
        """The packet to send now, when to ask again, or None when the message is done with."""
        if self._asked_until_s is not None and now_s >= self._asked_until_s:
            self._close_question(now_s)
        if self.state is not SendState.SENDING:
            return None
        if self._asked_until_s is not None:
            return Wait(self._asked_until_s)
        if self._queue:
            self._heard_s = now_s  # silence is counted from the last block, however long all of them took
            return self._block()
        if now_s < self._ask_s:
            return Wait(self._ask_s)
        self._asked_until_s = now_s + self._timing.answer_wait_s
        self._answered = False
        return MessageOffer(self.head, answer_wanted=True)

    def on_status(self, status: MessageStatus, now_s: float) -> None:
        """Take an answer to this message."""
        if self.state is not SendState.SENDING or status.message_id != self.head.message_id:
            return
        to_station = self.head.addressee is Addressee.STATION
        if to_station and status.source != self.head.destination:
            return
        self._heard_s, self._unanswered, self._answered, self._ever_answered = now_s, 0, True, True
        if status.state is StatusState.COMPLETE:
            self.confirmed.add(status.source)
            self._wishes.pop(status.source, None)
            if to_station:
                self._held = self._layout.total
                self.state = SendState.DELIVERED
        elif status.state is StatusState.WANTING:
            # With blocks still queued this is a late copy: what it asks for is on its way.
            if not self._queue:
                self._wishes[status.source] = status.wanted
                most = max(len(self._places(wanted)) for wanted in self._wishes.values())
                self._held = max(0, self._layout.total - most)
                if to_station or self._asked_until_s is None:
                    self._close_question(now_s)
        elif to_station and status.state.is_refusal:
            self.state, self.refusal = SendState.REFUSED, status.state
        elif to_station:
            self._asked_until_s, self._ask_s = None, now_s + self._spread(self._timing.backoff_cap_s)

    def _close_question(self, now_s: float) -> None:
        self._asked_until_s = None
        if self._wishes:
            self._quiet = 0
            self._queue.extend(self._plan())
            self._wishes.clear()
            self._ask_s = now_s
        elif self._answered and self.confirmed:
            self._quiet += 1
            self._ask_s = now_s
            if self._quiet >= QUIET_ASKS:
                self._held, self.state = self._layout.total, SendState.DELIVERED
        elif self._unanswered + 1 >= self._least_asks and now_s - self._heard_s >= self._timing.give_up_s:
            self.state = SendState.GIVEN_UP
        else:
            self._unanswered += 1
            self._ask_s = now_s + self._backoff()

    @property
    def _least_asks(self) -> int:
        return LEAST_ASKS_KNOWN if self._ever_answered else LEAST_ASKS

    def _backoff(self) -> float:
        wait_s = self._timing.answer_wait_s
        slow = self._unanswered - (QUICK_ASKS_KNOWN if self._ever_answered else QUICK_ASKS)
        if slow < 0:
            return self._spread(wait_s / 2)
        # 2 ** 30 answer waits are beyond any cap.
        return self._spread(min(self._timing.backoff_cap_s, wait_s * 2 ** min(30, slow + 1)))

    def _spread(self, longest_s: float) -> float:
        """Half to all of it: two stations that collided once must not do so for ever."""
        return longest_s * self._rng.uniform(0.5, 1.0)

    def _places(self, wanted: Iterable[Wanted]) -> list[Place]:
        """The places that a status asks for, in order; those that the message does not have are left out."""
        places: list[Place] = []
        for entry in wanted:
            if entry.onwards:
                begin = (entry.generation, entry.blocks[0])
                places += [place for place in self._layout.data_places() if place >= begin]
            else:
                places += [(entry.generation, b) for b in entry.blocks if self._layout.holds((entry.generation, b))]
        return list(dict.fromkeys(places))

    def _plan(self) -> list[Place]:
        """What to send for the wishes at hand: their blocks, or, where several ask for different ones, parity."""
        each = [self._places(wanted) for wanted in self._wishes.values()]
        plan: list[Place] = []
        for generation, count in enumerate(self._layout.data_blocks):
            lists = [[place for place in places if place[0] == generation] for places in each]
            most = max(map(len, lists))
            union = sorted(set().union(*lists))
            if not union:
                continue
            if len(union) > most and most <= min(PARITY_BLOCKS, count) // 2:
                blocks = self._take_parity(generation, most)
            else:
                blocks = union
            plan += blocks + self._take_parity(generation, math.ceil(self._timing.parity_share * len(blocks)))
        return list(dict.fromkeys(plan))

    def _take_parity(self, generation: int, count: int) -> list[Place]:
        first, self._next_parity[generation] = self._next_parity[generation], self._next_parity[generation] + count
        data = self._layout.data_blocks[generation]
        return [(generation, data + (first + n) % PARITY_BLOCKS) for n in range(min(count, PARITY_BLOCKS))]

    def _block(self) -> MessageOffer | MessageBlock:
        if self.head.addressee is Addressee.GROUP and self._since_offer >= OFFER_EVERY:
            self._since_offer = 0
            return MessageOffer(self.head, answer_wanted=False)
        self._since_offer += 1
        place = self._queue.popleft()
        return MessageBlock(self.head.message_id, *place, self._bytes(place))

    def _bytes(self, place: Place) -> bytes:
        generation, index = place
        count = self._layout.data_blocks[generation]
        if index < count:
            return self._data[place]
        if generation not in self._parity:
            self._parity[generation] = parity([self._data[generation, n] for n in range(count)])
        return self._parity[generation][index - count]
