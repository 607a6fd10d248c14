"""What every virtual modem is: the modem itself, from its side of the cable, without I/O.

Rule: bytes from the host in, bytes to the host out, frames on the air in and out, time passed in, random numbers from
the generator handed in. A shell (`firmware_bridge.sim.pair`) gives it a pseudo-terminal and joins its air to others'.

Which host bytes are answered how comes from the vendor's documents; each subclass says from which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from random import Random

from firmware_bridge.profile import ModemProfile


@dataclass(frozen=True, slots=True)
class AirFrame:
    """What a modem sends on the air in one piece.

    `data` is opaque to the air: what the other modem of this kind needs to make a received packet of it. The frame
    occupies the channel for `duration_s`. `damageable` is the byte range (from, to) of `data` in which bit errors of
    the channel are delivered to the host; None: a frame with a wrong bit is lost.
    """

    data: bytes
    duration_s: float
    damageable: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class AirQuality:
    """How a frame arrived."""

    snr_db: float | None = None
    doppler_hz: float | None = None


class VirtualModem(ABC):
    """Base of the virtual modems."""

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        """`name` tells this modem from the others on its air (a pair has "a" and "b")."""
        self.profile, self.name, self._rng = profile, name, rng
        self._to_host = bytearray()
        self._to_air: list[AirFrame] = []

    @abstractmethod
    def from_host(self, data: bytes, now: float) -> None:
        """Bytes that the host wrote, cut anywhere."""

    @abstractmethod
    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        """A frame from another modem has just ended, heard whole."""

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        """Our own frame, given by `take_air`, has left whole."""

    def carrier(self, is_heard: bool, now: float) -> None:
        """Another modem's signal has begun here, or the last one has ended: for those that listen before they talk."""

    def lines_from_host(self, rts: bool, dtr: bool, now: float) -> None:
        """The host's control lines (where the port has them)."""

    def tick(self, now: float) -> None:
        """Time has passed."""

    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest; None: never."""
        return None

    @abstractmethod
    def power_cut(self, now: float) -> None:
        """Brown-out: everything under way and every setting that the modem does not keep is gone; it boots again."""

    def drop_call(self, now: float) -> bool:
        """The network ends the call (NO CARRIER); False: this kind makes no calls, or has none now."""
        return False

    def take_host(self) -> bytes:
        """Bytes for the host since the last call."""
        data = bytes(self._to_host)
        self._to_host.clear()
        return data

    def take_air(self) -> list[AirFrame]:
        """Frames that begin now, one after the other. A modem gives the next when `frame_ended` came for the last."""
        frames, self._to_air = self._to_air, []
        return frames
