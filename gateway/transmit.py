"""Microphone to link: PCM in, packets out. Read `push` from top to bottom to follow speech onto the air.

Rule: one `Transmitter` per station; the encoder's state lives from `start` to `finish` of one over and no longer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.codec import Codec, EncoderStream
from gateway.errors import LocalProtocolError
from gateway.metrics import Metrics
from gateway.protocol.carriage import Carriage
from gateway.protocol.over import Packetizer, next_over_id
from gateway.protocol.packets import CRC_BYTES, Packet, SessionBlock, VoicePacket, with_crc
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
    ) -> None:
        """`source` (u16) and `group` (u8) go out in the session block; `crc` where the link checks nothing itself;
        `suppressor` makes the noise suppressor of one over, which goes before the codec; `sealer` makes packets secure
        (None: no security)."""
        self._codec = codec
        self._session = SessionBlock(source, group, codec.spec.codec_id, codec.spec.codec_version)
        self._frames_per_packet = frames_per_packet
        self._crc = crc
        self._rng = rng
        self._metrics = metrics
        self._lookahead = lookahead
        self._new_suppressor = suppressor
        self._sealer = sealer
        self._suppressor: Suppressor | None = None
        self._over_id: int | None = None
        self._encoder: EncoderStream | None = None
        self._packetizer: Packetizer | None = None

    @property
    def crc(self) -> bool:
        """Whether packets carry a CRC-16."""
        return self._crc

    @property
    def carriage(self) -> Carriage:
        """What becomes of a packet outside an over (text, report, message) until the link has it."""
        security = 0 if self._sealer is None else self._sealer.packet_overhead_bytes
        return Carriage(security + (CRC_BYTES if self._crc else 0))

    def on_air(self, packet: Packet) -> bytes:
        """A packet as the link takes it: plain bytes, sealed where there is security, then the checksum.

        Packets are sealed in the order in which they are sent. Raises SecurityError without a safe counter.
        """
        if self._sealer is None:
            return packet.to_bytes(self._crc)
        sealed = self._sealer.seal(packet.to_bytes(False))
        return with_crc(sealed) if self._crc else sealed

    @property
    def active(self) -> bool:
        """Whether an over is being sent."""
        return self._encoder is not None

    @property
    def over_id(self) -> int | None:
        """Id of the over being sent, or of the last one."""
        return self._over_id

    def start(self, frames_per_packet: int | None = None, avoid_ids: Collection[int] = ()) -> None:
        """Begin an over, in packets of its own size if one is given, under an id that none of `avoid_ids` has; one that
        was still open is abandoned. Raises SecurityError without a safe counter."""
        if self._sealer is not None:
            self._encoder = self._packetizer = None
            self._sealer.begin_over()
        self._over_id = next_over_id(self._over_id, self._rng, avoid_ids)
        self._encoder = self._codec.encoder_stream(self._lookahead)
        self._suppressor = None if self._new_suppressor is None else self._new_suppressor()
        self._packetizer = Packetizer(frames_per_packet or self._frames_per_packet, self._session, self._over_id)
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
        packets.append(self._voice(self._packetizer.finish()))
        self._encoder = self._packetizer = self._suppressor = None
        return packets

    def _packets(self, frames: list[bytes]) -> list[bytes]:
        assert self._packetizer is not None
        pushed = (self._packetizer.push(frame) for frame in frames)
        return [self._voice(packet) for packet in pushed if packet is not None]

    def _voice(self, packet: VoicePacket) -> bytes:
        data = self.on_air(packet)
        self._metrics.count("tx.packets")
        self._metrics.count("tx.frames", len(packet.frames))
        self._metrics.count("tx.bytes", len(data))
        return data
