"""A station's buffered messages with their sound: recorded speech into the spool, messages from the spool to the ear.

Rule: as the rest of the station, called from the media thread only. The codec's streams live from the begin to the end
of one recording or one playing.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gateway.codec import Codec, DecoderStream, EncoderStream
from gateway.codec.spec import FRAME_BYTES, FRAME_SAMPLES, SYNTHESIS_DELAY
from gateway.config import MessagesSection, StationConfig
from gateway.errors import LocalProtocolError
from gateway.links.base import LinkInfo
from gateway.messages.disk import RealDisk
from gateway.messages.files import StoredMessage
from gateway.messages.service import Identity, MessageService, Pace
from gateway.messages.spool import open_spool
from gateway.metrics import Metrics
from gateway.protocol.bulk_code import pieces
from gateway.protocol.bulk_packets import MAX_CONTENT_BYTES, TYPE_TEXT, Message, voice_codec, voice_type
from gateway.protocol.carriage import Carriage
from gateway.protocol.packets import FRAME_S, AckPacket, MessagePacket, TextPacket
from gateway.transmit import Suppressor

Pcm = NDArray[np.float32]
MAX_FRAMES = MAX_CONTENT_BYTES // FRAME_BYTES


def frames_of_message(message: StoredMessage) -> list[bytes | None]:
    """Frames of a voice message, whole or in part: None where one is missing."""
    return pieces(message.head, message.blocks, FRAME_BYTES)


def takes(codec: Codec) -> Callable[[int], bool]:
    """Whether a station with `codec` has use for a type of message."""

    def answer(message_type: int) -> bool:
        made_by = voice_codec(message_type)
        if made_by is None:
            return message_type == TYPE_TEXT
        return made_by[0] == codec.spec.codec_id and made_by[1] <= codec.spec.codec_version

    return answer


def pace_on(section: MessagesSection, link: LinkInfo, carriage: Carriage) -> Pace:
    """The pace of messages on a link. Raises LocalProtocolError for a tiny MTU."""
    return Pace.of(
        section,
        mtu_bytes=link.mtu_bytes,
        rate_bps=link.rate_bps,
        carriage=carriage,
        overhead_bytes=link.overhead_bytes,
        turnaround_s=link.turnaround_s,
    )


class Mailbox:
    """Recording, playing, and the service that moves messages."""

    def __init__(
        self,
        section: MessagesSection,
        service: MessageService,
        disk: RealDisk,
        codec: Codec,
        say: Callable[[str], None],
        *,
        lookahead: int | None,
        suppressor: Callable[[], Suppressor] | None,
        time_out_s: float,
        release_s: float,
        carriage: Carriage,
    ) -> None:
        """A recording ends after `time_out_s`, and `release_s` after the key was let go; `carriage` is what becomes
        of packets on their way to the link."""
        self._carriage = carriage
        self._section, self._service, self._disk = section, service, disk
        self._codec, self._say = codec, say
        self._lookahead, self._new_suppressor = lookahead, suppressor
        self._time_out_s, self._release_s = time_out_s, release_s
        self._encoder: EncoderStream | None = None
        self._suppressor: Suppressor | None = None
        self._frames: list[bytes] = []
        self._began_s = self._until_s = 0.0
        self._decoder: DecoderStream | None = None
        self._to_play: deque[bytes | None] = deque()

    @classmethod
    def of(
        cls,
        config: StationConfig,
        codec: Codec,
        suppressor: Callable[[], Suppressor] | None,
        link: LinkInfo,
        carriage: Carriage,
        rng: random.Random,
        metrics: Metrics,
        say: Callable[[str], None],
    ) -> Mailbox | None:
        """The mailbox that a station file asks for; `rng` must not repeat after a restart, for ids come from it.

        Raises GatewayError for a spool or link that cannot be used.
        """
        section = config.messages
        if section is None:
            return None
        pace = pace_on(section, link, carriage)
        identity = Identity(config.station.id, config.station.group, takes(codec), config.net.name_of)
        disk = RealDisk()
        service = MessageService(section, identity, pace, open_spool(section, disk), rng, metrics, say)
        return cls(
            section,
            service,
            disk,
            codec,
            say,
            lookahead=config.codec.lookahead,
            suppressor=suppressor,
            time_out_s=config.ptt.time_out_s,
            release_s=config.ptt.release_ms / 1000,
            carriage=carriage,
        )

    def use_link(self, link: LinkInfo) -> None:
        """Take a link's figures, some of which are only known once it has met its other side."""
        try:
            self._service.use_pace(pace_on(self._section, link, self._carriage))
        except LocalProtocolError as error:
            self._say(f"no messages on link {link.name}: {error}")

    @property
    def is_buffered(self) -> bool:
        """Whether the push-to-talk key records instead of talking live."""
        return self._section.voice == "buffered"

    @property
    def is_recording(self) -> bool:
        """Whether a message is being recorded, the time after letting the key go not counted."""
        return self._encoder is not None and self._until_s == float("inf")

    def record(self, now_s: float) -> None:
        """Begin a recording, or go on with one whose key was let go just now."""
        if self._encoder is None:
            self._encoder = self._codec.encoder_stream(self._lookahead)
            self._suppressor = None if self._new_suppressor is None else self._new_suppressor()
            self._frames = []
            self._began_s = now_s
            self._say("recording")
        self._until_s = float("inf")

    def release(self, now_s: float) -> None:
        """The key was let go: the last word may still be on its way."""
        self._until_s = min(self._until_s, now_s + self._release_s)

    def hear(self, pcm: Pcm, now_s: float) -> None:
        """Samples from the microphone (samples,); of no interest unless recording."""
        if self._encoder is None:
            return
        if len(pcm):
            self._frames += self._encoder.push(pcm if self._suppressor is None else self._suppressor.push(pcm))
        too_long = now_s >= self._began_s + self._time_out_s or len(self._frames) >= MAX_FRAMES
        if too_long:
            self._say("recording ends: it is as long as one may be")
        if too_long or now_s >= self._until_s:
            self.stop()

    def stop(self) -> None:
        """End a recording that runs and put it into the outbox."""
        if self._encoder is None:
            return
        if self._suppressor is not None:
            self._frames += self._encoder.push(self._suppressor.flush())
        frames = [*self._frames, *self._encoder.flush()][:MAX_FRAMES]
        self._encoder = self._suppressor = None
        self._frames = []
        spec = self._codec.spec
        if frames:
            self._service.queue(voice_type(spec.codec_id, spec.codec_version), b"".join(frames))
        else:
            self._say("nothing recorded")

    def close(self) -> None:
        """Keep a message being recorded, and let others use the spool."""
        self.stop()
        self._disk.close()

    def send_text(self, text: str, to: int | None = None) -> None:
        """Put a text into the outbox, for station `to` (None: for whom [messages] says)."""
        try:
            self._service.queue(TYPE_TEXT, text.encode(), to)
        except LocalProtocolError as error:
            self._say(f"message not sent: {error}")

    def on_message(self, message: Message, now_s: float) -> None:
        """A packet of a message came off the link."""
        self._service.on_message(message, now_s)

    @property
    def asks_acks(self) -> bool:
        """Whether short texts ask for acknowledgements."""
        return self._section.text_acks

    def await_acks(self, parts: tuple[TextPacket, ...], now_s: float) -> None:
        """A short text that asks for them was sent."""
        self._service.await_acks(parts, now_s)

    def on_ack_wanted(self, part: TextPacket) -> None:
        """Another station's text asks for one."""
        self._service.on_ack_wanted(part)

    def on_ack(self, ack: AckPacket) -> None:
        """An acknowledgement was heard."""
        self._service.on_ack(ack)

    def next(self, now_s: float, *, voice_is_live: bool) -> MessagePacket | TextPacket | AckPacket | None:
        """A packet of a message to send now, if any."""
        return self._service.next(now_s, voice_is_live=voice_is_live)

    def play_last(self) -> None:
        """Begin to play the newest voice message, also a part of one; nothing else is waited for."""
        message = self._service.last_voice()
        frames = [] if message is None else frames_of_message(message)
        missing = sum(frame is None for frame in frames)
        if message is None or missing == len(frames):
            self._say("no voice message to play")
            return
        part = f", {missing * FRAME_S:.1f} s of it missing" if missing else ""
        self._say(f"playing message {message.head.message_id:08x}, {len(frames) * FRAME_S:.1f} s{part}")
        self._decoder, self._to_play = self._codec.decoder_stream(), deque(frames)

    def play(self) -> Pcm | None:
        """The next 80 ms of a message being played, None when there is none."""
        if self._decoder is None:
            return None
        if self._to_play:
            return self._decoder.decode(self._to_play.popleft())
        rest = self._decoder.flush()
        self._decoder = None
        tail = np.zeros(FRAME_SAMPLES, np.float32)
        tail[:SYNTHESIS_DELAY] = rest
        return tail
