"""What a link can take of messages: how long their packets may be, and how long an answer is waited for.

Rule: from the link's figures alone; both ends need not agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config import MessagesSection
from gateway.protocol.bulk_airtime import block_size
from gateway.protocol.bulk_packets import BLOCK_OVERHEAD_BYTES, MAX_BLOCK_BYTES, MIN_ROOM_BYTES, Addressee
from gateway.protocol.bulk_receive import ANSWER_SLOTS
from gateway.protocol.carriage import Carriage
from gateway.protocol.checksum import CRC_BYTES

DEFAULT_RATE_BPS = 300.0
"""Where neither link nor configuration tells a rate: what live voice would need, too."""
PACKET_S = 2.0
"""Air time of a packet that its length is chosen by: live voice waits for no more than one."""
SHORT_PACKET_BYTES = 20
STATUS_ROOM_BYTES = 40


@dataclass(frozen=True, slots=True)
class Pace:
    """What a link can take: `room_bytes` is the longest message packet before `carriage` (checksum, security), and
    `overhead_bytes` what the link adds to every packet."""

    rate_bps: float
    room_bytes: int
    carriage: Carriage
    overhead_bytes: int
    turnaround_s: float
    round_trip_s: float

    @classmethod
    def of(
        cls,
        section: MessagesSection,
        *,
        mtu_bytes: int,
        rate_bps: float | None,
        carriage: Carriage,
        overhead_bytes: int,
        turnaround_s: float,
    ) -> Pace:
        """For a link of these figures. Raises LocalProtocolError for a tiny MTU."""
        rate = section.rate_bps or rate_bps or DEFAULT_RATE_BPS
        longest = min(carriage.room_bytes(mtu_bytes), BLOCK_OVERHEAD_BYTES + MAX_BLOCK_BYTES)
        if section.packet_bytes is None:
            by_time = carriage.room_bytes(max(SHORT_PACKET_BYTES, int(rate * PACKET_S / 8)))
            # Security makes packets so short that they would be mostly its own: there they are a little longer.
            wished = max(by_time, SHORT_PACKET_BYTES - CRC_BYTES)
        else:
            wished = max(carriage.room_bytes(section.packet_bytes), MIN_ROOM_BYTES)
        room = min(longest, wished)
        block_size(room)
        return cls(rate, room, carriage, overhead_bytes, turnaround_s, section.round_trip_s)

    def airtime_s(self, n_bytes: int) -> float:
        """Seconds that a message packet of `n_bytes` occupies the link."""
        return (self.carriage.link_bytes(n_bytes) + self.overhead_bytes) * 8 / self.rate_bps

    @property
    def status_bytes(self) -> int:
        """Longest status packet."""
        return min(self.room_bytes, STATUS_ROOM_BYTES)

    @property
    def slot_s(self) -> float:
        """One station's answer, turn-around included."""
        return self.airtime_s(self.status_bytes) + self.turnaround_s

    def answer_wait_s(self, addressee: Addressee) -> float:
        """From handing over a question until its last answer is here."""
        slots = 1 if addressee is Addressee.STATION else ANSWER_SLOTS
        return self.turnaround_s + self.airtime_s(MIN_ROOM_BYTES) + slots * self.slot_s + self.round_trip_s
