"""What may be known of a codec frame at the receiver: all of it, its first bits, or each bit with some doubt.

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
class PartialFrame:
    """A frame of which the first `known_bits` are known: 3 bytes, the others 0."""

    data: bytes
    known_bits: int = COARSE_BITS

    def __post_init__(self) -> None:
        if len(self.data) != _FRAME_BYTES or first_bits(self.data, self.known_bits) != self.data:
            raise LocalProtocolError(f"partial frame {self.data.hex()}: needs 3 bytes, 0 after {self.known_bits} bits")

    def probabilities(self) -> tuple[float, ...]:
        """That each of the 24 bits is 1."""
        bits = int.from_bytes(self.data, "big")
        known = (float(bits >> FRAME_BITS - 1 - place & 1) for place in range(self.known_bits))
        return (*known, *(0.5 for _ in range(FRAME_BITS - self.known_bits)))


@dataclass(frozen=True, slots=True)
class SoftFrame:
    """A frame of which some bits are doubtful: the probability (24) that each is 1, in the order on the air."""

    one_probability: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.one_probability) != FRAME_BITS:
            raise LocalProtocolError(f"soft frame of {len(self.one_probability)} bits: needs {FRAME_BITS}")


ReceivedFrame = bytes | PartialFrame | SoftFrame
"""What the jitter buffer holds; `bytes` is a whole frame without doubt."""


def is_better(new: ReceivedFrame, old: ReceivedFrame) -> bool:
    """Whether `new` says more of the same frame than `old`."""
    return _worth(new) > _worth(old)


def _worth(frame: ReceivedFrame) -> int:
    if isinstance(frame, PartialFrame):
        return frame.known_bits
    return FRAME_BITS - 1 if isinstance(frame, SoftFrame) else FRAME_BITS


def first_bits(frame: bytes, bits: int) -> bytes:
    """The same 3 bytes with all after the first `bits` bits 0."""
    rest = FRAME_BITS - bits
    return (int.from_bytes(frame, "big") >> rest << rest).to_bytes(len(frame), "big")


def pack_first_bits(frames: tuple[bytes, ...], bits: int) -> bytes:
    """The first `bits` bits of each frame one after the other, filled up with zero bits to whole bytes."""
    value = 0
    for frame in frames:
        value = value << bits | int.from_bytes(frame, "big") >> FRAME_BITS - bits
    size = packed_bytes(len(frames), bits)
    return (value << 8 * size - bits * len(frames)).to_bytes(size, "big")


def unpack_first_bits(data: bytes, count: int, bits: int) -> tuple[bytes, ...]:
    """`count` frames, 3 bytes each, from `packed_bytes(count, bits)` bytes; the filling is ignored."""
    value = int.from_bytes(data, "big") >> 8 * len(data) - bits * count
    words = [value >> bits * (count - 1 - place) & (1 << bits) - 1 for place in range(count)]
    return tuple((word << FRAME_BITS - bits).to_bytes(_FRAME_BYTES, "big") for word in words)


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that the first `bits` bits of `count` frames fill."""
    return (bits * count + 7) // 8
