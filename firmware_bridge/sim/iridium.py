"""A virtual Iridium modem for data calls, and the network between two of them.

Rule: as in `firmware_bridge.sim.isu`. On the air between the two go, in one frame each: a call, its answer, busy, its
end, and pieces of its stream.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from random import Random

from pydantic import Field

from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.isu import VirtualIsu, VirtualIsuSection, virtual_section

RING_EVERY_S = 4.0
RINGS = 8
GUARD_S = 1.0
PIECE_BYTES = 30
SIGNALLING_S = 0.02
BUFFER_BYTES = 4096

_CALL, _ANSWER, _BUSY, _END, _STREAM = b"C", b"A", b"B", b"X", b"D"


class VirtualCallSection(VirtualIsuSection):
    """[settings.virtual] of an Iridium call."""

    dial_s: tuple[float, float] = (15.0, 20.0)
    answer_s: float = Field(default=2.0, ge=0)
    ring_timeout_s: float = Field(default=45.0, gt=0)
    drop_mean_s: float = Field(default=6000.0, ge=0)
    """A call drops by itself after so long on average; 0: never."""


class _Call(Enum):
    NONE = auto()
    DIALLING = auto()
    RINGING = auto()
    ANSWERING = auto()
    UP = auto()


class VirtualIridiumCall(VirtualIsu):
    """An ISU for data calls; any number reaches the other modem."""

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        """Raises ConfigError for wrong [settings.virtual]."""
        self._call = _Call.NONE
        self._calls = 0
        self._in_data = False
        self._stream = bytearray()
        self._last_byte_s = 0.0
        self._pluses = 0
        self._dtr = True
        self.overflowed_bytes = 0
        """Bytes of the host that found the buffer full."""
        self._virtual = virtual_section(profile, VirtualCallSection)
        super().__init__(profile, name, rng, self._virtual)

    # ---- commands

    def _extended_command(self, text: str, now: float) -> str | None:
        if text.upper().startswith(("+CBST=", "+IPR=", "+CHUP")):
            return "OK"
        return self._network_command(text, now)

    def _call_command(self, text: str, now: float) -> str | None:
        upper = text.upper()
        if upper.startswith("D"):
            return self._dial(now) if re.search(r"\d", upper) and self._call is _Call.NONE else "ERROR"
        if upper == "A":
            if self._call is not _Call.RINGING:
                return "NO CARRIER"
            self._pick_up(now)
            return None
        if upper in ("H", "H0"):
            self._hang_up(now)
            return "OK"
        if upper in ("O", "O0") and self._call is _Call.UP:
            self._in_data = True
            self._finish(self._connect_words())
            return None
        return "ERROR"

    def _dial(self, now: float) -> str | None:
        if self._registration(now) != 1 or not self._dtr:
            return "NO CARRIER"
        self._set(_Call.DIALLING)
        call = self._calls

        def reached(now: float) -> None:
            if self._calls == call:
                self._emit(_CALL, b"", SIGNALLING_S)
                self._after(self._virtual.ring_timeout_s, lambda now: self._unanswered(call, now), now)

        self._after(self._rng.uniform(*self._virtual.dial_s), reached, now)
        return None

    def _unanswered(self, call: int, now: float) -> None:
        if self._calls == call and self._call is _Call.DIALLING:
            self._emit(_END, b"", SIGNALLING_S)
            self._set(_Call.NONE)
            self._finish("NO ANSWER")

    def _pick_up(self, now: float) -> None:
        self._set(_Call.ANSWERING)
        self._busy = True
        call = self._calls

        def up(now: float) -> None:
            if self._calls == call:
                self._emit(_ANSWER, b"", SIGNALLING_S)
                self._up(now)

        self._after(self._virtual.answer_s, up, now)

    def _up(self, now: float) -> None:
        self._set(_Call.UP)
        self._stream.clear()
        self._in_data = True
        self._last_byte_s, self._pluses = now, 0
        self._finish(self._connect_words())

    def _connect_words(self) -> str:
        return f"CONNECT {self.profile.port.baud}" if self._extended else "CONNECT"

    def _set(self, call: _Call) -> None:
        self._call = call
        self._calls += 1

    def _hang_up(self, now: float) -> None:
        if self._call is not _Call.NONE:
            self._emit(_END, b"", SIGNALLING_S)
        self._gone()

    def _gone(self) -> None:
        self._set(_Call.NONE)
        self._in_data = False
        self._stream.clear()

    def drop_call(self, now: float) -> bool:
        """The network loses the call: NO CARRIER at both ends. False: there is none."""
        if self._call is not _Call.UP:
            return False
        self._hang_up(now)
        self._finish("NO CARRIER")
        return True

    def _drop(self, call: int, now: float) -> None:
        if self._calls == call:
            self.drop_call(now)

    def _interrupted(self, now: float) -> None:
        if self._call is _Call.DIALLING:
            self._hang_up(now)
            self._finish("NO CARRIER")

    def lines_from_host(self, rts: bool, dtr: bool, now: float) -> None:
        """&D2: DTR off ends the call (7.6)."""
        fell, self._dtr = self._dtr and not dtr, dtr
        if fell and self._call is not _Call.NONE:
            self._hang_up(now)
            self._finish("NO CARRIER")

    # ---- stream

    def _takes_bytes(self, data: bytes, now: float) -> bytes:
        if not self._in_data:
            return data
        guarded = now - self._last_byte_s >= GUARD_S
        self._last_byte_s = now
        if (guarded or self._pluses) and data == b"+" * len(data) and self._pluses + len(data) <= 3:
            self._pluses += len(data)
            if self._pluses == 3:
                self._after(GUARD_S, lambda now: self._escaped(now), now)
            return b""
        data, self._pluses = b"+" * self._pluses + data, 0
        room = BUFFER_BYTES - len(self._stream)
        self.overflowed_bytes += max(0, len(data) - room)
        self._stream += data[:room]
        self._flow()
        return b""

    def _escaped(self, now: float) -> None:
        if self._pluses == 3 and self._in_data and now - self._last_byte_s >= GUARD_S - 1e-6:
            self._pluses = 0
            self._in_data = False
            self._result("OK")

    def _flow(self) -> None:
        if self._stream and not self._air_taken and self._call is _Call.UP:
            piece = bytes(self._stream[:PIECE_BYTES])
            del self._stream[:PIECE_BYTES]
            # The profile's overhead is that of our framing, which is in the stream already.
            rate_bps = self.profile.air.rate_bps or 2400.0
            self._emit(_STREAM, piece, len(piece) * 8 / rate_bps)

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        super().frame_ended(frame, now)
        self._flow()

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        kind, data = frame.data[:1], frame.data[1:]
        if now < self._booted_s or self.is_dead:
            return
        if kind == _STREAM:
            if self._call is _Call.UP and self._in_data:
                self._to_host += data
        elif kind == _CALL:
            self._called(now)
        elif kind == _ANSWER and self._call is _Call.DIALLING:
            self._up(now)
            if self._virtual.drop_mean_s:
                call = self._calls
                wait_s = self._rng.expovariate(1 / self._virtual.drop_mean_s)
                self._after(wait_s, lambda now: self._drop(call, now), now)
        elif kind == _BUSY and self._call is _Call.DIALLING:
            self._gone()
            self._finish("BUSY")
        elif kind == _END and self._call is not _Call.NONE:
            was_ringing = self._call is _Call.RINGING
            self._gone()
            if not was_ringing:
                self._finish("NO CARRIER")

    def _called(self, now: float) -> None:
        if self._call is not _Call.NONE or self._registration(now) != 1 or not self._dtr:
            self._emit(_BUSY, b"", SIGNALLING_S)
            return
        self._set(_Call.RINGING)
        self._ring(self._calls, RINGS, now)

    def _ring(self, call: int, left: int, now: float) -> None:
        if self._calls != call:
            return
        if not left:
            self._gone()
            return
        self._result("RING")
        if self._registers.get(0) and not self._busy:
            self._pick_up(now)
            return
        self._after(RING_EVERY_S, lambda now: self._ring(call, left - 1, now), now)

    def power_cut(self, now: float) -> None:
        was_up = self._call is not _Call.NONE
        super().power_cut(now)
        self._gone()
        if was_up:  # the network notices
            self._emit(_END, b"", SIGNALLING_S)
