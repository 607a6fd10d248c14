"""What may be known of a codec frame at the receiver: all of it, its coarse stage, or each bit with some doubt.

Rule: a frame known better replaces one known worse, never the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import LocalProtocolError

FRAME_BITS = 24
COARSE_BITS = 12
"""Bits of the coarse stage, the first ones of a frame (SPEC 1.1)."""
_FRAME_BYTES = FRAME_BITS // 8


@dataclass(frozen=True, slots=True)
class CoarseFrame:
    """A frame of which only the coarse stage is known: 3 bytes, the last 12 bits 0."""

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != _FRAME_BYTES or self.data[1] & 0x0F or self.data[2]:
            raise LocalProtocolError(f"coarse frame {self.data.hex()}: needs 3 bytes, the last 12 bits 0")


@dataclass(frozen=True, slots=True)
class SoftFrame:
    """A frame of which some bits are doubtful: the probability (24) that each is 1, in the order on the air."""

    one_probability: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.one_probability) != FRAME_BITS:
            raise LocalProtocolError(f"soft frame of {len(self.one_probability)} bits: needs {FRAME_BITS}")


ReceivedFrame = bytes | CoarseFrame | SoftFrame
"""What the jitter buffer holds; `bytes` is a whole frame without doubt."""


def is_better(new: ReceivedFrame, old: ReceivedFrame) -> bool:
    """Whether `new` says more of the same frame than `old`."""
    return _worth(new) > _worth(old)


def _worth(frame: ReceivedFrame) -> int:
    return 0 if isinstance(frame, CoarseFrame) else 1 if isinstance(frame, SoftFrame) else 2


def coarse(frame: bytes) -> bytes:
    """A frame's coarse stage: the same 3 bytes with the last 12 bits 0."""
    return bytes((frame[0], frame[1] & 0xF0, 0))


def pack_coarse(frames: tuple[bytes, ...]) -> bytes:
    """The first 12 bits of each frame one after the other, filled up with zero bits to whole bytes."""
    value = 0
    for frame in frames:
        value = value << COARSE_BITS | frame[0] << 4 | frame[1] >> 4
    bits = COARSE_BITS * len(frames)
    size = coarse_bytes(len(frames))
    return (value << 8 * size - bits).to_bytes(size, "big")


def unpack_coarse(data: bytes, count: int) -> tuple[bytes, ...]:
    """`count` coarse frames, 3 bytes each, from `coarse_bytes(count)` bytes; the filling is ignored."""
    value = int.from_bytes(data, "big") >> 8 * len(data) - COARSE_BITS * count
    words = [value >> COARSE_BITS * (count - 1 - place) & 0xFFF for place in range(count)]
    return tuple((word << COARSE_BITS).to_bytes(_FRAME_BYTES, "big") for word in words)


def coarse_bytes(count: int) -> int:
    """Bytes that the coarse stages of `count` frames fill."""
    return (COARSE_BITS * count + 7) // 8
