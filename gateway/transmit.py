"""Microphone to link: PCM in, packets out. Read `push` from top to bottom to follow speech onto the air.

Rule: one `Transmitter` per station; the encoder's state lives from `start` to `finish` of one over and no longer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.codec import Codec, EncoderStream, SearchPace, SearchSettings
from gateway.codec.level import TalkerLevel
from gateway.errors import LocalProtocolError
from gateway.metrics import Metrics
from gateway.protocol.bit_protection import protect
from gateway.protocol.carriage import UNDER_BIT_PROTECTION, Carriage
from gateway.protocol.checksum import CRC_BYTES, with_crc
from gateway.protocol.packetizer import Packetizer, next_over_id
from gateway.protocol.packets import Packet, ParityPacket, SessionBlock, VoicePacket
from gateway.protocol.protection import Protection, Protector, protector
from gateway.protocol.sealing import Sealer


class Suppressor(Protocol):
    """What cleans speech before the codec: stateful, for one over; `gateway.audio.denoise.Denoiser` is one."""

    def push(self, pcm: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take samples (n,) in, give those that are ready."""

    def flush(self) -> NDArray[np.float32]:
        """The samples still held back."""


class Transmitter:
    """Turns the operator's speech into packets, one over at a time."""

    def __init__(
        self,
        codec: Codec,
        *,
        source: int,
        group: int,
        frames_per_packet: int,
        crc: bool,
        rng: random.Random,
        metrics: Metrics,
        lookahead: int | None = None,
        suppressor: Callable[[], Suppressor] | None = None,
        sealer: Sealer | None = None,
        protection: Protection | None = None,
        search: bool = False,
        pace: SearchPace | None = None,
        talker: TalkerLevel | None = None,
        tap: Callable[[VoicePacket | ParityPacket, int], None] | None = None,
    ) -> None:
        """`source` (u16) and `group` (u8) go out in the session block; `crc` where the link checks nothing
        itself; `suppressor` makes the noise suppressor of one over, which goes before the codec; `sealer` makes
        packets secure (None: no security); `protection` None is none; with `search` the codec searches each
        packet, in no more steps than `pace` has time for; `talker` is how loud the last one was, kept up; `tap`
        is shown each packet of an over before it is sealed, and its bytes on the air. Raises LocalProtocolError
        for both against bit errors."""
        if sealer is not None and protection is not None and protection.is_bit:
            raise LocalProtocolError("bit protection lets wrong bits of voice pass, and the tag of security bears none")
        self._codec = codec
        self._session = SessionBlock(source, group, codec.spec.codec_id, codec.spec.codec_version)
        self._frames_per_packet = frames_per_packet
        self._crc = crc
        self._rng = rng
        self._metrics = metrics
        self._lookahead = lookahead
        self._search, self._pace = search, pace
        self._tap = tap
        self._new_suppressor = suppressor
        self._sealer = sealer
        self._suppressor: Suppressor | None = None
        self._over_id: int | None = None
        self._encoder: EncoderStream | None = None
        self._talker = TalkerLevel() if talker is None else talker
        self._packetizer: Packetizer | None = None
        self._protection = Protection() if protection is None else protection
        self._protector: Protector = protector(self._protection)

    def twin(self, tap: Callable[[VoicePacket | ParityPacket, int], None]) -> Transmitter:
        """Another one of the same codec and settings for overs that never go on the air: without security, and what
        it counts is nobody's."""
        return Transmitter(
            self._codec,
            source=self._session.source,
            group=self._session.group,
            frames_per_packet=self._frames_per_packet,
            crc=self._crc,
            rng=self._rng,
            metrics=Metrics(),
            lookahead=self._lookahead,
            suppressor=self._new_suppressor,
            protection=self._protection,
            search=self._search,
            pace=self._pace,
            talker=self._talker,
            tap=tap,
        )

    @property
    def protection(self) -> Protection:
        """What guards the voice; a new value holds from the next over on. Bit protection is the net's: it stays."""
        return self._protection

    @protection.setter
    def protection(self, protection: Protection) -> None:
        if protection.is_bit != self._protection.is_bit:
            raise LocalProtocolError(
                "bit protection is the same for all stations of a net: it cannot be changed in use"
            )
        self._protection = protection

    @property
    def crc(self) -> bool:
        """Whether packets carry a CRC-16."""
        return self._crc

    @property
    def carriage(self) -> Carriage:
        """What becomes of a packet outside an over (text, report, message) until the link has it."""
        if self._protection.is_bit:
            return UNDER_BIT_PROTECTION
        security = 0 if self._sealer is None else self._sealer.packet_overhead_bytes
        return Carriage(security + (CRC_BYTES if self._crc else 0))

    def on_air(self, packet: Packet) -> bytes:
        """A packet as the link takes it: wrapped against bit errors, or sealed where there is security and then with
        the checksum where it has one.

        Packets are sealed in the order in which they are sent. Raises SecurityError without a safe counter.
        """
        if self._protection.is_bit:
            return protect(packet.to_bytes(False), self._protection.strong_bits)
        if self._sealer is None:
            return packet.to_bytes(self._crc)
        sealed = self._sealer.seal(packet.to_bytes(False))
        return with_crc(sealed) if self._crc else sealed

    @property
    def codec_delay_ms(self) -> float:
        """Of the codec as it is used here, one frame included, without computing."""
        return self._codec.delay_ms(self._lookahead)

    @property
    def suppresses_noise(self) -> bool:
        """Whether a suppressor goes before the codec."""
        return self._new_suppressor is not None

    @property
    def talker_db(self) -> float | None:
        """Active level of who spoke last into this station's microphone, dBFS; None before anybody did."""
        return self._talker.level_db

    @property
    def active(self) -> bool:
        """Whether an over is being sent."""
        return self._encoder is not None

    @property
    def over_id(self) -> int | None:
        """Id of the over being sent, or of the last one."""
        return self._over_id

    def start(
        self,
        frames_per_packet: int | None = None,
        avoid_ids: Collection[int] = (),
        protection: Protection | None = None,
    ) -> None:
        """Begin an over, with a packet size and a protection of its own if they are given, under an id that none of
        `avoid_ids` has; one that was still open is abandoned. Raises SecurityError without a safe counter."""
        if protection is not None:
            self.protection = protection
        if self._sealer is not None:
            self._encoder = self._packetizer = None
            self._sealer.begin_over()
        self._over_id = next_over_id(self._over_id, self._rng, avoid_ids)
        frames = frames_per_packet or self._frames_per_packet
        lookahead = self._codec.spec.default_lookahead if self._lookahead is None else self._lookahead
        search = SearchSettings.live(frames, lookahead) if self._search else None
        self._encoder = self._codec.encoder_stream(lookahead, search, self._pace, self._talker.level_db)
        self._suppressor = None if self._new_suppressor is None else self._new_suppressor()
        self._packetizer = Packetizer(frames, self._session, self._over_id)
        self._protector = protector(self._protection)
        self._metrics.count("tx.overs")

    def push(self, pcm: NDArray[np.float32]) -> list[bytes]:
        """Any number of samples (samples,) of the running over; returns the packets that became complete."""
        if self._encoder is None:
            raise LocalProtocolError("speech pushed outside an over")
        return self._packets(self._encoder.push(pcm if self._suppressor is None else self._suppressor.push(pcm)))

    def finish(self) -> list[bytes]:
        """End the over: what the lookahead held back, and a last packet that says so."""
        if self._encoder is None or self._packetizer is None:
            return []
        packets = [] if self._suppressor is None else self._packets(self._encoder.push(self._suppressor.flush()))
        packets += self._packets(self._encoder.flush())
        self._talker.learn(self._encoder.level_db)
        packets += self._protected(self._packetizer.finish())
        self._encoder = self._packetizer = self._suppressor = None
        return packets

    def _packets(self, frames: list[bytes]) -> list[bytes]:
        assert self._packetizer is not None
        pushed = (self._packetizer.push(frame) for frame in frames)
        return [data for packet in pushed if packet is not None for data in self._protected(packet)]

    def _protected(self, packet: VoicePacket) -> list[bytes]:
        """The packet's bytes, and those of what guards it or earlier ones."""
        self._metrics.count("tx.frames", len(packet.frames))
        packets = self._protector.push(packet)
        sent = [self.on_air(one) for one in packets]
        if self._tap is not None:
            for one, data in zip(packets, sent, strict=True):
                self._tap(one, len(data))
        self._metrics.count("tx.packets", len(sent))
        self._metrics.count("tx.bytes", sum(map(len, sent)))
        return sent
