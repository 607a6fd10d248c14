"""Mouth to ear, computed by part: what an operator's voice takes to the ear of a station that is set up like his own.

Rule: arithmetic alone, from the configuration, the link's own account of itself and what sound cards and the machine
have been measured to take. An over is played as one stream, so its first packet decides: that one carries the session
block and waits for the key-up of the transmitter. On a link that delays packets unevenly an over is as late as its
first packet was; the mean is what is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.codec.spec import FRAME_SAMPLES, SAMPLE_RATE
from gateway.control.snapshot import DelayView
from gateway.links.base import LinkInfo
from gateway.protocol.live import Protection as Cost
from gateway.protocol.live import cost_of, packet_bytes
from gateway.protocol.protection import Protection
from gateway.station.link_keeper import WAIT_S

FRAME_MS = 1000 * FRAME_SAMPLES / SAMPLE_RATE
TURN_MS = 1000 * WAIT_S
"""Of the media thread. Speech is read at a turn's beginning and an over begins to play at one's end: half a turn each
on the average, and the other way round."""
_NEWEST = 0.2


@dataclass(frozen=True, slots=True)
class OverPlan:
    """How the next over is sent: `frames` a packet, `guard` its protection, `around` checksum and security."""

    frames: int
    guard: Protection
    around: Cost


class ComputingMeter:
    """What encoding a packet (search included) and decoding a frame take on this machine, lately."""

    def __init__(self) -> None:
        self._encoding_s: float | None = None
        self._decoding_s: float | None = None

    def encoded(self, seconds: float) -> None:
        """A packet was completed in a turn that took so long."""
        self._encoding_s = _towards(self._encoding_s, seconds)

    def decoded(self, seconds: float) -> None:
        """A frame was decoded."""
        self._decoding_s = _towards(self._decoding_s, seconds)

    @property
    def computing_ms(self) -> float:
        """Both together; 0 before the first over."""
        return 1000 * ((self._encoding_s or 0.0) + (self._decoding_s or 0.0))


def _towards(before: float | None, now: float) -> float:
    return now if before is None else before + _NEWEST * (now - before)


def delay_view(
    plan: OverPlan,
    link: LinkInfo,
    *,
    codec_ms: float,
    cushion_ms: float,
    input_ms: float,
    output_ms: float,
    block_ms: float,
    suppression_ms: float = 0.0,
    computing_ms: float = 0.0,
    keyed_ms: float = 0.0,
) -> DelayView:
    """The budget of an over sent by `plan` over `link`.

    `codec_ms` is that of the codec's streams, one frame included; `input_ms` and `output_ms` what the sound cards say
    of the first sample of a block of `block_ms`; `keyed_ms` from key-up to the first packet that may be sent, which
    passes while the first packet fills.
    """
    packet_ms = plan.frames * FRAME_MS
    # Frames end where blocks end, until something before the codec holds sound back: then at the end of a later block.
    blocks_ms = math.ceil(suppression_ms / block_ms - 1e-9) * block_ms - suppression_ms
    first = packet_bytes(plan.frames, plan.around.with_(cost_of(plan.guard)), session=True)
    gathered_ms = codec_ms + packet_ms - FRAME_MS + suppression_ms
    parts = {
        "codec_ms": codec_ms,
        "packet_ms": packet_ms - FRAME_MS,
        "suppression_ms": suppression_ms,
        "computing_ms": computing_ms,
        "protection_ms": plan.guard.delay_packets * packet_ms,
        "keying_ms": 1000 * link.turnaround_s + max(0.0, keyed_ms - gathered_ms),
        "air_ms": 1000 * link.airtime_s(first),
        "link_ms": 1000 * link.delay_s,
        "cushion_ms": cushion_ms,
        # The last sample of a block does not wait for it; what is written waits half a block until it is fetched.
        "sound_ms": max(0.0, input_ms - block_ms) + blocks_ms + output_ms + block_ms / 2 + TURN_MS,
    }
    rounded = {name: round(value, 1) for name, value in parts.items()}
    return DelayView(**rounded, total_ms=round(sum(rounded.values()), 1))
