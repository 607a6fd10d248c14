"""Moves buffered messages between spool and link, in the gaps that live voice leaves.

Rule: what a status says is held is on the disk before the status goes out; a disk that fails costs messages, never
voice. Pull model: the station asks `next` for a packet whenever it could send one.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.config import MessagesSection
from gateway.messages.catalogue import Card, Catalogue
from gateway.messages.files import StoredMessage
from gateway.messages.pace import Pace
from gateway.messages.spool import Entry, Folder, Spool, SpoolFull
from gateway.metrics import Metrics
from gateway.protocol.bulk_airtime import block_size
from gateway.protocol.bulk_packets import (
    TYPE_TEXT,
    Addressee,
    Message,
    MessageHead,
    MessageOffer,
    MessageStatus,
    StatusState,
    voice_codec,
)
from gateway.protocol.bulk_receive import Arrived, BlockHeld, BulkReceiver, Event, Opened, ReceiveConfig
from gateway.protocol.bulk_send import Outgoing, Progress, SendState, SendTiming, Wait
from gateway.protocol.packets import FRAME_S, AckPacket, MessagePacket, TextPacket, control_character
from gateway.protocol.text_retry import TextRetry
from gateway.telling import Level, Say

QUIET_S = 1.0
"""After voice, and after packets of others, before a message goes on: they may not be through."""
MAX_TOLD = 1000
MAX_ACKS = 32
SCAN_S = 1.0
EXPIRE_S = 3600.0


P = TypeVar("P", MessagePacket, TextPacket, AckPacket)


@dataclass(frozen=True, slots=True)
class Identity:
    """This station: number, group, which message types it can use, and names by number."""

    station: int
    group: int
    takes: Callable[[int], bool]
    name_of: Callable[[int], str]


class MessageService:
    """All buffered messages of one station."""

    def __init__(
        self,
        section: MessagesSection,
        identity: Identity,
        pace: Pace,
        spool: Spool,
        rng: random.Random,
        metrics: Metrics,
        say: Say,
    ) -> None:
        """Takes the spool for itself; raises GatewayError if another station has it."""
        self._section, self._identity, self._pace, self._spool = section, identity, pace, spool
        self._rng, self._metrics, self._say = rng, metrics, say
        self.catalogue = Catalogue(spool)
        """What is in the spool, for the operator."""
        self._receiver = BulkReceiver(self._receive_config(), rng)
        for line in spool.claim():
            say(line, Level.WARNING)
        for key, state in spool.seen().items():
            self._receiver.finish(key, state)
        for entry in spool.entries([Folder.INBOX]):
            self._receiver.finish(entry.message.head.key)
        self._texts = TextRetry(pace.answer_wait_s(Addressee.STATION), rng)
        self._acks: deque[AckPacket] = deque(maxlen=MAX_ACKS)
        self._outgoing: dict[str, tuple[Entry, Outgoing]] = {}
        self._settled: set[str] = set()
        self._free_s = self._quiet_until_s = self._scan_s = self._expire_s = float("-inf")
        self._told: dict[object, object] = {}

    def use_pace(self, pace: Pace) -> None:
        """The link's figures became known or changed: messages go on by them."""
        if pace == self._pace:
            return
        self._pace = pace
        self._receiver.use_config(self._receive_config())
        self._texts.use_wait(pace.answer_wait_s(Addressee.STATION))
        # Blocks are as long as packets may be, and waits as the link asks for: what is under way is offered anew.
        self._outgoing.clear()
        self._scan_s = float("-inf")

    def _receive_config(self) -> ReceiveConfig:
        identity, pace = self._identity, self._pace
        return ReceiveConfig(identity.station, identity.group, pace.slot_s, pace.status_bytes, identity.takes)

    # Towards the link.

    def next(self, now_s: float, *, voice_is_live: bool) -> MessagePacket | TextPacket | AckPacket | None:
        """A packet to send now, if there is one and the air is free for it."""
        self._spool.tick(now_s)
        if voice_is_live:
            self._quiet_until_s = max(self._quiet_until_s, now_s + QUIET_S)
            return None
        if now_s < self._free_s:
            return None
        self._on_events(self._receiver.work())
        if self._acks:
            return self._leaves(self._acks.popleft(), now_s)
        answer = self._receiver.next(now_s)
        if isinstance(answer, MessageStatus):
            return self._leaves(answer.packet(), now_s) if self._is_safe(answer) else None
        if now_s < self._quiet_until_s:
            return None
        text = self._texts.next(now_s)
        if isinstance(text, TextPacket):
            return self._leaves(text, now_s)
        if text is not None:
            self._say(f"text {text.message_id} was not acknowledged", Level.WARNING)
        try:
            self._housekeeping(now_s)
        except OSError as error:
            self._once("housekeeping", str(error), f"spool: {error.strerror or error}", Level.WARNING)
        for name, (entry, outgoing) in list(self._outgoing.items()):
            packet = outgoing.next(now_s)
            if packet is None:
                self._conclude(name, entry, outgoing)
            elif not isinstance(packet, Wait):
                return self._leaves(packet.packet(), now_s)
            elif outgoing.awaits_answer:
                return None
        return None

    def _leaves(self, packet: P, now_s: float) -> P:
        self._free_s = now_s + self._pace.turnaround_s + self._pace.airtime_s(len(packet.to_bytes(False)))
        self._metrics.count("message.tx_packets")
        return packet

    def _is_safe(self, answer: MessageStatus) -> bool:
        """Whether all that an answer says is held is on the disk; where the disk fails, there is no answer."""
        if answer.state is not StatusState.WANTING:
            return True
        for head in self._receiver.open_heads(answer.message_id):
            try:
                self._spool.sync(head)
            except SpoolFull as full:
                self._pause(head, full)
                return False
        return True

    def _housekeeping(self, now_s: float) -> None:
        if now_s >= self._scan_s:
            self._scan_s = now_s + SCAN_S
            self._scan(now_s)
        if now_s >= self._expire_s:
            self._expire_s = now_s + EXPIRE_S
            for name in self._spool.expire(self._section.max_age_days * 86_400):
                self._say(f"message too old: {name} deleted", Level.WARNING)

    def _scan(self, now_s: float) -> None:
        """Take up what the command line put into the outbox, let go what it took away."""
        names = self._spool.names(Folder.OUTBOX)
        for gone in [name for name in self._outgoing if name not in names]:
            del self._outgoing[gone]
        self._settled &= set(names)
        fresh = [name for name in names if name not in self._outgoing and name not in self._settled]
        entries = {name: self._spool.read(Folder.OUTBOX, name) for name in fresh}
        for name in sorted(fresh, key=lambda new: -1 if (e := entries[new]) is None else e.message.stamps.order):
            entry = entries[name]
            content = None if entry is None else entry.message.content
            if entry is None or content is None:
                if name in self._spool.names(Folder.OUTBOX):
                    self._say(self._spool.set_aside(Folder.OUTBOX, name), Level.WARNING)
                continue
            old = entry.message.head
            head = MessageHead(
                old.message_id,
                old.source,
                old.addressee,
                old.destination,
                old.message_type,
                old.total_bytes,
                block_size(self._pace.room_bytes),
            )
            timing = SendTiming(
                answer_wait_s=self._pace.answer_wait_s(head.addressee),
                give_up_s=self._section.give_up_s,
                parity_share=self._section.parity_share,
            )
            self._outgoing[name] = (entry, Outgoing(head, content, timing, self._rng, now_s))

    def _conclude(self, name: str, entry: Entry, outgoing: Outgoing) -> None:
        head, whom = outgoing.head, self._whom(outgoing.head)
        del self._outgoing[name]
        self._metrics.count(f"message.{outgoing.state.value}")
        folder = Folder.FAILED
        if outgoing.state is SendState.DELIVERED:
            folder = Folder.SENT
            by = "" if head.addressee is Addressee.STATION else f", confirmed by {len(outgoing.confirmed)}"
            self._say(f"message {head.message_id:08x} delivered to {whom}{by}")
        elif outgoing.state is SendState.REFUSED and outgoing.refusal is not None:
            why = outgoing.refusal.name.lower().replace("_", ", ")
            self._say(f"message {head.message_id:08x}: {whom} {why}", Level.WARNING)
        else:
            minutes = self._section.give_up_s / 60
            why = f"no answer from {whom} for {minutes:.0f} min"
            self._say(f"message {head.message_id:08x} not delivered: {why}; kept", Level.WARNING)
        try:
            self._spool.move(entry, folder)
        except OSError as error:
            self._settled.add(name)  # not sent again in this run
            self._say(f"spool: {name} cannot be moved to {folder.value}: {error.strerror or error}", Level.WARNING)

    # From the link.

    def on_message(self, message: Message, now_s: float) -> None:
        """Take a packet of a message, this station's or another's."""
        self._metrics.count("message.rx_packets")
        if isinstance(message, MessageStatus):
            self._hold(now_s, 2)
            for _, outgoing in self._outgoing.values():
                if outgoing.head.message_id == message.message_id:
                    self._quiet_until_s = now_s
                    outgoing.on_status(message, now_s)
                    self._show_sent(outgoing)
        elif isinstance(message, MessageOffer):
            self._hold(now_s, 1)
            if message.answer_wanted:
                wait_s = self._pace.answer_wait_s(message.head.addressee)
                self._quiet_until_s = max(self._quiet_until_s, now_s + wait_s)
            self._on_events(self._receiver.on_offer(message, now_s))
        else:
            self._hold(now_s, 1)
            self._on_events(self._receiver.on_block(message))

    def on_ack_wanted(self, part: TextPacket) -> None:
        """A part of a short text wants an acknowledgement: it gets one, where this station gives them (5.6)."""
        ack = AckPacket(self._identity.station, part.source, part.message_id, part.part)
        if self._section.text_acks and ack not in self._acks:
            self._acks.append(ack)

    def on_ack(self, ack: AckPacket) -> None:
        """Somebody acknowledges a part of a short text, this station's or another's."""
        if ack.destination != self._identity.station:
            return
        fate = self._texts.on_ack(ack)
        if fate is not None:
            self._say(f"text {fate.message_id} is at {self._identity.name_of(ack.source)}")

    def await_acks(self, parts: tuple[TextPacket, ...], now_s: float) -> None:
        """These parts of a short text went out and want acknowledgements: they go again until they have them."""
        self._texts.start(parts, now_s)

    def _hold(self, now_s: float, packets: int) -> None:
        """Others are at it: they go on within `packets` more of the longest."""
        wait_s = packets * (self._pace.airtime_s(self._pace.room_bytes) + self._pace.turnaround_s) + QUIET_S
        self._quiet_until_s = max(self._quiet_until_s, now_s + wait_s * self._rng.uniform(1.0, 1.5))

    def _on_events(self, events: list[Event]) -> None:
        for event in events:
            head = event.head
            if self._receiver.progress(head.key) is None:
                continue  # paused or given up by an event before this one
            try:
                self._keep(event, head)
            except (SpoolFull, OSError) as full:
                self._pause(head, full)

    def _keep(self, event: Event, head: MessageHead) -> None:
        if isinstance(event, Opened):
            stored = self._spool.begin(head)
            if stored is None:
                self._say(f"message {head.message_id:08x} from {self._identity.name_of(head.source)} begins")
            else:
                self._receiver.restore(head, stored.blocks)
        elif isinstance(event, BlockHeld):
            if not self._spool.append(head, event.place, event.data):
                self._receiver.finish(head.key, StatusState.REFUSED_UNWANTED)
                return
            progress = self._receiver.progress(head.key)
            assert progress is not None
            self._show("received", head, progress)
        elif isinstance(event, Arrived):
            self._arrived(head, event.content)
        else:
            self._metrics.count("message.rx_damaged")
            self._spool.clear(head)

    def _arrived(self, head: MessageHead, content: bytes) -> None:
        text = None
        if head.message_type == TYPE_TEXT:
            text = content.decode("utf-8", "replace")
            if control_character(text) is not None or text.encode() != content:
                self._receiver.finish(head.key, StatusState.REFUSED_TYPE)
                return
        self._spool.complete(head, content)
        self._receiver.finish(head.key)
        self._metrics.count("message.arrived")
        who = self._identity.name_of(head.source)
        if text is not None:
            self._say(f"message from {who}: {text}")
        else:
            self._say(
                f"voice message {head.message_id:08x} from {who}: {len(content) // 3 * FRAME_S:.1f} s, l plays it"
            )

    def _pause(self, head: MessageHead, full: Exception) -> None:
        self._receiver.pause(head.key)
        self._metrics.count("message.paused")
        self._once(head.key, str(full), f"message {head.message_id:08x} has to wait: {full}", Level.WARNING)

    # For the operator.

    def queue(self, message_type: int, content: bytes, to: int | None = None) -> None:
        """Send `content` to station `to` (None: the configured station or group); says so, or why not."""
        station = self._identity.station
        to = self._section.to if to is None else to
        head = MessageHead(
            self._rng.getrandbits(32),
            station,
            Addressee.GROUP if to is None else Addressee.STATION,
            self._identity.group if to is None else to,
            message_type,
            len(content) + 4,
            block_size(self._pace.room_bytes),
        )
        try:
            self._spool.queue(head, content)
        except SpoolFull as full:
            self._say(f"message not kept: {full}", Level.REFUSED)
            return
        self._scan_s = float("-inf")
        self._say(f"message {head.message_id:08x} to {self._whom(head)} is in the outbox")

    def last_voice(self) -> StoredMessage | None:
        """The newest voice message that came, whole or in part."""
        for card in self.catalogue.cards():
            if card.folder in (Folder.INBOX, Folder.PARTIAL) and voice_codec(card.head.message_type) is not None:
                return self.stored(card)
        return None

    def stored(self, card: Card) -> StoredMessage | None:
        """The message itself; None if it has gone meanwhile."""
        entry = self._spool.read(card.folder, card.name)
        return None if entry is None else entry.message

    def progress(self, card: Card) -> Progress:
        """Blocks of a message that are where they belong: here, or with its receivers."""
        if card.folder is not Folder.OUTBOX:
            return Progress(card.held, card.total)
        if card.name in self._outgoing:
            return self._outgoing[card.name][1].progress
        held, total = self._spool.progress(card.name) or (0, card.total)
        return Progress(held, total)

    def retry(self, message_id: str) -> None:
        """Send a message again that was given up; says so, or why not."""
        card = self.catalogue.find(message_id, (Folder.FAILED, Folder.OUTBOX))
        entry = None if card is None else self._spool.read(card.folder, card.name)
        if card is None or entry is None:
            self._say(f"message {message_id} not sent again: none of those that failed", Level.REFUSED)
        elif card.folder is Folder.OUTBOX and card.name not in self._settled:
            self._say(f"message {card.message_id} is on its way")
        else:
            try:
                self._spool.move(entry, Folder.OUTBOX)
            except OSError as error:
                self._say(f"message {card.message_id} not sent again: {error.strerror or error}", Level.REFUSED)
                return
            self._settled.discard(card.name)
            self._scan_s = float("-inf")
            self._say(f"message {card.message_id} to {self._whom(card.head)} is in the outbox again")

    def delete(self, message_id: str) -> None:
        """Drop a message, wherever it is; one that is arriving is refused from then on. Says so, or why not."""
        card = self.catalogue.find(message_id)
        entry = None if card is None else self._spool.read(card.folder, card.name)
        if card is None or entry is None:
            self._say(f"message {message_id} not deleted: there is none", Level.REFUSED)
            return
        try:
            self._spool.delete(entry)
        except OSError as error:
            self._say(f"message {card.message_id} not deleted: {error.strerror or error}", Level.REFUSED)
            return
        if card.folder is Folder.PARTIAL:
            self._receiver.finish(card.head.key, StatusState.REFUSED_UNWANTED)
        elif card.folder is Folder.OUTBOX:
            self._outgoing.pop(card.name, None)
        self._say(f"message {card.message_id} deleted")

    def _show_sent(self, outgoing: Outgoing) -> None:
        progress = outgoing.progress
        self._spool.note_progress(outgoing.head, progress.held, progress.total)
        self._show("delivered", outgoing.head, progress)

    def _show(self, what: str, head: MessageHead, progress: Progress) -> None:
        """A line at each quarter on the way."""
        quarter = 4 * progress.held // progress.total
        if 0 < quarter < 4:
            self._once((what, head.key), quarter, f"message {head.message_id:08x}: {25 * quarter} % {what}")

    def _once(self, about: object, news: object, line: str, level: Level = Level.INFO) -> None:
        if self._told.get(about) != news:
            if len(self._told) > MAX_TOLD:
                self._told.clear()
            self._told[about] = news
            self._say(line, level)

    def is_own(self, head: MessageHead) -> bool:
        """Whether this station sends it."""
        return head.source == self._identity.station

    def peer(self, head: MessageHead) -> str:
        """The other side of a message: who sent it or whom it is for."""
        return self._whom(head) if self.is_own(head) else self._identity.name_of(head.source)

    def _whom(self, head: MessageHead) -> str:
        if head.addressee is Addressee.STATION:
            return self._identity.name_of(head.destination)
        return f"group {head.destination}" if head.destination else "everyone"
