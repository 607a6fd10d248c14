"""How long an over waits before it is played: the cushion against jitter, and the wait for what is repaired.

Both are as configured, or learnt: the cushion from how packets came, the wait from each talker's last over.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.protocol.cushion import AdaptiveCushion
from gateway.protocol.jitter import JitterConfig
from gateway.protocol.packets import FRAME_S, ParityPacket, VoicePacket
from gateway.protocol.protection import Protection

TALKERS_KNOWN = 64


class Buffering(NamedTuple):
    """How an over is buffered; `repair_s` of its cushion and cap is the wait for repairs."""

    jitter: JitterConfig
    repair_s: float


def repair_packets(packet: VoicePacket | ParityPacket) -> int:
    """How many packets a packet's redundancy reaches back: what is recovered by it comes as many late (12.4)."""
    if isinstance(packet, ParityPacket):
        return packet.members * packet.depth
    return 0 if packet.repeat is None else packet.repeat.distance


class PlayoutDelay:
    """`cushion_s` and `cap_s` as configured, `protection` what is expected of talkers; `cushion` learns."""

    def __init__(
        self, cushion_s: float, cap_s: float, protection: Protection, cushion: AdaptiveCushion | None = None
    ) -> None:
        self._cushion_s = cushion_s
        self._cap_s = cap_s
        self._protection = protection
        self._cushion = cushion
        self._repair_packets: dict[int | None, int] = {}  # by talker: how far its redundancy reaches back

    @property
    def cushion_s(self) -> float:
        """What the next over waits before it plays, that for repairs left out."""
        return self._cushion_s if self._cushion is None else self._cushion.cushion_s

    def of_over(self, frames_per_packet: int, source: int | None) -> Buffering:
        """Of an over that begins; `source` is its talker, where known."""
        packet_s = frames_per_packet * FRAME_S
        # A sender with longer packets than ours must not be cut off: the cap always holds one of its packets.
        cushion_s = self.cushion_s
        cap_s = max(self._cap_s, packet_s + cushion_s)
        learnt = 0 if self._cushion is None else self._repair_packets.get(source, 0)
        wait_s = max(self._protection.delay_packets, learnt) * packet_s
        return Buffering(JitterConfig(packet_s, cushion_s + wait_s, cap_s + wait_s), wait_s)

    def arrived(self, first_frame_index: int, frames: int, now_s: float) -> None:
        """Frames of the over that is coming in, as they came off the air."""
        if self._cushion is not None:
            self._cushion.arrived(first_frame_index, frames, now_s)

    def over_ended(self) -> float | None:
        """The cushion from now on, s, if the over that has ended taught another one."""
        if self._cushion is not None and self._cushion.over_ended():
            return self._cushion.cushion_s
        return None

    def learn_repairs(self, source: int | None, packets: int) -> None:
        """How far back the redundancy of a talker's last over reached: its next one is waited for as long."""
        self._repair_packets.pop(source, None)
        self._repair_packets[source] = packets
        if len(self._repair_packets) > TALKERS_KNOWN:
            del self._repair_packets[next(iter(self._repair_packets))]
