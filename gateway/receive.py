"""Link to speaker: packets in, PCM out. Read `on_packet` and `play` to follow speech off the air.

Rule: nothing that arrives raises; what cannot be used becomes a counter. One decoder and one jitter buffer per over;
overs are played one after the other, so that a quick answer does not cut off the end of what it answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.codec import Codec, DecoderStream
from gateway.codec.spec import FRAME_SAMPLES
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
from gateway.protocol.bit_protection import unprotect
from gateway.protocol.bulk_packets import parse_message
from gateway.protocol.cushion import AdaptiveCushion
from gateway.protocol.frames import COARSE_BITS, PartialFrame, ReceivedFrame, SoftFrame
from gateway.protocol.jitter import Conceal, JitterBuffer, JitterConfig, Play, Silence
from gateway.protocol.loss import LossStatistics
from gateway.protocol.messages import TextAssembler
from gateway.protocol.opening import Opener
from gateway.protocol.over import (
    FramesArrived,
    OverConfig,
    OverDrop,
    OverEnd,
    OverEnded,
    OverEvent,
    OverStarted,
    PacketIgnored,
    TalkerKnown,
)
from gateway.protocol.packets import (
    FRAME_S,
    AckPacket,
    Dropped,
    MessagePacket,
    ParityPacket,
    ReportPacket,
    SessionBlock,
    TextPacket,
    VoicePacket,
    parse,
    without_crc,
)
from gateway.protocol.protection import Protection
from gateway.protocol.recovery import VoiceReceiver

Pcm = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Played:
    """80 ms of an over: its frame index, the sound (1280,), and whether the decoder had to guess."""

    frame_index: int
    pcm: Pcm
    concealed: bool
    over_id: int | None = None


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
TALKERS_KNOWN = 64
QUEUED_OVERS = 2
"""The one being played and the next: more would be a backlog, and old speech must not pile up."""


@dataclass(slots=True)
class _Over:
    """An over on its way to the speaker; `notices` wait until it is its turn."""

    number: int
    over_id: int
    jitter: JitterBuffer
    decoder: DecoderStream
    loss: LossStatistics
    notices: list[Notice] = field(default_factory=list)
    muted: bool = False
    ended: bool = False
    frame_index: int = 0
    source: int | None = None
    collided: bool = False
    repair_packets: int = 0

    @property
    def played(self) -> bool:
        """Nothing of it is left to hear. A muted over has no frames, its jitter buffer never drains."""
        return self.ended if self.muted else self.jitter.finished


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
        self._codec = codec
        self._frames_per_packet = frames_per_packet
        self._protection = Protection() if protection is None else protection
        self._crc = crc
        self._cushion_s = cushion_s
        self._cap_s = cap_s
        self._metrics = metrics
        self._opener = opener
        self._tap = tap
        self._received = VoiceReceiver(OverConfig(frames_per_packet))
        self._texts = TextAssembler()
        self._overs: deque[_Over] = deque()
        self._cushion = cushion
        self._over_id_before: int | None = None
        self._ids_heard_s: dict[int, float] = {}
        self._repair_packets: dict[int | None, int] = {}  # by talker: how far its redundancy reaches back
        self._cut_off: Played | None = None  # the last sound of an over that had to make room

    def twin(self) -> Receiver:
        """A fresh one of the same codec and settings for packets that never were on the air: without security and tap,
        and what it counts is nobody's."""
        return Receiver(
            self._codec,
            frames_per_packet=self._frames_per_packet,
            crc=self._crc,
            cushion_s=self._cushion_s,
            cap_s=self._cap_s,
            metrics=Metrics(),
            protection=self._protection,
        )

    @property
    def busy(self) -> bool:
        """Whether an over is being received or still played."""
        return bool(self._overs)

    @property
    def cushion_s(self) -> float:
        """What the next over waits before it plays, that for repairs left out."""
        return self._cushion_s if self._cushion is None else self._cushion.cushion_s

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
        if self._protection.is_bit:
            received = data if one_probability is None else one_probability
            return self._on_coded(received, now_s, snr_db, len(data))
        if self._opener is None:
            return self._on_plain(data, self._crc, now_s, snr_db, air_bytes=len(data))
        return self._on_sealed(data, now_s, snr_db)

    def _on_coded(
        self, received: bytes | Sequence[float], now_s: float, snr_db: float | None, air_bytes: int
    ) -> list[Notice]:
        """Undo what guards bits (12.3)."""
        bare = unprotect(received, self._protection.strong_bits)
        if isinstance(bare, Dropped):
            self._metrics.count(f"rx.dropped.{bare.reason.value}")
            return []
        return self._on_plain(bare.data, False, now_s, snr_db, bare.heard, air_bytes)

    def _on_sealed(self, data: bytes, now_s: float, snr_db: float | None) -> list[Notice]:
        """Verify before anything else sees it (SPEC.md 13.9)."""
        assert self._opener is not None
        sealed = without_crc(data) if self._crc else data
        if isinstance(sealed, Dropped):
            self._metrics.count(f"rx.dropped.{sealed.reason.value}")
            return []
        opened = self._opener.open(sealed, now_s)
        for refusal in opened.refused:
            self._metrics.count(f"rx.dropped.{refusal.value}")
        notices: list[Notice] = []
        if opened.alarm:
            notices.append(PacketsRefused({refusal.value: count for refusal, count in opened.alarm.items()}))
        air_bytes = len(data) if len(opened.packets) == 1 else None  # several were held back: whose it is, is not told
        for plain in opened.packets:
            notices += self._on_plain(plain, False, now_s, snr_db, air_bytes=air_bytes)
        return notices

    def _on_plain(
        self,
        data: bytes,
        crc: bool,
        now_s: float,
        snr_db: float | None,
        heard_frames: tuple[ReceivedFrame, ...] | None = None,
        air_bytes: int | None = None,
    ) -> list[Notice]:
        packet = parse(data, crc=crc)
        if isinstance(packet, Dropped):
            self._metrics.count(f"rx.dropped.{packet.reason.value}")
            return []
        if isinstance(packet, VoicePacket | ParityPacket):
            if isinstance(packet, VoicePacket) and heard_frames is not None:
                packet = replace(packet, heard=heard_frames)
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
        self._learn_repairs(packet)
        if self._tap is not None and self._overs:
            self._tap.heard_packet(self._overs[-1].number, packet, now_s, snr_db, air_bytes)
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
            played = Played(step.index, self._decode(over.decoder, step.frame), concealed=False, over_id=over.over_id)
        elif isinstance(step, Conceal):
            played = Played(step.index, over.decoder.decode(None), concealed=True, over_id=over.over_id)
            self._metrics.count("rx.frames_concealed")
        elif over.played:
            rest = self._rest(over)
            return rest, notices + self._leave()
        else:
            return None, notices
        over.frame_index = played.frame_index + 1
        self._metrics.count("rx.frames_played")
        return played, notices

    def _decode(self, decoder: DecoderStream, frame: ReceivedFrame) -> Pcm:
        if isinstance(frame, PartialFrame):
            self._metrics.count("rx.frames_coarse")
            if frame.known_bits == COARSE_BITS:
                return decoder.decode(frame.data, stages=1)
            return decoder.decode_soft(np.array(frame.probabilities()))
        if isinstance(frame, SoftFrame):
            self._metrics.count("rx.frames_doubtful")
            return decoder.decode_soft(np.array(frame.one_probability))
        return decoder.decode(frame)

    def _rest(self, over: _Over) -> Played | None:
        """The samples still in the synthesis window of an over that has been played, padded to 80 ms."""
        if over.frame_index == 0:
            return None
        tail = np.zeros(FRAME_SAMPLES, np.float32)
        rest = over.decoder.flush()
        tail[: len(rest)] = rest
        return Played(over.frame_index, tail, concealed=False, over_id=over.over_id)

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

    def _new_jitter(self, frames_per_packet: int, source: int | None) -> tuple[JitterConfig, float]:
        """How an over is buffered, and how much of its cushion and cap is the wait for repairs, s."""
        packet_s = frames_per_packet * FRAME_S
        # A sender with longer packets than ours must not be cut off: the cap always holds one of its packets.
        cushion_s = self.cushion_s
        cap_s = max(self._cap_s, packet_s + cushion_s)
        # What is recovered comes as many packets late as the protection reaches back (12.4).
        wait_s = self._repair_wait(source) * packet_s
        return JitterConfig(packet_s, cushion_s + wait_s, cap_s + wait_s), wait_s

    def _repair_wait(self, source: int | None) -> int:
        """Packets to wait for repairs: as configured, or more where this talker's last over had more."""
        learnt = 0 if self._cushion is None else self._repair_packets.get(source, 0)
        return max(self._protection.delay_packets, learnt)

    def _learn_repairs(self, packet: VoicePacket | ParityPacket) -> None:
        """Note how far back the redundancy of the newest over reaches; the talker's next over is waited for as long."""
        over = self._overs[-1] if self._overs else None
        if over is None or over.over_id != packet.over_id:
            return
        if isinstance(packet, ParityPacket):
            over.repair_packets = max(over.repair_packets, packet.members * packet.depth)
        elif packet.repeat is not None:
            over.repair_packets = max(over.repair_packets, packet.repeat.distance)
        if over.ended:
            self._repair_packets.pop(over.source, None)
            self._repair_packets[over.source] = over.repair_packets
            if len(self._repair_packets) > TALKERS_KNOWN:
                del self._repair_packets[next(iter(self._repair_packets))]

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
                    self._cut_off = self._rest(self._overs[0])
                    notices += self._leave()
                jitter, repair_s = self._new_jitter(event.frames_per_packet, _source_in(events))
                if self._tap is not None:
                    self._tap.heard_begins(event.over, event.over_id, now_s, jitter, repair_s)
                over = _Over(
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

    def _on_over(self, over: _Over, event: TalkerKnown | FramesArrived | OverEnded, now_s: float) -> list[Notice]:
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
            if self._cushion is not None and not over.ended and not is_recovered:
                self._cushion.arrived(event.first_frame_index, len(event.frames), now_s)
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
            if self._cushion is not None and self._cushion.over_ended():
                self._metrics.gauge("rx.cushion_ms", self._cushion.cushion_s * 1000)
                return [CushionChanged(self._cushion.cushion_s)]
        return []
