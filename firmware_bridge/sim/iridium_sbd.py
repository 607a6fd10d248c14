"""A virtual Iridium modem for Short Burst Data, and the gateway between two of them.

Rule: as in `firmware_bridge.sim.isu`. A whole session is one frame on the air.
"""

from __future__ import annotations

from collections import deque
from random import Random

from pydantic import Field

from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.isu import REPLY_S, VirtualIsu, VirtualIsuSection, virtual_section

WRITE_TIMEOUT_S = 60.0
"""How long +SBDWB waits for the message (8.12)."""
_SESSION = b"S"


class VirtualSbdSection(VirtualIsuSection):
    """[settings.virtual] of SBD."""

    session_s: tuple[float, float] = (5.0, 20.0)
    failure: float = Field(default=0.05, ge=0, le=1)
    """Share of sessions that fail, with a status of the radio's or the gateway's."""
    lost_ring: float = Field(default=0.05, ge=0, le=1)
    """Share of ring alerts that are not heard."""


class VirtualIridiumSbd(VirtualIsu):
    """A 9602/9603: what one sends waits for the other at the gateway (as with two modems that are set up to do so)."""

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        """Raises ConfigError for wrong [settings.virtual]."""
        self._virtual = virtual_section(profile, VirtualSbdSection)
        self._max_mo = int(profile.settings.get("max_mo_bytes", 340))
        self._max_mt = int(profile.settings.get("max_mt_bytes", 270))
        self._momsn, self._mtmsn = 0, -1
        self.mailbox: deque[bytes] = deque()
        """What waits for this modem at the gateway."""
        self.next_status: deque[int] = deque()
        """MO statuses of the next sessions, instead of chance."""
        self.sessions = 0
        super().__init__(profile, name, rng, self._virtual)

    def _defaults(self) -> None:
        super()._defaults()
        self._mo: bytes | None = None
        self._mt: bytes | None = None
        self._alerts = True
        self._wanted: int | None = None
        self._message = bytearray()
        self._writes = 0
        self._status = 0
        self._rung = False

    def _extended_command(self, text: str, now: float) -> str | None:
        upper = text.upper()
        name, _, value = upper.partition("=")
        if name in ("+SBDIX", "+SBDIXA"):
            self._session(now)
            return None
        match name:
            case "+SBDWB":
                return self._write_begins(value, now)
            case "+SBDRB":
                message = self._mt or b""
                self._to_host += len(message).to_bytes(2, "big") + message
                self._to_host += (sum(message) & 0xFFFF).to_bytes(2, "big")
                return "OK"
            case "+SBDD0" | "+SBDD1" | "+SBDD2":
                if name[-1] in "02":
                    self._mo = None
                if name[-1] in "12":
                    self._mt = None
                self._say("0")
                return "OK"
            case "+SBDMTA" if value in ("0", "1"):
                self._alerts = value == "1"
                return "OK"
            case "+SBDS":
                mtmsn = self._mtmsn if self._mt is not None else -1
                self._say(f"+SBDS: {int(self._mo is not None)}, {self._momsn}, {int(self._mt is not None)}, {mtmsn}")
                return "OK"
            case "+SBDSX":
                mtmsn = self._mtmsn if self._mt is not None else -1
                flags = f"{int(self._mo is not None)}, {self._momsn}, {int(self._mt is not None)}, {mtmsn}"
                self._say(f"+SBDSX: {flags}, {int(self._rung)}, {len(self.mailbox)}")
                return "OK"
        return self._network_command(text, now)

    # ---- writing (8.12)

    def _write_begins(self, value: str, now: float) -> str | None:
        if not value.isdecimal() or not 1 <= int(value) <= self._max_mo:
            self._say("3")
            return "OK"
        self._wanted = int(value) + 2
        self._message.clear()
        self._writes += 1
        write = self._writes
        self._to_host += b"READY\r\n"

        def too_late(now: float) -> None:
            if self._wanted is not None and self._writes == write:
                self._written("1")

        self._after(WRITE_TIMEOUT_S, too_late, now)
        return None

    def _takes_bytes(self, data: bytes, now: float) -> bytes:
        if self._wanted is None:
            return data
        lacks = self._wanted - len(self._message)
        self._message += data[:lacks]
        if len(self._message) == self._wanted:
            message, checksum = bytes(self._message[:-2]), int.from_bytes(self._message[-2:], "big")
            if sum(message) & 0xFFFF == checksum:
                self._mo = message
                self._written("0")
            else:
                self._written("2")
        return data[lacks:]

    def _written(self, code: str) -> None:
        self._wanted = None
        self._say(code)
        self._finish("OK")

    # ---- sessions

    def _session(self, now: float) -> None:
        """MO buffer out, then the oldest message of the mailbox in; the MT buffer is empty from here."""
        self.sessions += 1
        self._mt = None
        self._rung = False
        if self.next_status:
            self._status = self.next_status.popleft()
        elif self._registration(now) != 1:
            self._status = 32
        else:
            self._status = self._rng.choice((10, 13, 18, 32)) if self._rng.random() < self._virtual.failure else 0
        duration_s = self._rng.uniform(*self._virtual.session_s)
        is_good = self._status <= 4
        self._emit(_SESSION, b"" if self._mo is None or not is_good else b"\1" + self._mo, duration_s)

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        super().frame_ended(frame, now)
        mt_status = mt_queued = 0
        if self._status <= 4:
            self._momsn = (self._momsn + (self._mo is not None)) & 0xFFFF
            if self.mailbox:
                self._mt = self.mailbox.popleft()
                self._mtmsn = (self._mtmsn + 1) & 0xFFFF
                mt_status = 1
            mt_queued = len(self.mailbox)
        else:
            mt_status = 2
        size = len(self._mt or b"")
        self._say(f"+SBDIX: {self._status}, {self._momsn}, {mt_status}, {max(0, self._mtmsn)}, {size}, {mt_queued}")
        self._finish("OK")

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        message = frame.data[2:]
        if not message or len(message) > self._max_mt:
            return
        self.mailbox.append(message)
        if self._rng.random() >= self._virtual.lost_ring:
            self._after(REPLY_S, self._alert, now)

    def _alert(self, now: float) -> None:
        if self._alerts and self._registration(now) == 1 and now >= self._booted_s and not self._air_taken:
            self._rung = True
            self._result("SBDRING")
