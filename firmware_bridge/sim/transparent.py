"""A virtual transparent modem: bytes from the host on the air at the air's rate, bytes from the air to the host.

Rule: it knows nothing of frames. It sends when the host pauses for some characters or its buffer holds a block, as most
radio modems do; wrong bits reach the host.
"""

from __future__ import annotations

from random import Random

from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality, VirtualModem

BUFFER_BYTES = 4096
BLOCK_BYTES = 96
PAUSE_BYTES = 3
"""The host has ended when it is silent for so many characters."""
BLOCKS_PAUSE_S = 0.002
"""Cables of today hand bytes over in lumps: a pause is never shorter than this."""


class VirtualTransparent(VirtualModem):
    """One radio modem, or one end of a bus (`echo` in the profile's settings: it returns what it sends)."""

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        super().__init__(profile, name, rng)
        self._byte_s = profile.port.bits_per_byte / profile.port.baud
        self._echoes = profile.settings.get("echo") == "drop"
        self._buffer = bytearray()
        self._ended_s = 0.0
        self._sending: AirFrame | None = None
        self.overflowed_bytes = 0

    def from_host(self, data: bytes, now: float) -> None:
        room = BUFFER_BYTES - len(self._buffer)
        self.overflowed_bytes += max(0, len(data) - room)
        self._buffer += data[:room]
        self._ended_s = now + max(BLOCKS_PAUSE_S, PAUSE_BYTES * self._byte_s) + self._piece_s(len(data))
        self._send(now, keyed=False)

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        self._to_host += frame.data

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        self._sending = None
        if self._echoes:
            self._to_host += frame.data
        self._send(now, keyed=True)

    def tick(self, now: float) -> None:
        self._send(now, keyed=False)

    def next_deadline(self) -> float | None:
        return self._ended_s if self._buffer and self._sending is None else None

    def power_cut(self, now: float) -> None:
        self._buffer.clear()
        self._to_host.clear()
        self._to_air.clear()
        self._sending = None

    def _piece_s(self, count: int) -> float:
        """How long the next bytes may take when the cable brings them in pieces like the last."""
        return count * self._byte_s

    def _send(self, now: float, *, keyed: bool) -> None:
        """Begin a block if one is due; `keyed`: the transmitter is on already."""
        if self._sending is not None or not self._buffer:
            return
        if len(self._buffer) < BLOCK_BYTES and now < self._ended_s - 1e-9:
            return
        data = bytes(self._buffer[:BLOCK_BYTES])
        del self._buffer[:BLOCK_BYTES]
        air = self.profile.air
        sent_s = len(data) * (self._byte_s if air.rate_bps is None else 8 / air.rate_bps)
        key_up_s = 0.0 if keyed else air.turnaround_ms / 1000
        self._sending = AirFrame(data, key_up_s + air.fixed_ms / 1000 + sent_s, damageable=(0, len(data)))
        self._to_air.append(self._sending)
