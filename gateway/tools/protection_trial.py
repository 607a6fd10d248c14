"""What protection leaves on a channel: drawn with the real packets and receivers, and calculated without them.

Rule: every frame that comes out of a trial is compared with the one that went in; a wrong one fails the trial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.channel.theory import block_residual, both_lost, word_failure
from gateway.errors import RemoteProtocolError
from gateway.protocol import golay
from gateway.protocol.bit_protection import HEADER_WORDS, importance, protected_frame_bits, unprotect
from gateway.protocol.checksum import CRC_BYTES
from gateway.protocol.frames import FRAME_BITS, PartialFrame
from gateway.protocol.over import OverConfig
from gateway.protocol.over_events import FramesArrived
from gateway.protocol.packetizer import Packetizer
from gateway.protocol.packets import (
    FRAME_BYTES,
    FRAME_S,
    HEADER_BYTES,
    SEQUENCES,
    ParityPacket,
    SessionBlock,
    VoicePacket,
)
from gateway.protocol.parse import Dropped, parse
from gateway.protocol.protection import Protection, ProtectionKind, protector
from gateway.protocol.protection_airtime import seal
from gateway.protocol.recovery import VoiceReceiver

HALF = FRAME_BITS // 2


@dataclass(frozen=True, slots=True)
class FramesLeft:
    """Shares of frames of which nothing is known in the end, and of those known in part."""

    lost: float
    partial: float


@dataclass(frozen=True, slots=True)
class BitsLeft:
    """Share of packets lost, and of the bits of the others that are wrong: the 12 most important of a frame, the other
    12."""

    lost: float
    strong: float
    weak: float


def loss_theory(protection: Protection, loss: float, mean_burst: float | None) -> FramesLeft:
    """Of a long over on a Gilbert-Elliott channel; exact."""
    match protection.kind:
        case ProtectionKind.STAGE_ONE_REPEAT | ProtectionKind.TWO_BYTE_REPEAT:
            lost = both_lost(loss, mean_burst, protection.distance)
            return FramesLeft(lost, loss - lost)
        case ProtectionKind.PAYLOAD_REPEAT:
            return FramesLeft(both_lost(loss, mean_burst, protection.distance), 0.0)
        case ProtectionKind.REED_SOLOMON:
            return FramesLeft(block_residual(loss, mean_burst, protection.n, protection.k, protection.depth), 0.0)
        case _:
            return FramesLeft(loss, 0.0)


def loss_trial(
    protection: Protection, channel: ChannelSpec, *, packets: int, frames_per_packet: int, seed: int
) -> FramesLeft:
    """One over of `packets` full packets of random frames. Raises RemoteProtocolError if a frame comes out wrong."""
    rng = np.random.default_rng(seed)
    air = Channel(channel, rng)
    frames = [rng.bytes(FRAME_BYTES) for _ in range(packets * frames_per_packet)]
    # One over however long a burst: another one would begin with numbers of its own (6.2, 7.3).
    receiver = VoiceReceiver(OverConfig(frames_per_packet, time_out_s=len(frames) * FRAME_S))
    known = np.zeros(len(frames), np.int64)  # bits of each frame
    for now_s, packet in over_packets(frames, protection, frames_per_packet):
        for delivery in air.send(packet.to_bytes(crc=False), now_s):
            arrived = parse(delivery.data, crc=False)
            events = receiver.receive(arrived, now_s) if isinstance(arrived, VoicePacket | ParityPacket) else ()
            for event in events:
                if isinstance(event, FramesArrived):
                    _compare(event, frames, known)
    return FramesLeft(float(np.mean(known == 0)), float(np.mean((known > 0) & (known < FRAME_BITS))))


def over_packets(
    frames: list[bytes], protection: Protection, frames_per_packet: int, *, over_id: int = 1
) -> Iterator[tuple[float, VoicePacket | ParityPacket]]:
    """When each packet of the over is sent, and the packet."""
    packetizer = Packetizer(frames_per_packet, SessionBlock(1, 1, 1, 1), over_id)
    guard = protector(protection)
    for count, frame in enumerate(frames, 1):
        packet = packetizer.push(frame)
        if packet is not None:
            for sent in guard.push(packet):
                yield count * FRAME_S, sent
    for sent in guard.push(packetizer.finish()):
        yield len(frames) * FRAME_S, sent


def _compare(event: FramesArrived, frames: list[bytes], known: NDArray[np.int64]) -> None:
    for index, frame in enumerate(event.frames, event.first_frame_index):
        bits = frame.known_bits if isinstance(frame, PartialFrame) else FRAME_BITS
        data = frame.data if isinstance(frame, PartialFrame) else frame
        sent = int.from_bytes(frames[index], "big") >> FRAME_BITS - bits
        if not isinstance(data, bytes) or int.from_bytes(data, "big") >> FRAME_BITS - bits != sent:
            raise RemoteProtocolError(f"frame {index} came out as {data!r}; sent was {frames[index].hex()}")
        known[index] = max(known[index], bits)


def bit_theory(protection: Protection, rate: float, *, frames_per_packet: int, crc: bool) -> BitsLeft:
    """On a channel with this bit error rate. Under a bit code an upper bound: hard decisions, words that cannot be
    corrected left as they came, those corrected wrongly three bits worse; reached but for the rare ones."""
    if not protection.is_bit:
        checked = HEADER_BYTES + (FRAME_BYTES * frames_per_packet + CRC_BYTES if crc else 0)
        wrong = 0.0 if crc else rate
        return BitsLeft(1 - (1 - rate) ** (8 * checked), wrong, wrong)
    failing = word_failure(golay.WORD_BITS, golay.MAX_CORRECTED, rate)
    inside = sum(
        comb(golay.WORD_BITS, errors)
        * rate**errors
        * (1 - rate) ** (golay.WORD_BITS - errors)
        * min(1.0, (errors + (golay.MAX_CORRECTED if errors > golay.MAX_CORRECTED + 1 else 0)) / golay.WORD_BITS)
        for errors in range(golay.MAX_CORRECTED + 1, golay.WORD_BITS + 1)
    )
    coded = protected_frame_bits(frames_per_packet, protection.strong_bits) / frames_per_packet
    shares = [min(1.0, max(0.0, (coded - first) / HALF)) for first in (0, HALF)]
    strong, weak = (share * inside + (1 - share) * rate for share in shares)
    return BitsLeft(1 - (1 - failing) ** HEADER_WORDS, strong, weak)


def bit_trial(
    protection: Protection,
    rate: float,
    *,
    packets: int,
    frames_per_packet: int,
    seed: int,
    crc: bool,
    soft: bool = False,
) -> BitsLeft:
    """Packets of random frames with this bit error rate; `soft`: from a modem that gives probabilities."""
    rng = np.random.default_rng(seed)
    lost, used = 0, 0
    wrong = np.zeros(FRAME_BITS)
    for number in range(packets):
        frames = tuple(rng.bytes(FRAME_BYTES) for _ in range(frames_per_packet))
        packet = VoicePacket(1, number % SEQUENCES, False, frames)
        data = seal(packet, protection, crc=crc)
        got = _arrived(data, protection, rate, rng, crc=crc, soft=soft)
        same = isinstance(got, VoicePacket) and (got.over_id, got.sequence) == (packet.over_id, packet.sequence)
        if not isinstance(got, VoicePacket) or not same or len(got.frames) != frames_per_packet:
            lost += 1
            continue
        used += 1
        bits = (np.unpackbits(np.frombuffer(b"".join(one), np.uint8)) for one in (frames, got.frames))
        wrong += np.bitwise_xor(*bits).reshape(frames_per_packet, FRAME_BITS)[:, importance()].mean(axis=0)
    shares = wrong / max(1, used)
    return BitsLeft(lost / packets, float(shares[:HALF].mean()), float(shares[HALF:].mean()))


def _arrived(
    data: bytes, protection: Protection, rate: float, rng: np.random.Generator, *, crc: bool, soft: bool
) -> object:
    """The packet that is made of `data` after the channel, or something that is none."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    received: bytes | NDArray[np.float64]
    if soft:
        amplitude = NormalDist().inv_cdf(1 - rate)  # in units of the noise
        heard = amplitude * (2.0 * bits - 1.0) + rng.standard_normal(len(bits))
        received = 1.0 / (1.0 + np.exp(-2.0 * amplitude * heard))
    else:
        received = np.packbits(bits ^ (rng.random(len(bits)) < rate)).tobytes()
    if not protection.is_bit:
        assert isinstance(received, bytes)
        return parse(received, crc=crc)
    bare = unprotect(received, protection.strong_bits)
    return bare if isinstance(bare, Dropped) else parse(bare.data, crc=False)
