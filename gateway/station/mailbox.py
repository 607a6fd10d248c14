"""A station's buffered messages with their sound: recorded speech into the spool, messages from the spool to the ear.

Rule: as the rest of the station, called from the media thread only. The codec's streams live from the begin to the end
of one recording or one playing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.codec import Codec, EncoderStream
from gateway.codec.level import TalkerLevel
from gateway.codec.spec import FRAME_BYTES, FRAME_SAMPLES, SYNTHESIS_DELAY
from gateway.config import MessagesSection, StationConfig
from gateway.control.snapshot import MessageView
from gateway.errors import LocalProtocolError
from gateway.links.base import LinkInfo
from gateway.messages.catalogue import Card
from gateway.messages.disk import RealDisk
from gateway.messages.files import StoredMessage
from gateway.messages.pace import Pace
from gateway.messages.service import Identity, MessageService
from gateway.messages.spool import Folder, open_spool
from gateway.metrics import Metrics
from gateway.protocol.bulk_code import pieces
from gateway.protocol.bulk_packets import MAX_CONTENT_BYTES, TYPE_TEXT, Message, voice_codec, voice_type
from gateway.protocol.bulk_send import Progress
from gateway.protocol.carriage import Carriage
from gateway.protocol.packets import FRAME_S, AckPacket, MessagePacket, TextPacket
from gateway.telling import Level, Say
from gateway.transmit import Suppressor

Pcm = NDArray[np.float32]
MAX_FRAMES = MAX_CONTENT_BYTES // FRAME_BYTES
MAX_VIEWS = 200


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
        say: Say,
        *,
        lookahead: int | None,
        suppressor: Callable[[], Suppressor] | None,
        time_out_s: float,
        release_s: float,
        carriage: Carriage,
        talker: TalkerLevel,
    ) -> None:
        """A recording ends after `time_out_s`, and `release_s` after the key was let go; `carriage` is what becomes
        of packets on their way to the link; `talker` is how loud the last one was, shared with live voice."""
        self._carriage = carriage
        self._section, self._service, self._disk = section, service, disk
        self._codec, self._say = codec, say
        self._lookahead, self._new_suppressor = lookahead, suppressor
        self._time_out_s, self._release_s = time_out_s, release_s
        self._encoder: EncoderStream | None = None
        self._talker = talker
        self._suppressor: Suppressor | None = None
        self._frames: list[bytes] = []
        self._began_s = self._until_s = 0.0
        self._viewed: tuple[tuple[Card, ...], dict[str, Progress]] = (), {}
        self._views: tuple[MessageView, ...] = ()

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
        say: Say,
        talker: TalkerLevel,
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
            talker=talker,
        )

    def use_link(self, link: LinkInfo) -> None:
        """Take a link's figures, some of which are only known once it has met its other side."""
        try:
            self._service.use_pace(pace_on(self._section, link, self._carriage))
        except LocalProtocolError as error:
            self._say(f"no messages on link {link.name}: {error}", Level.WARNING)

    @property
    def is_buffered(self) -> bool:
        """Whether the push-to-talk key records instead of talking live."""
        return self._section.voice == "buffered"

    @property
    def is_listening(self) -> bool:
        """Whether the microphone is recorded, the time after letting the key go counted."""
        return self._encoder is not None

    @property
    def is_recording(self) -> bool:
        """Whether a message is being recorded, the time after letting the key go not counted."""
        return self._encoder is not None and self._until_s == float("inf")

    def record(self, now_s: float) -> None:
        """Begin a recording, or go on with one whose key was let go just now."""
        if self._encoder is None:
            self._encoder = self._codec.encoder_stream(self._lookahead, level_db=self._talker.level_db)
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
            self._say("recording ends: it is as long as one may be", Level.WARNING)
        if too_long or now_s >= self._until_s:
            self.stop()

    def stop(self) -> None:
        """End a recording that runs and put it into the outbox."""
        if self._encoder is None:
            return
        if self._suppressor is not None:
            self._frames += self._encoder.push(self._suppressor.flush())
        frames = [*self._frames, *self._encoder.flush()][:MAX_FRAMES]
        self._talker.learn(self._encoder.level_db)
        self._encoder = self._suppressor = None
        self._frames = []
        spec = self._codec.spec
        if frames:
            self._service.queue(voice_type(spec.codec_id, spec.codec_version), b"".join(frames))
        else:
            self._say("nothing recorded", Level.WARNING)

    def close(self) -> None:
        """Keep a message being recorded, and let others use the spool."""
        self.stop()
        self._disk.close()

    def send_text(self, text: str, to: int | None = None) -> None:
        """Put a text into the outbox, for station `to` (None: for whom [messages] says)."""
        try:
            self._service.queue(TYPE_TEXT, text.encode(), to)
        except LocalProtocolError as error:
            self._say(f"message not sent: {error}", Level.REFUSED)

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

    def retry(self, message_id: str) -> None:
        """Send a message again that was given up."""
        self._service.retry(message_id)

    def delete(self, message_id: str) -> None:
        """Drop a message from the spool."""
        self._service.delete(message_id)

    def sound_of(self, message_id: str | None) -> tuple[str, Iterator[Pcm]] | None:
        """A voice message, also a part of one, as title and blocks of sound (samples,): by id (hex), None: the newest
        that came. None where there is none to play, which is told."""
        if message_id is None:
            message = self._service.last_voice()
        else:
            card = self._service.catalogue.find(message_id)
            if card is not None and voice_codec(card.head.message_type) is None:
                self._say(f"message {card.message_id}: {card.text or 'no voice'}")
                return None
            message = None if card is None else self._service.stored(card)
        frames = [] if message is None else frames_of_message(message)
        missing = sum(frame is None for frame in frames)
        if message is None or missing == len(frames):
            told = "no voice message to play" if message_id is None else f"message {message_id}: nothing to play"
            self._say(told, Level.REFUSED)
            return None
        name = f"message {message.head.message_id:08x}"
        if not takes(self._codec)(message.head.message_type):
            self._say(f"{name}: made by a codec that is not here", Level.REFUSED)
            return None
        part = f", {missing * FRAME_S:.1f} s of it missing" if missing else ""
        whose = f"{'to' if self._service.is_own(message.head) else 'from'} {self._service.peer(message.head)}"
        self._say(f"playing {name} {whose}, {len(frames) * FRAME_S:.1f} s{part}")
        return name, self._decoded(frames)

    def _decoded(self, frames: Sequence[bytes | None]) -> Iterator[Pcm]:
        decoder = self._codec.decoder_stream()
        for frame in frames:
            yield decoder.decode(frame)
        tail = np.zeros(FRAME_SAMPLES, np.float32)
        tail[:SYNTHESIS_DELAY] = decoder.flush()
        yield tail

    def views(self) -> tuple[MessageView, ...]:
        """All messages of the spool, newest first, for the operator."""
        cards = self._service.catalogue.cards()
        outgoing = {card.name: self._service.progress(card) for card in cards if card.folder is Folder.OUTBOX}
        if cards is not self._viewed[0] or outgoing != self._viewed[1]:
            self._viewed = cards, outgoing
            self._views = tuple(self._view(card, outgoing.get(card.name)) for card in cards[:MAX_VIEWS])
        return self._views

    def _view(self, card: Card, progress: Progress | None) -> MessageView:
        held, total = (card.held, card.total) if progress is None else (progress.held, progress.total)
        is_voice = voice_codec(card.head.message_type) is not None
        return MessageView(
            "voice" if is_voice else "text",
            "in" if card.folder in (Folder.INBOX, Folder.PARTIAL) else "out",
            self._service.peer(card.head),
            float(card.stamps.wall_s),
            card.text,
            card.message_id,
            card.folder.value,
            held / total if total else 1.0,
            card.head.content_bytes // FRAME_BYTES * FRAME_S if is_voice else None,
        )
