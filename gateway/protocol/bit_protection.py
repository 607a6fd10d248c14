"""Packets on links that deliver bits with errors: unequal protection, interleaving, soft bits (SPEC.md, clause 12.3).

Rule: a voice packet whose header is right is used, whatever its frames have suffered; what is doubtful in them is said
to be so. Everything that is not voice has to be right to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gateway.errors import LocalProtocolError
from gateway.protocol import golay
from gateway.protocol.checksum import CRC_BYTES, crc16
from gateway.protocol.frames import FRAME_BITS, ReceivedFrame, SoftFrame
from gateway.protocol.packets import FRAME_BYTES, HEADER_BYTES, MAX_FRAMES, SESSION_BYTES
from gateway.protocol.parse import Dropped, DropReason

HEADER_WORDS = 2
SESSION_WORDS = 4
HEADER_CODED_BYTES = HEADER_WORDS * golay.WORD_BITS // 8
MAX_BODY_BYTES = 255
_VOICE_TYPES = (0, 1)
_TYPE_SHIFT = 12
_SESSION_TYPE_BIT = 0x10  # of the header's first byte: type 1 less this is type 0
_LEAST_STEP = golay.WORD_BITS + 1
_ASSUMED_ERROR_RATE = 0.01  # of a bit that comes without a probability, where a word has more errors than 2
_IMPORTANCE = (*range(8), *range(12, 16), *range(8, 12), *range(16, 24))
# Bits of a frame from most to least important, by the error a flip makes in the decoded mel: top and middle bits of the
# coarse stage, top bits of the fine one, then the rest.
LEAST_STRONG_BITS = 8
_CERTAIN = 0.1  # less doubt is none: the decoder knows wrong bits from training, and slight doubt from nowhere

Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Unprotected:
    """A packet got back: its bytes, and for voice what is known of each frame."""

    data: bytes
    heard: tuple[ReceivedFrame, ...] | None = None


def check_strong_bits(strong_bits: int) -> None:
    """Raise LocalProtocolError unless as many bits of each frame can be protected."""
    if not LEAST_STRONG_BITS <= strong_bits <= FRAME_BITS:
        raise LocalProtocolError(
            f"strong_bits {strong_bits}: needs {LEAST_STRONG_BITS} to {FRAME_BITS} bits of a frame (SPEC 12.3)"
        )


def crc8(data: bytes) -> int:
    """CRC-8/AUTOSAR: polynomial 0x2F, start 0xFF, nothing reflected, final XOR 0xFF; of `123456789`: 0xDF."""
    value = 0xFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (0x2F if value & 0x80 else 0)) & 0xFF
    return value ^ 0xFF


def coded_frames_bits(frames: int, strong_bits: int) -> int:
    """Bits that the frames of a voice packet fill once protected."""
    return FRAME_BITS * frames + golay.DATA_BITS * _frame_words(frames, strong_bits)


def coded_voice_bytes(frames: int, strong_bits: int, *, session: bool) -> int:
    """Length of a protected voice packet."""
    words = HEADER_WORDS + (SESSION_WORDS if session else 0)
    return (golay.WORD_BITS * words + coded_frames_bits(frames, strong_bits) + 7) // 8


def coded_other_bytes(size: int) -> int:
    """Length of a protected packet of `size` bytes that is not voice."""
    words = math.ceil(8 * (1 + size - HEADER_BYTES + CRC_BYTES) / golay.DATA_BITS)
    return HEADER_CODED_BYTES + golay.WORD_BITS * words // 8


def longest_other_bytes(coded: int) -> int:
    """Bytes of the longest packet, not voice, that is `coded` bytes long at most once protected."""
    room = (coded - HEADER_CODED_BYTES) * 8 // golay.WORD_BITS * golay.DATA_BITS // 8
    return max(0, min(room - 1 - CRC_BYTES, MAX_BODY_BYTES) + HEADER_BYTES)


def protect(packet: bytes, strong_bits: int) -> bytes:
    """A packet without checksum as it goes to a link with bit errors. Raises LocalProtocolError where it is none."""
    check_strong_bits(strong_bits)
    header, body = packet[:HEADER_BYTES], packet[HEADER_BYTES:]
    if len(header) < HEADER_BYTES:
        raise LocalProtocolError(f"packet of {len(packet)} bytes: needs a header")
    parts = [_coded(header + bytes((crc8(header),)))]
    kind = _kind(header)
    if kind in _VOICE_TYPES:
        if kind:
            session, body = body[:SESSION_BYTES], body[SESSION_BYTES:]
            parts.append(_coded(session + crc16(session).to_bytes(CRC_BYTES, "big")))
        parts += _protected_frames(body, strong_bits)
    else:
        if len(body) > MAX_BODY_BYTES:
            raise LocalProtocolError(
                f"packet of {len(packet)} bytes: at most {MAX_BODY_BYTES + HEADER_BYTES} (SPEC 12.3)"
            )
        checked = bytes((len(body),)) + body
        parts.append(_coded(checked + crc16(header + checked).to_bytes(CRC_BYTES, "big")))
    coded = np.concatenate(parts)
    whole = np.zeros((len(coded) + 7) // 8 * 8, np.uint8)
    whole[: len(coded)] = coded
    return np.packbits(whole[_order(len(whole))]).tobytes()


def unprotect(received: bytes | Sequence[float] | Probabilities, strong_bits: int) -> Unprotected | Dropped:
    """What was protected, from bytes or from the probability that each bit is 1; or why there is nothing. Never raises.

    The packet's own parser has the last word on `data`.
    """
    soft = not isinstance(received, bytes | bytearray)
    sent = _probabilities(received)
    if len(sent) < 8 * HEADER_CODED_BYTES or len(sent) % 8:
        return Dropped(DropReason.TOO_SHORT, f"{len(sent)} bits, needs at least {8 * HEADER_CODED_BYTES}")
    coded = np.empty_like(sent)
    coded[_order(len(sent))] = sent
    header_bits, rest = np.split(coded, [HEADER_WORDS * golay.WORD_BITS])
    checked = _bytes(_decoded(header_bits, soft))
    header = checked[:HEADER_BYTES]
    if crc8(header) != checked[HEADER_BYTES]:
        return Dropped(DropReason.BAD_CRC, "protected header")
    if _kind(header) not in _VOICE_TYPES:
        return _other(header, _bytes(_decoded(rest[: len(rest) // golay.WORD_BITS * golay.WORD_BITS], soft)))
    return _voice(header, rest, len(sent) // 8, strong_bits, soft)


def _voice(header: bytes, rest: Probabilities, size: int, strong_bits: int, soft: bool) -> Unprotected | Dropped:
    with_session = _kind(header) == 1
    frames = _frames_in(size, strong_bits, with_session)
    if frames is None:
        return Dropped(DropReason.BAD_LENGTH, f"protected voice packet of {size} bytes")
    session = b""
    if with_session:
        session_bits, rest = np.split(rest, [SESSION_WORDS * golay.WORD_BITS])
        checked = _bytes(_decoded(session_bits, soft))
        session = checked[:SESSION_BYTES]
        if crc16(session) != int.from_bytes(checked[SESSION_BYTES:], "big"):
            # The voice is good without it; the block comes again.
            session, header = b"", bytes((header[0] & ~_SESSION_TYPE_BIT, header[1]))
    ones = _frame_probabilities(rest, frames, strong_bits, soft)
    doubtful = np.any((ones > 0.0) & (ones < 1.0), axis=1)
    data = [np.packbits(bits > 0.5).tobytes() for bits in ones]
    heard = tuple(
        SoftFrame(tuple(map(float, bits))) if doubt else frame
        for bits, doubt, frame in zip(ones, doubtful, data, strict=True)
    )
    return Unprotected(header + session + b"".join(data), heard)


def _other(header: bytes, body: bytes) -> Unprotected | Dropped:
    if len(body) < 1 + CRC_BYTES or len(body) < 1 + body[0] + CRC_BYTES:
        return Dropped(DropReason.BAD_LENGTH, f"protected packet of {len(body)} bytes after the header")
    end = 1 + body[0]
    if crc16(header + body[:end]) != int.from_bytes(body[end : end + CRC_BYTES], "big"):
        return Dropped(DropReason.BAD_CRC, "protected packet")
    return Unprotected(header + body[1:end])


def _protected_frames(body: bytes, strong_bits: int) -> list[NDArray[np.uint8]]:
    frames, rest = divmod(len(body), FRAME_BYTES)
    if rest or frames > MAX_FRAMES:
        raise LocalProtocolError(f"{len(body)} bytes of frames: needs whole frames of {FRAME_BYTES} bytes (SPEC 3.2)")
    ordered = np.unpackbits(np.frombuffer(body, np.uint8)).reshape(frames, FRAME_BITS).T[importance()].reshape(-1)
    strong = protected_frame_bits(frames, strong_bits)
    return [golay.encode(ordered[:strong].reshape(-1, golay.DATA_BITS)).reshape(-1), ordered[strong:]]


def _frame_probabilities(coded: Probabilities, frames: int, strong_bits: int, soft: bool) -> Probabilities:
    """(frames, 24): how probably each bit of each frame is 1, exactly 0 or 1 where there is no doubt worth the name."""
    strong = golay.WORD_BITS * _frame_words(frames, strong_bits)
    weak = coded[strong : coded_frames_bits(frames, strong_bits)]
    ordered = np.concatenate([_decoded(coded[:strong], soft), weak])
    ones = np.where(ordered < _CERTAIN, 0.0, np.where(ordered > 1.0 - _CERTAIN, 1.0, ordered))
    in_frames = np.empty((frames, FRAME_BITS))
    in_frames[:, importance()] = ones.reshape(FRAME_BITS, frames).T
    return in_frames


def protected_frame_bits(frames: int, strong_bits: int) -> int:
    """How many bits of all frames together are inside code words, whole words filled."""
    return golay.DATA_BITS * _frame_words(frames, strong_bits)


def _frame_words(frames: int, strong_bits: int) -> int:
    return min(math.ceil(frames * strong_bits / golay.DATA_BITS), frames * FRAME_BITS // golay.DATA_BITS)


def _frames_in(size: int, strong_bits: int, session: bool) -> int | None:
    """Frames of a protected voice packet of `size` bytes; None where no number of them has this length."""
    for frames in range(MAX_FRAMES + 1):
        length = coded_voice_bytes(frames, strong_bits, session=session)
        if length >= size:
            return frames if length == size else None
    return None


def _coded(data: bytes) -> NDArray[np.uint8]:
    """Bytes, filled with zero bits to whole words, as code bits."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    words = np.zeros((math.ceil(len(bits) / golay.DATA_BITS), golay.DATA_BITS), np.uint8)
    words.reshape(-1)[: len(bits)] = bits
    return golay.encode(words).reshape(-1)


def _decoded(ones: Probabilities, soft: bool) -> Probabilities:
    """Code bits (24 n,) to the probabilities (12 n,) of the data bits."""
    words = ones.reshape(-1, golay.WORD_BITS)
    if soft:
        return golay.decode_soft(words).reshape(-1)
    # Two errors or fewer leave no doubt; of more, all words near enough have their say.
    hard = golay.decode_hard((words > 0.5).astype(np.uint8))
    data = hard.data.astype(np.float64)
    unsure = (hard.errors < 0) | (hard.errors == golay.MAX_CORRECTED)
    if unsure.any():
        data[unsure] = golay.decode_soft(words[unsure])
    return data.reshape(-1)


def _probabilities(received: bytes | bytearray | Sequence[float] | Probabilities) -> Probabilities:
    if isinstance(received, bytes | bytearray):
        bits = np.unpackbits(np.frombuffer(bytes(received), np.uint8))
        return np.where(bits == 1, 1.0 - _ASSUMED_ERROR_RATE, _ASSUMED_ERROR_RATE)
    ones = np.asarray(received, dtype=np.float64).reshape(-1)
    return np.asarray(np.clip(np.nan_to_num(ones, nan=0.5), 0.0, 1.0))


def _bytes(ones: Probabilities) -> bytes:
    """Bits as bytes, a last incomplete byte left out."""
    return np.packbits(ones[: len(ones) // 8 * 8] > 0.5).tobytes()


def _kind(header: bytes) -> int:
    return int.from_bytes(header, "big") >> _TYPE_SHIFT & 3


@cache
def importance() -> NDArray[np.int64]:
    """The 24 places of a frame's bits from most to least important."""
    return np.array(_IMPORTANCE)


@cache
def _order(bits: int) -> NDArray[np.int64]:
    """Which code bit is sent at each place: steps of 25 or the next number without a common divisor with `bits`."""
    step = _LEAST_STEP
    while math.gcd(step, bits) != 1:
        step += 1
    return np.arange(bits) * step % bits
