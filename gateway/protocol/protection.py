"""Which protection an over has, what it costs in delay, and the sender's half of repeats and Reed-Solomon blocks.

Rule: what a `Protector` adds comes after the packets it was given, which it never holds back, so that protection costs
the sender no delay and a receiver that ignores it loses nothing but the protection.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from gateway.errors import LocalProtocolError
from gateway.protocol.bit_protection import check_strong_bits
from gateway.protocol.blocks import BlockSender
from gateway.protocol.frames import first_bits
from gateway.protocol.packets import MAX_BLOCK, MAX_DISTANCE, ParityPacket, Repeat, RepeatScheme, VoicePacket

MAX_SPAN = 32
"""Packets of one group of blocks at most: as far back as sequence numbers tell (6.3)."""


class ProtectionKind(Enum):
    """What guards the voice of a link; the values are the words of the configuration."""

    NONE = "none"
    STAGE_ONE_REPEAT = "stage-one-repeat"
    TWO_BYTE_REPEAT = "two-byte-repeat"
    PAYLOAD_REPEAT = "payload-repeat"
    REED_SOLOMON = "reed-solomon"
    BIT = "bit"


@dataclass(frozen=True, slots=True)
class Protection:
    """A kind and the figures of it: `distance` of repeats (packets), `n`, `k` and `depth` of blocks, `strong_bits` of
    each frame under the bit code. Figures of other kinds have no meaning. Raises LocalProtocolError naming the figure.
    """

    kind: ProtectionKind = ProtectionKind.NONE
    distance: int = 4
    n: int = 6
    k: int = 4
    depth: int = 1
    strong_bits: int = 12

    def __post_init__(self) -> None:
        if not 1 <= self.distance <= MAX_DISTANCE:
            raise LocalProtocolError(f"distance {self.distance}: needs 1 to {MAX_DISTANCE} packets (SPEC 12.1)")
        if not 2 <= self.k <= MAX_BLOCK:
            raise LocalProtocolError(f"k {self.k}: needs 2 to {MAX_BLOCK} voice packets in a block (SPEC 12.2)")
        if not self.k < self.n <= self.k + MAX_BLOCK:
            raise LocalProtocolError(
                f"n {self.n}: needs {self.k + 1} to {self.k + MAX_BLOCK} with k {self.k} (SPEC 12.2)"
            )
        if not 1 <= self.depth <= MAX_BLOCK or self.k * self.depth > MAX_SPAN:
            raise LocalProtocolError(f"depth {self.depth}: k times depth needs to be {MAX_SPAN} or less (SPEC 12.2)")
        check_strong_bits(self.strong_bits)

    @property
    def name(self) -> str:
        """For people: the kind and the figures that it has."""
        match self.kind:
            case ProtectionKind.STAGE_ONE_REPEAT | ProtectionKind.TWO_BYTE_REPEAT | ProtectionKind.PAYLOAD_REPEAT:
                return f"{self.kind.value} d={self.distance}"
            case ProtectionKind.REED_SOLOMON:
                return f"{self.kind.value} ({self.n},{self.k})" + (f" depth {self.depth}" if self.depth > 1 else "")
            case ProtectionKind.BIT:
                return f"bit golay {self.strong_bits}/24"
            case _:
                return str(self.kind.value)

    @property
    def is_bit(self) -> bool:
        """Whether packets are wrapped against bit errors: then they carry no CRC (12.3)."""
        return self.kind is ProtectionKind.BIT

    @property
    def delay_packets(self) -> int:
        """Packets by which what is recovered comes later than its own packet: the cushion must cover them (12.4)."""
        match self.kind:
            case ProtectionKind.STAGE_ONE_REPEAT | ProtectionKind.TWO_BYTE_REPEAT | ProtectionKind.PAYLOAD_REPEAT:
                return self.distance
            case ProtectionKind.REED_SOLOMON:
                return self.k * self.depth
            case _:
                return 0


class Protector(Protocol):
    """Sender's redundancy for one over."""

    def push(self, packet: VoicePacket) -> tuple[VoicePacket | ParityPacket, ...]:
        """Take the over's next packet; what is to be sent now, that packet first."""


def protector(protection: Protection) -> Protector:
    """A fresh one, for one over."""
    match protection.kind:
        case ProtectionKind.STAGE_ONE_REPEAT:
            return _Repeater(RepeatScheme.STAGE_ONE, protection.distance)
        case ProtectionKind.TWO_BYTE_REPEAT:
            return _Repeater(RepeatScheme.TWO_BYTES, protection.distance)
        case ProtectionKind.PAYLOAD_REPEAT:
            return _Repeater(RepeatScheme.PAYLOAD, protection.distance)
        case ProtectionKind.REED_SOLOMON:
            return BlockSender(protection.n, protection.k, protection.depth)
        case _:
            return _Plain()


class _Plain:
    def push(self, packet: VoicePacket) -> tuple[VoicePacket | ParityPacket, ...]:
        return (packet,)


class _Repeater:
    """Each packet carries the one `distance` before it; copies of the last one carry those that are left (12.1)."""

    def __init__(self, scheme: RepeatScheme, distance: int) -> None:
        self._scheme, self._distance = scheme, distance
        self._earlier: deque[tuple[bytes, ...]] = deque(maxlen=distance)

    def push(self, packet: VoicePacket) -> tuple[VoicePacket | ParityPacket, ...]:
        sent = [packet]
        if len(self._earlier) == self._distance:
            sent = [self._with_repeat(packet, self._distance)]
        if packet.end_of_over:
            left = min(self._distance - 1, len(self._earlier))
            sent = sent + ([self._with_repeat(packet, distance) for distance in range(left, 0, -1)] or sent)
        self._earlier.append(packet.frames)
        return tuple(sent)

    def _with_repeat(self, packet: VoicePacket, distance: int) -> VoicePacket:
        frames = tuple(first_bits(frame, self._scheme.bits) for frame in self._earlier[-distance])
        return replace(packet, repeat=Repeat(self._scheme, distance, frames))
