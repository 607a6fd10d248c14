"""What leaves a station: its overs, the packets between them, short texts.

Rule: asks nobody whether the air is free; the station does, and calls. What the link does not take is counted and told,
never an exception.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from gateway.clock import Clock
from gateway.config import StationConfig
from gateway.errors import LocalProtocolError, SecurityError
from gateway.heard_over import Pcm
from gateway.memory import give_back
from gateway.metrics import Metrics
from gateway.protocol.messages import split_text
from gateway.protocol.packets import MAX_TEXT_BYTES, Packet
from gateway.recording import Recorder
from gateway.station.adaptation import LinkCare, change_line
from gateway.station.board import StationBoard
from gateway.station.delay import ComputingMeter
from gateway.station.link_keeper import LinkKeeper
from gateway.station.mailbox import Mailbox
from gateway.telling import Level, Say
from gateway.transmit import Transmitter

FIRST_REPORT_S = 0.3
"""After an over no report comes sooner (15.4)."""


class Outgoing:
    """One station's; for its media thread."""

    def __init__(
        self,
        config: StationConfig,
        transmitter: Transmitter,
        link: LinkKeeper,
        clock: Clock,
        metrics: Metrics,
        say: Say,
        board: StationBoard,
        computing: ComputingMeter,
        care: LinkCare,
        mailbox: Mailbox | None,
        recorder: Recorder | None,
        rng: random.Random,
    ) -> None:
        """`rng` draws the first id of short texts, which must not be those sent before a restart."""
        self._config, self._transmitter, self._link = config, transmitter, link
        self._clock, self._metrics, self._say = clock, metrics, say
        self._board, self._computing = board, computing
        self._care, self._mailbox, self._recorder = care, mailbox, recorder
        self._text_id = rng.randrange(256)
        self._reports_until_s = float("-inf")

    def begin_over(self, ids_in_use: frozenset[int]) -> None:
        """An over begins, under none of the ids that others use. Where its packets cannot be made safe it has no
        speech: that stays here, and the operator is told."""
        choice = self._care.next_over()
        try:
            if choice is None:
                self._transmitter.start(avoid_ids=ids_in_use)
            else:
                self._transmitter.start(choice.rung.frames_per_packet, ids_in_use, choice.rung.level.guard)
        except SecurityError as error:
            self._metrics.count("tx.dropped.no_counter")
            self._say(f"not talking: {error}", Level.REFUSED)
            return
        if choice is not None:
            self._care.over_sent(self._transmitter.over_id)
            if choice.is_news:
                self._say(change_line(choice))
        if self._recorder is not None:
            self._recorder.said_begins(self._transmitter.over_id)
        self._board.own_over_begins()
        self._say("talking")

    @property
    def is_in_over(self) -> bool:
        """Whether speech given now goes on the air."""
        return self._transmitter.active

    def speak(self, pcm: Pcm) -> None:
        """Speech (samples,) of the over."""
        if self._recorder is not None:
            self._recorder.said(pcm)
        began_s = self._clock.now()
        packets = self._transmitter.push(pcm)
        if packets:
            self._computing.encoded(self._clock.now() - began_s)
        self._send(packets)

    def end_over(self) -> None:
        """The over ends, if there is one."""
        if not self._transmitter.active:
            return
        self._send(self._transmitter.finish())
        give_back()
        if self._recorder is not None:
            self._recorder.said_ends()
        self._board.own_over_ends()
        self._say("over sent")
        section = self._config.adaptation
        if section.mode == "on":
            self._reports_until_s = self._clock.now() + FIRST_REPORT_S + section.report_spread_s

    def report(self, *, air_is_busy: bool) -> None:
        """The report on another's over, if one is due and the air is free."""
        report = self._care.report_due(self._clock.now(), air_is_busy or not self._link.is_ready)
        if report is not None:
            self.send_packets([report])

    def message(self, *, voice_is_live: bool) -> None:
        """One packet of a buffered message, if there is any to send; live voice goes first."""
        if self._mailbox is None or not self._link.is_ready:
            return
        now = self._clock.now()
        # The time after one's own over belongs to the reports on it (15.4).
        packet = self._mailbox.next(now, voice_is_live=voice_is_live or now < self._reports_until_s)
        if packet is not None:
            self.send_packets([packet])

    def text(self, text: str, to: int | None = None) -> None:
        """A text for station `to` (None: for all): as short packets now, or as a message where it is long, for one
        station alone, or there is no link."""
        station, has_link = self._config.station, self._link.is_up
        if self._mailbox is not None and (to is not None or not has_link or len(text.encode()) > MAX_TEXT_BYTES):
            self._mailbox.send_text(text, to)
            return
        if not has_link:
            self._say("message not sent: no link", Level.REFUSED)
            return
        if to is not None:
            # A short text goes to the whole group (clause 6): whom it is for stands in it.
            text = f"@{self._config.net.name_of(to)} {text}"
        asks_acks = self._mailbox is not None and self._mailbox.asks_acks
        try:
            packets = split_text(
                text,
                source=station.id,
                group=station.group,
                message_id=self._text_id,
                ack_wanted=asks_acks,
                max_bytes=min(MAX_TEXT_BYTES, self._transmitter.carriage.room_bytes(self._link.info.mtu_bytes) - 8),
            )
        except LocalProtocolError as error:
            self._say(f"message not sent: {error}", Level.REFUSED)
            return
        self._text_id = (self._text_id + 1) % 256
        if not self.send_packets(packets):
            return
        if self._mailbox is not None and asks_acks:
            self._mailbox.await_acks(packets, self._clock.now())
        self._board.text("out", f"group {station.group}", text, "sent")
        self._say(f"message sent: {text}")

    def send_packets(self, packets: Sequence[Packet]) -> bool:
        """Packets that are not voice, sealed in the order in which they leave; False where they cannot be made safe."""
        try:
            self._send([self._transmitter.on_air(packet) for packet in packets])
        except SecurityError as error:
            self._metrics.count("tx.dropped.no_counter")
            self._say(f"message not sent: {error}", Level.REFUSED)
            return False
        return True

    def _send(self, packets: list[bytes]) -> None:
        for packet in self._link.send(packets):
            self._board.sent(len(packet), self._link.info.airtime_s(len(packet)))
