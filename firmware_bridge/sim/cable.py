"""The cable between host and virtual modem: bytes at the line's rate, and what can go wrong on it.

Rule: pure; time and randomness are passed in. A direction that is looked at too late catches up: the rate holds on
average however unevenly it is served, so that a busy machine does not make a slow line slower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

SLICE_S = 0.002
"""Bytes are handed on in pieces of about this time, so that a fast line does not wake the machine for each byte."""
HELD_S = 0.25
"""So much of the line's time is taken from the host ahead of time, at least `HELD_BYTES`: what a UART and its driver
hold. More would hide from the host that the line is slow."""
HELD_BYTES = 16
_SLACK = 1e-9


@dataclass(slots=True)
class PacedLine:
    """One direction: what is put in comes out at `bytes_per_s`."""

    bytes_per_s: float
    held: bytearray = field(default_factory=bytearray)
    passed_bytes: int = 0
    _free_s: float = -math.inf

    @property
    def room(self) -> int:
        """Bytes that may be taken from the host now."""
        return max(HELD_BYTES, int(self.bytes_per_s * HELD_S)) - len(self.held)

    def put(self, data: bytes, now: float) -> None:
        """Bytes at the beginning of the line."""
        if data and not self.held:
            self._free_s = max(self._free_s, now)
        self.held += data

    def take(self, now: float) -> bytes:
        """Bytes that have left the line by `now`."""
        if not self.held or now < self._free_s:
            return b""
        count = min(len(self.held), int((now - self._free_s) * self.bytes_per_s + 1e-6))
        piece = bytes(self.held[:count])
        del self.held[:count]
        self._free_s += count / self.bytes_per_s
        self.passed_bytes += count
        return piece

    def next_due(self) -> float | None:
        """When the next piece has left."""
        if not self.held:
            return None
        piece = min(len(self.held), max(1, int(self.bytes_per_s * SLICE_S)))
        return self._free_s + piece / self.bytes_per_s + _SLACK

    def clear(self) -> int:
        """What was on the line is gone; returns how many bytes."""
        lost = len(self.held)
        self.held.clear()
        return lost


@dataclass(slots=True)
class Faults:
    """What is wrong with one station's modem or cable now; all of it can change at any time.

    `mute`: the modem hangs, it takes bytes and gives none. `echo`: all that the host writes comes back to it. `stuck`:
    the modem takes no bytes, as with flow control that never releases. `silent_until_s`: after half a frame.
    """

    mute: bool = False
    echo: bool = False
    stuck: bool = False
    halve_next: float | None = None
    """Cut the next thing that the modem says in half, then let it be silent for so many seconds."""
    silent_until_s: float = -math.inf
    wrong_rate: bool = False
    """Host and modem have different baud rates: neither reads the other."""

    def names(self, now: float) -> list[str]:
        """Those that are on, for people."""
        on = [name for name in ("mute", "echo", "stuck") if getattr(self, name)]
        if self.halve_next is not None:
            on.append("half a frame next")
        if now < self.silent_until_s:
            on.append(f"silent for {self.silent_until_s - now:.0f} s")
        if self.wrong_rate:
            on.append("host has another baud rate")
        return on

    def hears_host(self, now: float) -> bool:
        """Whether bytes from the host reach the modem's mind."""
        return not self.mute and now >= self.silent_until_s

    def said(self, data: bytes, now: float) -> bytes:
        """What is left of something that the modem says to the host."""
        if not data or not self.hears_host(now):
            return b""
        if self.halve_next is not None and len(data) > 1:
            data, self.silent_until_s, self.halve_next = data[: len(data) // 2], now + self.halve_next, None
        return data


def misread(data: bytes, rng: Random) -> bytes:
    """Bytes as a receiver with another baud rate has them: something, and not what was sent."""
    return bytes(byte ^ rng.randrange(1, 256) for byte in data)
