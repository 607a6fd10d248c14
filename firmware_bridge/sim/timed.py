"""A virtual modem that does things later: replies after a while, boots for a while.

Rule: pure; what is due is done in `tick`, in the order of its times.
"""

from __future__ import annotations

import heapq
from abc import abstractmethod
from collections.abc import Callable
from itertools import count
from random import Random

from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, VirtualModem


class TimedModem(VirtualModem):
    """Adds delayed replies, a boot time and one frame on the air at a time."""

    boot_s = 1.0
    reply_s = 0.03
    gap_s = 0.0
    """What line, replies and driver take between two packets: a profile's `fixed_ms` has it in it, since it cannot be
    used for sending; the air has not, for it comes of itself."""

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        super().__init__(profile, name, rng)
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._last_say_s = 0.0
        self._boots_until: float | None = None
        self._is_sending = False
        self._reset()

    # ---- for subclasses

    @abstractmethod
    def _reset(self) -> None:
        """The state after power-on."""

    @abstractmethod
    def _booted(self, now: float) -> None:
        """Up again: say the banner, if there is one."""

    @abstractmethod
    def _hear(self, data: bytes, now: float) -> None:
        """Bytes from the host, while the modem runs."""

    def _sent_frame(self, now: float) -> None:
        """The frame given to `_send_frame` has left."""

    def _later(self, now: float, delay_s: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._due, (now + delay_s, next(self._order), action))

    def _say(self, data: bytes, now: float, delay_s: float | None = None) -> None:
        """Bytes to the host after `delay_s`, never before what was said earlier."""
        at = max(now + (self.reply_s if delay_s is None else delay_s), self._last_say_s)
        self._last_say_s = at
        self._later(at, 0.0, lambda _: self._to_host.extend(data))

    def _send_frame(self, data: bytes, duration_s: float) -> None:
        self._is_sending = True
        self._to_air.append(AirFrame(data, duration_s))

    def _air_s(self, packet_bytes: int) -> float:
        """Time on the air of a packet of ours."""
        return max(0.01, self.profile.link_info().airtime_s(packet_bytes) - self.gap_s)

    @property
    def _is_up(self) -> bool:
        return self._boots_until is None

    # ---- VirtualModem

    def from_host(self, data: bytes, now: float) -> None:
        if self._is_up:
            self._hear(data, now)

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        if self._is_sending:
            self._is_sending = False
            self._sent_frame(now)

    def tick(self, now: float) -> None:
        if self._boots_until is not None and now >= self._boots_until:
            self._boots_until = None
            self._booted(now)
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2](now)

    def next_deadline(self) -> float | None:
        times = [self._due[0][0]] if self._due else []
        return min(times + ([self._boots_until] if self._boots_until is not None else []), default=None)

    def power_cut(self, now: float) -> None:
        self._due.clear()
        self._to_air.clear()
        # What stood in the output register still leaves it, broken off in mid-sentence.
        del self._to_host[len(self._to_host) // 2 :]
        self._last_say_s, self._is_sending = now, False
        self._boots_until = now + self.boot_s
        self._reset()
