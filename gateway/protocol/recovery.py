"""What a receiver does with voice and the redundancy of it: packets of one net in, events of overs out (SPEC.md 12).

Rule: the block receiver is shown only what the over receiver took, so that a stray packet spoils no block.
"""

from __future__ import annotations

from gateway.protocol.blocks import BlockReceiver
from gateway.protocol.over import OverConfig, OverCounters, OverReceiver
from gateway.protocol.over_events import OverEvent, PacketIgnored
from gateway.protocol.packets import ParityPacket, VoicePacket


class VoiceReceiver:
    """An over receiver and a block receiver as one; `tick` and `counters` are the over receiver's."""

    def __init__(self, config: OverConfig) -> None:
        self._overs = OverReceiver(config)
        self._blocks = BlockReceiver()

    def receive(self, packet: VoicePacket | ParityPacket, now_s: float) -> tuple[OverEvent, ...]:
        """What the packet means at this time, what it makes known of lost packets included."""
        if isinstance(packet, ParityPacket):
            events: tuple[OverEvent, ...] = ()
            self._overs.linger(packet.over_id, now_s)
            lost = self._blocks.on_parity(packet, now_s)
        else:
            events = self._overs.receive(packet, now_s)
            if any(isinstance(event, PacketIgnored) for event in events):
                return events
            lost = self._blocks.on_voice(packet, now_s)
        return events + tuple(event for found in lost for event in self._overs.restore(found, now_s))

    def tick(self, now_s: float) -> tuple[OverEvent, ...]:
        """Let time pass."""
        return self._overs.tick(now_s)

    def counters(self) -> OverCounters:
        """A snapshot."""
        return self._overs.counters()
