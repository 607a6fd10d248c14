"""From what came off a link to packets: undo what guards bits, verify what is sealed, parse.

Rule: nothing that arrives raises; what cannot be used becomes a counter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.metrics import Metrics
from gateway.protocol.bit_protection import unprotect
from gateway.protocol.frames import ReceivedFrame
from gateway.protocol.opening import Opener
from gateway.protocol.packets import Packet, VoicePacket
from gateway.protocol.parse import Dropped, parse, without_crc
from gateway.protocol.protection import Protection


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """The packets in one arrival, several where some had been held back; `air_bytes`: as it came off the link, if that
    can be told of each packet; `alarm`: refusals that the operator should hear of, by reason."""

    packets: tuple[Packet, ...] = ()
    air_bytes: int | None = None
    alarm: Mapping[str, int] = field(default_factory=dict)


class Unwrapper:
    """`crc`: the link carries the checksum of clause 2.5; `opener` lets through what is of this net (None: no
    security); `protection`: whether packets are wrapped against bit errors, which guard themselves, never sealed."""

    def __init__(self, metrics: Metrics, *, crc: bool, protection: Protection, opener: Opener | None = None) -> None:
        self._metrics = metrics
        self._crc = crc
        self._protection = protection
        self._opener = opener

    def unwrap(self, data: bytes, now_s: float, one_probability: Sequence[float] | None = None) -> Unwrapped:
        """One arrival; `one_probability`: how probably each bit of `data` is 1, used under bit protection."""
        if self._protection.is_bit:
            return self._uncoded(data if one_probability is None else one_probability, len(data))
        if self._opener is not None:
            return self._unsealed(self._opener, data, now_s)
        return Unwrapped(self._parsed(data, self._crc), len(data))

    def _uncoded(self, received: bytes | Sequence[float], air_bytes: int) -> Unwrapped:
        """Undo what guards bits (12.3)."""
        bare = unprotect(received, self._protection.strong_bits)
        if isinstance(bare, Dropped):
            self._count(bare.reason.value)
            return Unwrapped()
        return Unwrapped(self._parsed(bare.data, False, bare.heard), air_bytes)

    def _unsealed(self, opener: Opener, data: bytes, now_s: float) -> Unwrapped:
        """Verify before anything else sees it (13.9)."""
        sealed = without_crc(data) if self._crc else data
        if isinstance(sealed, Dropped):
            self._count(sealed.reason.value)
            return Unwrapped()
        opened = opener.open(sealed, now_s)
        for refusal in opened.refused:
            self._count(refusal.value)
        packets = [packet for plain in opened.packets for packet in self._parsed(plain, False)]
        air_bytes = len(data) if len(opened.packets) == 1 else None  # several were held back: whose it is, is not told
        return Unwrapped(tuple(packets), air_bytes, {refusal.value: count for refusal, count in opened.alarm.items()})

    def _parsed(self, data: bytes, crc: bool, heard: tuple[ReceivedFrame, ...] | None = None) -> tuple[Packet, ...]:
        """The packet in `data`, its frames as `heard` where bits were guarded; none if there is none."""
        packet = parse(data, crc=crc)
        if isinstance(packet, Dropped):
            self._count(packet.reason.value)
            return ()
        if isinstance(packet, VoicePacket) and heard is not None:
            packet = replace(packet, heard=heard)
        return (packet,)

    def _count(self, reason: str) -> None:
        self._metrics.count(f"rx.dropped.{reason}")
