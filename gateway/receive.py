"""Link to speaker: packets in, PCM out. Read `on_packet` and `play` to follow speech off the air.

Rule: nothing that arrives raises; what cannot be used becomes a counter. One decoder and one jitter buffer per over;
overs are played one after the other, so that a quick answer does not cut off the end of what it answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from gateway.codec import Codec
from gateway.heard_over import HeardOver, Played
from gateway.metrics import Metrics
from gateway.notices import (
    AckHeard,
    AckWanted,
    CodecUnknown,
    CushionChanged,
    MessageHeard,
    Notice,
    PacketsRefused,
    RemoteOverEnded,
    RemoteOverStarted,
    RemoteTalker,
    ReportReceived,
    TalkersCollide,
    TextReceived,
)
from gateway.playout_delay import PlayoutDelay, repair_packets
from gateway.protocol.bulk_packets import parse_message
from gateway.protocol.cushion import AdaptiveCushion
from gateway.protocol.jitter import Conceal, JitterBuffer, JitterConfig, Play, Silence
from gateway.protocol.loss import LossStatistics
from gateway.protocol.messages import TextAssembler
from gateway.protocol.opening import Opener
from gateway.protocol.over import OverConfig
from gateway.protocol.over_events import (
    FramesArrived,
    OverDrop,
    OverEnd,
    OverEnded,
    OverEvent,
    OverStarted,
    PacketIgnored,
    TalkerKnown,
)
from gateway.protocol.packets import (
    AckPacket,
    MessagePacket,
    Packet,
    ParityPacket,
    ReportPacket,
    SessionBlock,
    TextPacket,
    VoicePacket,
)
from gateway.protocol.parse import Dropped
from gateway.protocol.protection import Protection
from gateway.protocol.recovery import VoiceReceiver
from gateway.unwrap import Unwrapper


class PacketTap(Protocol):
    """Somebody who keeps the voice packets of the overs that are heard."""

    def heard_begins(self, over: int, over_id: int, at_s: float, jitter: JitterConfig, repair_s: float) -> None:
        """An over begins to come in, before its first packet is shown. `over` counts overs at this receiver, `jitter`
        is how it will be buffered; `repair_s` of its cushion and cap is the wait for repairs."""

    def heard_packet(
        self,
        over: int,
        packet: VoicePacket | ParityPacket,
        at_s: float,
        snr_db: float | None,
        air_bytes: int | None,
    ) -> None:
        """A packet while `over` was the newest, opened and checked; `air_bytes` as it came off the link, if known."""


IDS_IN_USE_S = 60.0
"""How long the id of another station's over is left alone."""
QUEUED_OVERS = 2
"""The one being played and the next: more would be a backlog, and old speech must not pile up."""


def _source_in(events: tuple[OverEvent, ...]) -> int | None:
    """The talker, where the packet that began an over tells."""
    return next((event.session.source for event in events if isinstance(event, TalkerKnown)), None)


class Receiver:
    """Turns packets into speech for one loudspeaker, one over at a time."""

    def __init__(
        self,
        codec: Codec,
        *,
        frames_per_packet: int,
        crc: bool,
        cushion_s: float,
        cap_s: float,
        metrics: Metrics,
        cushion: AdaptiveCushion | None = None,
        opener: Opener | None = None,
        protection: Protection | None = None,
        tap: PacketTap | None = None,
    ) -> None:
        """`frames_per_packet` is the profile's guess until a packet tells; `crc` as the senders have it; `cushion`
        learns the wait before an over, which is always `cushion_s` without it; `opener` lets through what is of this
        net (None: no security); `tap` is shown the voice packets.

        Repeats and parity are used wherever they come from; `protection` (None: none) is how long to wait for them,
        on top of `cushion_s` and `cap_s`, and whether packets are wrapped against bit errors. Where the wait is learnt,
        that for repairs is learnt as well, from each talker's last over.
        """
        protection = Protection() if protection is None else protection
        self._codec = codec
        self._metrics = metrics
        self._tap = tap
        self._unwrapper = Unwrapper(metrics, crc=crc, protection=protection, opener=opener)
        self._delay = PlayoutDelay(cushion_s, cap_s, protection, cushion)
        self._received = VoiceReceiver(OverConfig(frames_per_packet))
        self._texts = TextAssembler()
        self._overs: deque[HeardOver] = deque()
        self._over_id_before: int | None = None
        self._ids_heard_s: dict[int, float] = {}
        self._cut_off: Played | None = None  # the last sound of an over that had to make room
        self._twin = partial(
            Receiver,
            codec,
            frames_per_packet=frames_per_packet,
            crc=crc,
            cushion_s=cushion_s,
            cap_s=cap_s,
            protection=protection,
        )

    def twin(self) -> Receiver:
        """A fresh one of the same codec and settings for packets that never were on the air: without security and tap,
        and what it counts is nobody's."""
        return self._twin(metrics=Metrics())

    @property
    def busy(self) -> bool:
        """Whether an over is being received or still played."""
        return bool(self._overs)

    @property
    def cushion_s(self) -> float:
        """What the next over waits before it plays, that for repairs left out."""
        return self._delay.cushion_s

    @property
    def receiving(self) -> bool:
        """Whether the newest over is still coming in; after it the channel is free, though it may be played yet."""
        return bool(self._overs) and not self._overs[-1].ended

    def over_ids_in_use(self, now_s: float) -> frozenset[int]:
        """Ids of overs of others lately: one's own over had better have another (4.4)."""
        return frozenset(known for known, at_s in self._ids_heard_s.items() if now_s - at_s < IDS_IN_USE_S)

    def on_packet(
        self,
        data: bytes,
        now_s: float,
        snr_db: float | None = None,
        one_probability: Sequence[float] | None = None,
    ) -> list[Notice]:
        """Take one packet as it came off the link; returns what the operator should know.

        `snr_db`: its signal-to-noise ratio, where the link tells; `one_probability`: how probably each bit of `data`
        is 1, where a modem tells, used under bit protection.
        """
        self._metrics.count("rx.packets")
        unwrapped = self._unwrapper.unwrap(data, now_s, one_probability)
        notices: list[Notice] = []
        if unwrapped.alarm:
            notices.append(PacketsRefused(unwrapped.alarm))
        for packet in unwrapped.packets:
            notices += self._on_unwrapped(packet, now_s, snr_db, unwrapped.air_bytes)
        return notices

    def _on_unwrapped(self, packet: Packet, now_s: float, snr_db: float | None, air_bytes: int | None) -> list[Notice]:
        if isinstance(packet, VoicePacket | ParityPacket):
            return self.on_voice(packet, now_s, snr_db, air_bytes)
        if isinstance(packet, TextPacket):
            message = self._texts.receive(packet, now_s)
            shown: list[Notice] = [] if message is None else [TextReceived(message)]
            return [*shown, AckWanted(packet)] if packet.ack_wanted else shown
        if isinstance(packet, ReportPacket):
            self._metrics.count("rx.reports")
            return [ReportReceived(packet.report)]
        if isinstance(packet, MessagePacket):
            heard = parse_message(packet)
            if isinstance(heard, Dropped):
                self._metrics.count(f"rx.dropped.{heard.reason.value}")
                return []
            return [MessageHeard(heard)]
        assert isinstance(packet, AckPacket)
        self._metrics.count("rx.acks")
        return [AckHeard(packet)]

    def on_voice(
        self,
        packet: VoicePacket | ParityPacket,
        now_s: float,
        snr_db: float | None = None,
        air_bytes: int | None = None,
    ) -> list[Notice]:
        """Take a packet of voice that is opened and checked already."""
        events = self._received.receive(packet, now_s)
        notices = self._on_events(events, now_s)
        if snr_db is not None and any(isinstance(event, FramesArrived) and not event.recovered for event in events):
            self._overs[-1].loss.snr(snr_db)
        over = self._overs[-1] if self._overs else None
        if over is not None and over.over_id == packet.over_id:
            over.repair_packets = max(over.repair_packets, repair_packets(packet))
            if over.ended:
                self._delay.learn_repairs(over.source, over.repair_packets)
        if self._tap is not None and over is not None:
            self._tap.heard_packet(over.number, packet, now_s, snr_db, air_bytes)
        return notices

    def play(self, now_s: float) -> tuple[Played | None, list[Notice]]:
        """The next 80 ms for the speaker (None: nothing to play); call once per 80 ms of playout."""
        notices = self._on_events(self._received.tick(now_s), now_s)
        if self._cut_off is not None:
            ending, self._cut_off = self._cut_off, None
            return ending, notices
        if not self._overs:
            return None, notices
        over = self._overs[0]
        step = Silence() if over.muted else over.jitter.pop(now_s)
        if isinstance(step, Play):
            played = Played(step.index, over.decode(step.frame, self._metrics), concealed=False, over_id=over.over_id)
        elif isinstance(step, Conceal):
            played = Played(step.index, over.decoder.decode(None), concealed=True, over_id=over.over_id)
            self._metrics.count("rx.frames_concealed")
        elif over.played:
            rest = over.rest()
            return rest, notices + self._leave()
        else:
            return None, notices
        over.frame_index = played.frame_index + 1
        self._metrics.count("rx.frames_played")
        return played, notices

    def _leave(self) -> list[Notice]:
        """Drop the first over; the notices of its end and of the next one's start."""
        over = self._overs.popleft()
        fates = over.jitter.counters()
        self._metrics.count("rx.frames_late", fates.late)
        self._metrics.count("rx.frames_duplicate", fates.duplicate)
        self._metrics.count("rx.frames_skipped", fates.skipped + fates.waiting)
        ended: list[Notice] = [RemoteOverEnded(over.loss.reception(over.source))]
        return ended + self._first_notices()

    def _first_notices(self) -> list[Notice]:
        if not self._overs:
            return []
        notices, self._overs[0].notices = self._overs[0].notices, []
        return notices

    def _can_decode(self, session: SessionBlock) -> bool:
        spec = self._codec.spec
        return session.codec_id == spec.codec_id and session.codec_version <= spec.codec_version

    def _on_events(self, events: tuple[OverEvent, ...], now_s: float) -> list[Notice]:
        notices: list[Notice] = []
        for event in events:
            if isinstance(event, PacketIgnored):
                self._metrics.count(f"rx.ignored.{event.reason.value}")
                self._ids_heard_s[event.over_id] = now_s
                notices += self._collision(event)
            elif isinstance(event, OverStarted):
                self._metrics.count("rx.overs")
                self._ids_heard_s[event.over_id] = now_s
                if len(self._overs) == QUEUED_OVERS:
                    self._cut_off = self._overs[0].rest()
                    notices += self._leave()
                jitter, repair_s = self._delay.of_over(event.frames_per_packet, _source_in(events))
                if self._tap is not None:
                    self._tap.heard_begins(event.over, event.over_id, now_s, jitter, repair_s)
                over = HeardOver(
                    event.over,
                    event.over_id,
                    JitterBuffer(jitter),
                    self._codec.decoder_stream(),
                    LossStatistics(event),
                )
                over.notices.append(RemoteOverStarted(event.late_entry))
                self._overs.append(over)
            elif self._overs and self._overs[-1].number == event.over:
                # The receiver of packets follows one over at a time: whatever it says is about the newest.
                notices += self._on_over(self._overs[-1], event, now_s)
            elif isinstance(event, FramesArrived):
                self._metrics.count("rx.frames_late", len(event.frames))
        # What is said about an over that waits its turn waits with it.
        return notices + self._first_notices()

    def _collision(self, ignored: PacketIgnored) -> list[Notice]:
        """A packet of another talker while an over is coming in; stragglers of the over before are none."""
        if ignored.reason not in (OverDrop.OTHER_OVER, OverDrop.OTHER_TALKER) or not self._overs:
            return []
        over = self._overs[-1]
        if over.collided or over.ended or ignored.over_id == self._over_id_before != over.over_id:
            return []
        over.collided = True
        self._metrics.count("rx.collisions")
        return [TalkersCollide()]

    def _on_over(self, over: HeardOver, event: TalkerKnown | FramesArrived | OverEnded, now_s: float) -> list[Notice]:
        is_recovered = isinstance(event, FramesArrived) and event.recovered
        if not is_recovered:  # reports and the cushion tell of packets as they came off the air (15.3)
            over.loss.feed(event)
        if isinstance(event, TalkerKnown):
            over.source = event.session.source
            over.notices.append(RemoteTalker(event.session))
            if not self._can_decode(event.session):
                over.muted = True
                over.notices.append(CodecUnknown(event.session))
        elif isinstance(event, FramesArrived):
            if event.recovered:
                self._metrics.count("rx.frames_recovered", len(event.frames))
            if over.muted:
                self._metrics.count("rx.dropped.unknown_codec")
                return []
            if not over.ended and not is_recovered:
                self._delay.arrived(event.first_frame_index, len(event.frames), now_s)
            late_before = over.jitter.counters().late
            for offset, frame in enumerate(event.frames):
                over.jitter.put(event.first_frame_index + offset, frame, now_s)
            if over.jitter.counters().late > late_before and not is_recovered:
                over.loss.late()
        else:
            if event.cause is not OverEnd.FLAGGED:
                self._metrics.count("rx.overs_without_end")
            over.ended = True
            self._over_id_before = over.over_id
            over.jitter.end(event.end_frame_index)
            changed_s = self._delay.over_ended()
            if changed_s is not None:
                self._metrics.gauge("rx.cushion_ms", changed_s * 1000)
                return [CushionChanged(changed_s)]
        return []
