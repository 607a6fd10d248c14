"""Link to speaker: packets in, PCM out. Read `on_packet` and `play` to follow speech off the air.

Rule: nothing that arrives raises; what cannot be used becomes a counter. One decoder and one jitter buffer per over;
overs are played one after the other, so that a quick answer does not cut off the end of what it answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gateway.codec import Codec, DecoderStream
from gateway.codec.spec import FRAME_SAMPLES
from gateway.metrics import Metrics
from gateway.protocol.bit_protection import unprotect
from gateway.protocol.frames import COARSE_BITS, PartialFrame, ReceivedFrame, SoftFrame
from gateway.protocol.jitter import Conceal, JitterBuffer, JitterConfig, Play, Silence
from gateway.protocol.messages import TextAssembler, TextMessage
from gateway.protocol.over import (
    FramesArrived,
    OverConfig,
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
    Packet,
    ParityPacket,
    SessionBlock,
    TextPacket,
    VoicePacket,
    parse,
)
from gateway.protocol.protection import Protection
from gateway.protocol.recovery import VoiceReceiver

Pcm = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RemoteOverStarted:
    """Somebody talks; `late_entry` when the beginning was missed."""

    late_entry: bool


@dataclass(frozen=True, slots=True)
class RemoteTalker:
    """Who talks, known from a session block."""

    session: SessionBlock


@dataclass(frozen=True, slots=True)
class CodecUnknown:
    """The running over comes from a codec that is not here: it stays silent (SPEC.md 4.5)."""

    session: SessionBlock


@dataclass(frozen=True, slots=True)
class RemoteOverEnded:
    """The over has been played to its end."""


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A whole text message."""

    message: TextMessage


Notice = RemoteOverStarted | RemoteTalker | CodecUnknown | RemoteOverEnded | TextReceived


@dataclass(frozen=True, slots=True)
class Played:
    """80 ms of an over: its frame index, the sound (1280,), and whether the decoder had to guess."""

    frame_index: int
    pcm: Pcm
    concealed: bool


QUEUED_OVERS = 2
"""The one being played and the next: more would be a backlog, and old speech must not pile up."""


@dataclass(slots=True)
class _Over:
    """An over on its way to the speaker; `notices` wait until it is its turn."""

    number: int
    jitter: JitterBuffer
    decoder: DecoderStream
    notices: list[Notice] = field(default_factory=list)
    muted: bool = False
    ended: bool = False
    frame_index: int = 0

    @property
    def played(self) -> bool:
        """Nothing of it is left to hear. A muted over has no frames, its jitter buffer never drains."""
        return self.ended if self.muted else self.jitter.finished


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
        protection: Protection | None = None,
    ) -> None:
        """`frames_per_packet` is the profile's guess until a packet tells; `crc` as the senders have it.

        Repeats and parity are used wherever they come from; `protection` (None: none) is how long to wait for them,
        on top of `cushion_s` and `cap_s`, and whether packets are wrapped against bit errors.
        """
        self._codec = codec
        self._protection = Protection() if protection is None else protection
        self._crc = crc
        self._cushion_s = cushion_s
        self._cap_s = cap_s
        self._metrics = metrics
        self._received = VoiceReceiver(OverConfig(frames_per_packet))
        self._texts = TextAssembler()
        self._overs: deque[_Over] = deque()

    @property
    def busy(self) -> bool:
        """Whether an over is being received or still played."""
        return bool(self._overs)

    def on_packet(self, data: bytes, now_s: float, one_probability: Sequence[float] | None = None) -> list[Notice]:
        """Take one packet as it came off the link; returns what the operator should know.

        `one_probability`: how probably each bit of `data` is 1, where a modem tells; used under bit protection.
        """
        self._metrics.count("rx.packets")
        packet = self._parse(data, one_probability)
        if isinstance(packet, Dropped):
            self._metrics.count(f"rx.dropped.{packet.reason.value}")
            return []
        if isinstance(packet, VoicePacket | ParityPacket):
            return self._on_events(self._received.receive(packet, now_s), now_s)
        if isinstance(packet, TextPacket):
            message = self._texts.receive(packet, now_s)
            return [] if message is None else [TextReceived(message)]
        assert isinstance(packet, AckPacket)
        self._metrics.count("rx.acks")
        return []

    def _parse(self, data: bytes, one_probability: Sequence[float] | None) -> Packet | Dropped:
        if not self._protection.is_bit:
            return parse(data, crc=self._crc)
        bare = unprotect(data if one_probability is None else one_probability, self._protection.strong_bits)
        if isinstance(bare, Dropped):
            return bare
        packet = parse(bare.data, crc=False)
        return replace(packet, heard=bare.heard) if isinstance(packet, VoicePacket) else packet

    def play(self, now_s: float) -> tuple[Played | None, list[Notice]]:
        """The next 80 ms for the speaker (None: nothing to play); call once per 80 ms of playout."""
        notices = self._on_events(self._received.tick(now_s), now_s)
        if not self._overs:
            return None, notices
        over = self._overs[0]
        step = Silence() if over.muted else over.jitter.pop(now_s)
        if isinstance(step, Play):
            played = Played(step.index, self._decode(over.decoder, step.frame), concealed=False)
        elif isinstance(step, Conceal):
            played = Played(step.index, over.decoder.decode(None), concealed=True)
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
        return Played(over.frame_index, tail, concealed=False)

    def _leave(self) -> list[Notice]:
        """Drop the first over; the notices of its end and of the next one's start."""
        over = self._overs.popleft()
        fates = over.jitter.counters()
        self._metrics.count("rx.frames_late", fates.late)
        self._metrics.count("rx.frames_duplicate", fates.duplicate)
        self._metrics.count("rx.frames_skipped", fates.skipped + fates.waiting)
        ended: list[Notice] = [RemoteOverEnded()]
        return ended + self._first_notices()

    def _first_notices(self) -> list[Notice]:
        if not self._overs:
            return []
        notices, self._overs[0].notices = self._overs[0].notices, []
        return notices

    def _new_jitter(self, frames_per_packet: int) -> JitterBuffer:
        packet_s = frames_per_packet * FRAME_S
        # A sender with longer packets than ours must not be cut off: the cap always holds one of its packets.
        cap_s = max(self._cap_s, packet_s + self._cushion_s)
        # What is recovered comes as many packets late as the protection reaches back (12.4).
        wait_s = self._protection.delay_packets * packet_s
        return JitterBuffer(JitterConfig(packet_s, self._cushion_s + wait_s, cap_s + wait_s))

    def _can_decode(self, session: SessionBlock) -> bool:
        spec = self._codec.spec
        return session.codec_id == spec.codec_id and session.codec_version <= spec.codec_version

    def _on_events(self, events: tuple[OverEvent, ...], now_s: float) -> list[Notice]:
        notices: list[Notice] = []
        for event in events:
            if isinstance(event, PacketIgnored):
                self._metrics.count(f"rx.ignored.{event.reason.value}")
            elif isinstance(event, OverStarted):
                self._metrics.count("rx.overs")
                if len(self._overs) == QUEUED_OVERS:
                    notices += self._leave()
                over = _Over(event.over, self._new_jitter(event.frames_per_packet), self._codec.decoder_stream())
                over.notices.append(RemoteOverStarted(event.late_entry))
                self._overs.append(over)
            elif self._overs and self._overs[-1].number == event.over:
                # The receiver of packets follows one over at a time: whatever it says is about the newest.
                self._on_over(self._overs[-1], event, now_s)
            elif isinstance(event, FramesArrived):
                self._metrics.count("rx.frames_late", len(event.frames))
        # What is said about an over that waits its turn waits with it.
        return notices + self._first_notices()

    def _on_over(self, over: _Over, event: TalkerKnown | FramesArrived | OverEnded, now_s: float) -> None:
        if isinstance(event, TalkerKnown):
            over.notices.append(RemoteTalker(event.session))
            if not self._can_decode(event.session):
                over.muted = True
                over.notices.append(CodecUnknown(event.session))
        elif isinstance(event, FramesArrived):
            if event.recovered:
                self._metrics.count("rx.frames_recovered", len(event.frames))
            if over.muted:
                self._metrics.count("rx.dropped.unknown_codec")
                return
            for offset, frame in enumerate(event.frames):
                over.jitter.put(event.first_frame_index + offset, frame, now_s)
        else:
            over.ended = True
            over.jitter.end(event.end_frame_index)
