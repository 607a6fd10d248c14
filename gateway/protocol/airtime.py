"""Bytes and bit rates of live voice on the air, by arithmetic alone (SPEC.md, clause 9).

The rule: a figure counts every byte of an over that this protocol puts on the link, its last packet included.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import LocalProtocolError
from gateway.protocol.checksum import CRC_BYTES
from gateway.protocol.packetizer import SESSION_EVERY, carries_session
from gateway.protocol.packets import FRAME_BYTES, FRAME_S, HEADER_BYTES, MAX_FRAMES, SESSION_BYTES


@dataclass(frozen=True, slots=True)
class OverAirtime:
    """What one over costs on the air."""

    packets: int
    total_bytes: int
    session_bytes: int
    audio_s: float

    @property
    def rate_bps(self) -> float:
        """Bits on the air per second of audio; 0 for an over without audio."""
        return self.total_bytes * 8 / self.audio_s if self.audio_s else 0.0


def voice_packet_bytes(frames: int, *, session: bool, crc: bool) -> int:
    """Length of one voice packet."""
    return HEADER_BYTES + (SESSION_BYTES if session else 0) + FRAME_BYTES * frames + (CRC_BYTES if crc else 0)


def over_airtime(frames: int, frames_per_packet: int, *, crc: bool, framing_bytes: int = 0) -> OverAirtime:
    """An over of `frames` codec frames; `framing_bytes` is what the link adds to every packet (KISS: 3)."""
    _check(frames_per_packet)
    if frames < 0:
        raise LocalProtocolError(f"an over of {frames} frames")
    packets = frames // frames_per_packet + 1
    sessions = 1 + (packets + SESSION_EVERY - 3) // SESSION_EVERY
    fixed = voice_packet_bytes(0, session=False, crc=crc) + framing_bytes
    session_bytes = sessions * SESSION_BYTES
    return OverAirtime(packets, packets * fixed + session_bytes + frames * FRAME_BYTES, session_bytes, frames * FRAME_S)


def steady_rate_bps(frames_per_packet: int, *, crc: bool, framing_bytes: int = 0) -> float:
    """Bit rate of a long over, session repeats included."""
    _check(frames_per_packet)
    plain = voice_packet_bytes(frames_per_packet, session=False, crc=crc) + framing_bytes
    round_bytes = SESSION_EVERY * plain + SESSION_BYTES
    return round_bytes * 8 / (SESSION_EVERY * frames_per_packet * FRAME_S)


def talker_known_within_s(frames_per_packet: int) -> float:
    """Longest wait of a late receiver for the session block when nothing is lost (4.3), packet duration included."""
    _check(frames_per_packet)
    longest = max(
        next(later for later in range(joined, joined + SESSION_EVERY + 1) if carries_session(later)) - joined + 1
        for joined in range(2 * SESSION_EVERY)
    )
    return longest * frames_per_packet * FRAME_S


def _check(frames_per_packet: int) -> None:
    if not 1 <= frames_per_packet <= MAX_FRAMES:
        raise LocalProtocolError(f"{frames_per_packet} frames per packet: needs 1 to {MAX_FRAMES}")
