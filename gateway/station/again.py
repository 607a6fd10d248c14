"""Packets heard once more: through a receiver and its jitter buffer as a station would, on a clock of their own.

Rule: time is that of the packets and of the sound that is taken; nothing waits, and nothing here touches a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.audio.base import SAMPLE_RATE_HZ
from gateway.codec.spec import FRAME_SAMPLES
from gateway.heard_over import Played
from gateway.notices import Notice
from gateway.receive import Receiver
from gateway.recording.packets import OverPacket

STEP_S = 0.01
"""A turn of a station's loop."""
LOW_WATER_S = 0.04
"""As a station tops up its speaker."""
CONTINUOUS_S = 0.02
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Heard:
    """80 ms on the way to the speaker at `at_s`, after `pause` samples in which it had nothing to play."""

    played: Played
    at_s: float
    pause: int = 0


def hear_again(
    receiver: Receiver, packets: Sequence[OverPacket], notices: list[Notice] | None = None
) -> Iterator[Heard]:
    """Packets in the order in which they came, until all is played. `receiver` is fresh; what it has to say is added
    to `notices`."""
    told: list[Notice] = [] if notices is None else notices
    if not packets:
        return
    now = packets[0].at_s
    at, queued_until_s = 0, now
    has_played = False
    while at < len(packets) or receiver.busy:
        if not receiver.busy and packets[at].at_s > now:
            now = packets[at].at_s  # nothing happens before
        while at < len(packets) and packets[at].at_s <= now:
            told += receiver.on_voice(packets[at].packet, now, packets[at].snr_db, packets[at].air_bytes)
            at += 1
        while queued_until_s - now < LOW_WATER_S:
            played, more = receiver.play(now)
            told += more
            if played is None:
                break
            at_s = max(now, queued_until_s)
            gap_s = at_s - queued_until_s if has_played else 0.0
            yield Heard(played, at_s, round(gap_s * SAMPLE_RATE_HZ) if gap_s > CONTINUOUS_S else 0)
            queued_until_s, has_played = at_s + FRAME_S, True
        now += STEP_S
