"""Virtual Iridium modems: data call and SBD, and the gateway between two of them.

Rule: the modem's side of the cable, as Iridium's ISU AT Command Reference (version 2.45, 2011; clauses cited) and 9523
Product Developers' Guide 2.6 say; what it does not know is answered by ERROR. Delays are drawn from the generator
handed in, between the bounds of the profile's [settings.virtual], which is also where they are made shorter.

On the air between the two go, in one frame each: a call, its answer, busy, its end, pieces of its stream; or a whole
SBD session.
"""

from __future__ import annotations

import heapq
import re
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from itertools import count
from random import Random
from typing import TypeVar

from pydantic import Field

from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality, VirtualModem
from gateway.config import StrictModel, model_of

REPLY_S = 0.02
RING_EVERY_S = 4.0
RINGS = 8
GUARD_S = 1.0
SIGNAL_READ_S = 0.5
PIECE_BYTES = 30
SIGNALLING_S = 0.02
BUFFER_BYTES = 4096
WRITE_TIMEOUT_S = 60.0
"""How long +SBDWB waits for the message (8.12)."""

_CALL, _ANSWER, _BUSY, _END, _STREAM, _SESSION = b"C", b"A", b"B", b"X", b"D", b"S"
_NUMBERS = {"OK": 0, "RING": 2, "NO CARRIER": 3, "ERROR": 4, "BUSY": 7, "NO ANSWER": 8}
_PART = re.compile(r"D.*|S\d+(?:=\d*|\?)|[&*%\\]?[A-Z]\d*|[+-].*", re.ASCII)
_REGISTER = re.compile(r"S(\d+)(?:=(\d*)|\?)", re.ASCII)

V = TypeVar("V", bound=StrictModel)


class VirtualIsuSection(StrictModel):
    """[settings.virtual] of both kinds."""

    boot_s: float = Field(default=3.0, ge=0)
    register_s: float = Field(default=5.0, ge=0)
    """From boot until the network has it."""
    signal: int = Field(default=4, ge=0, le=5)


class VirtualCallSection(VirtualIsuSection):
    """[settings.virtual] of an Iridium call."""

    dial_s: tuple[float, float] = (15.0, 20.0)
    answer_s: float = Field(default=2.0, ge=0)
    ring_timeout_s: float = Field(default=45.0, gt=0)
    drop_mean_s: float = Field(default=6000.0, ge=0)
    """A call drops by itself after so long on average; 0: never."""


class VirtualSbdSection(VirtualIsuSection):
    """[settings.virtual] of SBD."""

    session_s: tuple[float, float] = (5.0, 20.0)
    failure: float = Field(default=0.05, ge=0, le=1)
    """Share of sessions that fail, with a status of the radio's or the gateway's."""
    lost_ring: float = Field(default=0.05, ge=0, le=1)
    """Share of ring alerts that are not heard."""


def virtual_section(profile: ModemProfile, model: type[V]) -> V:
    """The profile's [settings.virtual]. Raises ConfigError naming profile and key."""
    return model_of(profile.settings.get("virtual", {}), model, f"modem profile {profile.name}: settings.virtual")


class VirtualIsu(VirtualModem):
    """Command line, echo, result codes, boot; the rest in each kind."""

    def __init__(self, profile: ModemProfile, name: str, rng: Random, section: VirtualIsuSection) -> None:
        super().__init__(profile, name, rng)
        self._section = section
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._line = bytearray()
        self._busy = False
        self._booted_s = self._registered_s = 0.0
        self._on_air: deque[AirFrame] = deque()
        self._air_taken = False
        self.is_dead = False
        """Answers nothing while set."""
        self._defaults()

    def _defaults(self) -> None:
        """As the factory set it: echo, words (5.x)."""
        self._echo, self._words, self._quiet, self._extended = True, True, False, 4
        self._registers = {0: 0, 2: 43, 12: 40}
        self._line.clear()
        self._busy = False
        self._due.clear()

    # ---- subclasses

    @abstractmethod
    def _extended_command(self, text: str, now: float) -> str | None:
        """`+...`: the result code, or None: it comes later."""

    def _call_command(self, text: str, now: float) -> str | None:
        """D, A, H, O."""
        return "ERROR"

    def _takes_bytes(self, data: bytes, now: float) -> bytes:
        """Takes bytes that are no command line; gives back the rest."""
        return data

    def _interrupted(self, now: float) -> None:
        """A character came while a command was under way."""

    # ---- the cable

    def from_host(self, data: bytes, now: float) -> None:
        if now < self._booted_s or self.is_dead:
            return
        while data:
            rest = self._takes_bytes(data, now)
            if not rest:
                return
            if self._echo and not self._busy:
                self._to_host += rest[:1]
            if self._busy:
                self._interrupted(now)
            elif rest[:1] == b"\r":
                line = bytes(self._line).decode("ascii", "ignore").strip("\0 \n")
                self._line.clear()
                if line:
                    self._command_line(line, now)
            else:
                self._line += rest[:1]
            data = rest[1:]

    def _command_line(self, line: str, now: float) -> None:
        at = line.upper().rfind("AT") if not line.upper().startswith("AT") else 0
        if at < 0:
            return  # nothing that begins with AT is no command line (V.250, 5.2.1)
        self._busy = True
        self._after(REPLY_S, lambda now: self._run(line[at + 2 :], now), now)

    def _run(self, text: str, now: float) -> None:
        result: str | None = "OK"
        while text and result == "OK":
            part = _PART.match(text.upper())
            if part is None:
                result = "ERROR"
                break
            one, text = text[: part.end()], text[part.end() :].lstrip("; ")
            result = self._one(one, now)
        if result is not None:
            self._finish(result)

    def _one(self, text: str, now: float) -> str | None:
        upper = text.upper()
        register = _REGISTER.fullmatch(upper)
        if register:
            number = int(register[1])
            if register[2] is None:
                self._say(f"{self._registers.get(number, 0):03d}")
            elif register[2]:
                self._registers[number] = int(register[2])
            return "OK"
        if upper.startswith("+"):
            return self._extended_command(text, now)
        if upper[0] in "DAHO":
            return self._call_command(text, now)
        number = int(upper.lstrip("&*%\\ABCDEFGHIJKLMNOPQRSTUVWXYZ") or "0")
        match upper.rstrip("0123456789"):
            case "E":
                self._echo = bool(number)
            case "V":
                self._words = bool(number)
            case "Q":
                self._quiet = bool(number)
            case "X":
                self._extended = number
            case "I":
                self._say("IRIDIUM")
            case "Z" | "&F":
                self._echo, self._words, self._quiet = True, True, False
            case "&C" | "&D" | "&K" | "&S" | "&W" | "&Y" | "L" | "M" | "W" | "*F" | "*R":
                pass
            case _:
                return "ERROR"
        return "OK"

    def _say(self, text: str) -> None:
        """A line of information."""
        self._to_host += f"\r\n{text}\r\n".encode() if self._words else f"{text}\r\n".encode()

    def _finish(self, result: str) -> None:
        self._busy = False
        self._result(result)

    def _result(self, result: str) -> None:
        if self._quiet:
            return
        if self._words:
            self._to_host += f"\r\n{result}\r\n".encode()
        else:
            self._to_host += f"{_NUMBERS.get(result.split(' 19')[0], 1)}\r".encode()

    # ---- time

    def _after(self, wait_s: float, then: Callable[[float], None], now: float) -> None:
        heapq.heappush(self._due, (now + wait_s, next(self._order), then))

    def next_deadline(self) -> float | None:
        return self._due[0][0] if self._due else None

    def tick(self, now: float) -> None:
        while self._due and self._due[0][0] <= now + 1e-9:
            heapq.heappop(self._due)[2](now)

    def power_cut(self, now: float) -> None:
        self._to_host.clear()
        self._to_air.clear()
        self._on_air.clear()
        self._air_taken = False
        self._defaults()
        self._booted_s = now + self._section.boot_s
        self._registered_s = self._booted_s + self._section.register_s

    def _registration(self, now: float) -> int:
        return 1 if now >= self._registered_s else 2

    def _network_command(self, text: str, now: float) -> str | None:
        """+CREG, +CSQ, +CPIN; ERROR for others."""
        upper = text.upper()
        if upper == "+CREG?":
            self._say(f"+CREG:000,{self._registration(now):03d}")
            return "OK"
        if upper == "+CSQ":

            def read(now: float) -> None:
                self._say(f"+CSQ:{self._section.signal if self._registration(now) == 1 else 0}")
                self._finish("OK")

            self._after(SIGNAL_READ_S, read, now)
            return None
        if upper == "+CSQF":
            self._say(f"+CSQF:{self._section.signal}")
            return "OK"
        if upper == "+CPIN?":
            self._say("+CPIN:READY")
            return "OK"
        return "ERROR"

    # ---- the air

    def _emit(self, kind: bytes, data: bytes, duration_s: float) -> None:
        self._on_air.append(AirFrame(kind + data, duration_s))
        self._next_frame()

    def _next_frame(self) -> None:
        if not self._air_taken and self._on_air:
            self._air_taken = True
            self._to_air.append(self._on_air.popleft())

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        self._air_taken = False
        self._next_frame()


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
