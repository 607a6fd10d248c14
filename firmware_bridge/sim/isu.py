"""Virtual Iridium modems, what both kinds share: command line, echo, result codes, registration, boot, the air.

Rule: the modem's side of the cable, as Iridium's ISU AT Command Reference (version 2.45, 2011; clauses cited) and 9523
Product Developers' Guide 2.6 say; what it does not know is answered by ERROR. Delays are drawn from the generator
handed in, between the bounds of the profile's [settings.virtual], which is also where they are made shorter.
"""

from __future__ import annotations

import heapq
import re
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random
from typing import TypeVar

from pydantic import Field

from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, VirtualModem
from gateway.config import StrictModel, model_of

REPLY_S = 0.02
MAX_LINE_BYTES = 512
"""What goes beyond this in a command line is not kept, and the line is refused."""
SIGNAL_READ_S = 0.5
_NUMBERS = {"OK": 0, "RING": 2, "NO CARRIER": 3, "ERROR": 4, "BUSY": 7, "NO ANSWER": 8}
_PART = re.compile(r"D.*|S\d+(?:=\d*|\?)|[&*%\\]?[A-Z]\d*|[+-].*", re.ASCII)
_REGISTER = re.compile(r"S(\d+)(?:=(\d*)|\?)", re.ASCII)
_LETTER = re.compile(r"([&*%\\]?[A-Z])(\d*)", re.ASCII)

V = TypeVar("V", bound=StrictModel)


class VirtualIsuSection(StrictModel):
    """[settings.virtual] of both kinds."""

    boot_s: float = Field(default=3.0, ge=0)
    register_s: float = Field(default=5.0, ge=0)
    """From boot until the network has it."""
    signal: int = Field(default=4, ge=0, le=5)


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
            elif len(self._line) <= MAX_LINE_BYTES:
                self._line += rest[:1]
            data = rest[1:]

    def _command_line(self, line: str, now: float) -> None:
        at = line.upper().rfind("AT") if not line.upper().startswith("AT") else 0
        if at < 0:
            return  # nothing that begins with AT is no command line (V.250, 5.2.1)
        self._busy = True
        if len(line) > MAX_LINE_BYTES:
            self._after(REPLY_S, lambda now: self._finish("ERROR"), now)
            return
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
        letter = _LETTER.fullmatch(upper)
        if letter is None:
            return "ERROR"
        number = int(letter[2] or "0")
        match letter[1]:
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
