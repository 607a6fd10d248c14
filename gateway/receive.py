"""Link to speaker: packets in, PCM out. Read `on_packet` and `play` to follow speech off the air.

Rule: nothing that arrives raises; what cannot be used becomes a counter. One decoder and one jitter buffer per over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.codec import Codec, DecoderStream
from gateway.codec.spec import FRAME_SAMPLES
from gateway.metrics import Metrics
from gateway.protocol.jitter import Conceal, JitterBuffer, JitterConfig, Play
from gateway.protocol.messages import TextAssembler, TextMessage
from gateway.protocol.over import (
    FramesArrived,
    OverConfig,
    OverEnded,
    OverEvent,
    OverReceiver,
    OverStarted,
    PacketIgnored,
    TalkerKnown,
)
from gateway.protocol.packets import FRAME_S, AckPacket, Dropped, SessionBlock, TextPacket, VoicePacket, parse

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
class RemoteOverEnded:
    """The over has been played to its end."""


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A whole text message."""

    message: TextMessage


Notice = RemoteOverStarted | RemoteTalker | RemoteOverEnded | TextReceived


@dataclass(frozen=True, slots=True)
class Played:
    """80 ms of an over: its frame index, the sound (1280,), and whether the decoder had to guess."""

    frame_index: int
    pcm: Pcm
    concealed: bool


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
    ) -> None:
        """`frames_per_packet` is the profile's guess until a packet tells; `crc` as the senders have it."""
        self._codec = codec
        self._crc = crc
        self._cushion_s = cushion_s
        self._cap_s = cap_s
        self._metrics = metrics
        self._overs = OverReceiver(OverConfig(frames_per_packet))
        self._texts = TextAssembler()
        self._jitter: JitterBuffer | None = None
        self._decoder: DecoderStream | None = None
        self._frame_index = 0

    @property
    def busy(self) -> bool:
        """Whether an over is being received or still played."""
        return self._jitter is not None

    def on_packet(self, data: bytes, now_s: float) -> list[Notice]:
        """Take one packet as it came off the link; returns what the operator should know."""
        self._metrics.count("rx.packets")
        packet = parse(data, crc=self._crc)
        if isinstance(packet, Dropped):
            self._metrics.count(f"rx.dropped.{packet.reason.value}")
            return []
        if isinstance(packet, VoicePacket):
            if packet.session is not None and not self._can_decode(packet.session):
                self._metrics.count("rx.dropped.unknown_codec")
                return []
            return self._on_events(self._overs.receive(packet, now_s), now_s)
        if isinstance(packet, TextPacket):
            message = self._texts.receive(packet, now_s)
            return [] if message is None else [TextReceived(message)]
        assert isinstance(packet, AckPacket)
        self._metrics.count("rx.acks")
        return []

    def play(self, now_s: float) -> tuple[Played | None, list[Notice]]:
        """The next 80 ms for the speaker (None: nothing to play); call once per 80 ms of playout."""
        notices = self._on_events(self._overs.tick(now_s), now_s)
        if self._jitter is None or self._decoder is None:
            return None, notices
        step = self._jitter.pop(now_s)
        if isinstance(step, Play):
            played = Played(step.index, self._decoder.decode(step.frame), concealed=False)
        elif isinstance(step, Conceal):
            played = Played(step.index, self._decoder.decode(None), concealed=True)
            self._metrics.count("rx.frames_concealed")
        else:
            if self._jitter.finished:
                return self._finish(notices)
            return None, notices
        self._frame_index = played.frame_index + 1
        self._metrics.count("rx.frames_played")
        return played, notices

    def _finish(self, notices: list[Notice]) -> tuple[Played | None, list[Notice]]:
        """The over is played: the samples still in the synthesis window, then nothing."""
        assert self._decoder is not None
        assert self._jitter is not None
        tail = np.zeros(FRAME_SAMPLES, np.float32)
        rest = self._decoder.flush()
        tail[: len(rest)] = rest
        fates = self._jitter.counters()
        self._metrics.count("rx.frames_late", fates.late)
        self._metrics.count("rx.frames_duplicate", fates.duplicate)
        self._metrics.count("rx.frames_skipped", fates.skipped)
        self._jitter = self._decoder = None
        return Played(self._frame_index, tail, concealed=False), [*notices, RemoteOverEnded()]

    def _new_jitter(self, frames_per_packet: int) -> JitterBuffer:
        packet_s = frames_per_packet * FRAME_S
        # A sender with longer packets than ours must not be cut off: the cap always holds one of its packets.
        cap_s = max(self._cap_s, packet_s + self._cushion_s)
        return JitterBuffer(JitterConfig(packet_s, self._cushion_s, cap_s))

    def _can_decode(self, session: SessionBlock) -> bool:
        spec = self._codec.spec
        return session.codec_id == spec.codec_id and session.codec_version <= spec.codec_version

    def _on_events(self, events: tuple[OverEvent, ...], now_s: float) -> list[Notice]:
        notices: list[Notice] = []
        for event in events:
            if isinstance(event, OverStarted):
                self._metrics.count("rx.overs")
                self._jitter = self._new_jitter(event.frames_per_packet)
                self._decoder = self._codec.decoder_stream()
                notices.append(RemoteOverStarted(event.late_entry))
            elif isinstance(event, TalkerKnown):
                notices.append(RemoteTalker(event.session))
            elif isinstance(event, FramesArrived) and self._jitter is not None:
                for offset, frame in enumerate(event.frames):
                    self._jitter.put(event.first_frame_index + offset, frame, now_s)
            elif isinstance(event, OverEnded) and self._jitter is not None:
                self._jitter.end(event.end_frame_index)
            elif isinstance(event, PacketIgnored):
                self._metrics.count(f"rx.ignored.{event.reason.value}")
        return notices
