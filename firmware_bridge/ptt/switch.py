"""The key as the program sees it: told to go on or off, it says later what became of that.

Rule: nothing here waits. `WatchedSwitch` has the watchdog process do it, starts it again when it dies, and ends it when
it does not answer; `DirectSwitch` does it in this process, without a guard against its own death.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ptt.devices import KeyDevice, open_key_device
from gateway.errors import KeyingError
from gateway.ptt_config import CatKey, KeyingSection, RigctldKey

RETRY_S = 1.0
FIRST_RESTART_S, LAST_RESTART_S = 0.2, 5.0
START_S = 10.0
"""A watchdog that has said nothing for this long after its start is none."""
CLOSE_S = 3.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class SwitchReady:
    """The device is there, and unkeyed."""


@dataclass(frozen=True, slots=True)
class SwitchLost:
    """The transmitter cannot be keyed, `why` is for people; `is_guard`: it is the watchdog that is missing."""

    why: str
    is_guard: bool = False


@dataclass(frozen=True, slots=True)
class LineIsOn:
    """The transmitter is keyed."""


@dataclass(frozen=True, slots=True)
class Unkeyed:
    """The watchdog has unkeyed without being told to."""

    why: str


SwitchEvent = SwitchReady | SwitchLost | LineIsOn | Unkeyed


class Switch(ABC):
    """Base of both."""

    @abstractmethod
    def set(self, is_on: bool, now: float) -> None:
        """Key or unkey; what becomes of it is an event."""

    @abstractmethod
    def beat(self, now: float) -> None:
        """The program lives: to be called by what unkeys in it, as often as it turns."""

    @abstractmethod
    def poll(self, now: float) -> list[SwitchEvent]:
        """What has happened since the last call."""

    @abstractmethod
    def close(self) -> None:
        """Unkey and let go."""


class DirectSwitch(Switch):
    """In this process; a device that answers late holds it up for that long."""

    def __init__(self, section: KeyingSection) -> None:
        self._section = section
        self._device: KeyDevice | None = None
        self._retry_s: float | None = None
        self._events: list[SwitchEvent] = []

    def set(self, is_on: bool, now: float) -> None:
        if self._device is None:
            return
        try:
            self._device.set(is_on)
            if is_on:
                self._events.append(LineIsOn())
        except KeyingError as error:
            self._device.close()
            self._device = None
            self._retry_s = now + RETRY_S
            self._events.append(SwitchLost(str(error)))

    def beat(self, now: float) -> None:
        return

    def poll(self, now: float) -> list[SwitchEvent]:
        if self._device is None and (self._retry_s is None or now >= self._retry_s):
            try:
                self._device = open_key_device(self._section.device)
                self._events.append(SwitchReady())
            except KeyingError as error:
                self._retry_s = now + RETRY_S
                self._events.append(SwitchLost(str(error)))
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None


class WatchedSwitch(Switch):
    """Through the watchdog process, which ends with this one."""

    def __init__(self, section: KeyingSection) -> None:
        self._section = section
        device = section.device
        reply_s = device.reply_ms / 1000 if isinstance(device, CatKey | RigctldKey) else 0.0
        self._silent_s = 2 * reply_s + 2.0
        self._beat_every_s = section.hang_s / 5
        self._process: subprocess.Popen[bytes] | None = None
        self._restart_s: float | None = None
        self._restart_wait_s = FIRST_RESTART_S
        self._rest = b""
        self._number = 0
        self._asked_s: float | None = None
        """Since when an answer is owed; None: none is."""
        self._beaten_s = float("-inf")
        self._wants = False
        self._events: list[SwitchEvent] = []

    @property
    def process_id(self) -> int | None:
        """The watchdog's; None while there is none."""
        return None if self._process is None else self._process.pid

    def set(self, is_on: bool, now: float) -> None:
        self._wants = is_on
        self._number += 1
        self._write(f"{'on' if is_on else 'off'} {self._number}", now)

    def beat(self, now: float) -> None:
        if now >= self._beaten_s + self._beat_every_s:
            self._beaten_s = now
            self._write("beat", now)

    def poll(self, now: float) -> list[SwitchEvent]:
        if self._process is None and (self._restart_s is None or now >= self._restart_s):
            self._start(now)
        if self._process is not None:
            self._read(now)
        process = self._process
        if process is not None and process.poll() is not None:
            self._gone(f"the watchdog has ended ({_how(process.returncode)})", now)
        elif self._asked_s is not None and now >= self._asked_s + self._patience_s:
            self._gone("the watchdog does not answer", now)
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Let the watchdog unkey and end; one that does neither is killed, which drops a serial line, too."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    @property
    def _patience_s(self) -> float:
        return self._silent_s if self._restart_wait_s == FIRST_RESTART_S else START_S

    def _start(self, now: float) -> None:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        try:
            # A session of its own: Ctrl-C and Ctrl-Z at the terminal are not for it.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "firmware_bridge.ptt.watchdog"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": path},
            )
        except OSError as error:
            self._events.append(SwitchLost(f"the watchdog cannot be started: {error}", is_guard=True))
            self._later(now)
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(pipe.fileno(), False)
        self._rest = b""
        self._asked_s = None
        self._later(now)
        self._write(self._section.model_dump_json(), now)

    def _later(self, now: float) -> None:
        """The next start is later than this one was, until a watchdog has answered."""
        self._restart_s = now + self._restart_wait_s
        self._restart_wait_s = min(2 * self._restart_wait_s, LAST_RESTART_S)

    def _write(self, line: str, now: float) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        # A pipe that is closed or full: the watchdog is dead or does not read, which `poll` sees.
        with contextlib.suppress(OSError):
            self._process.stdin.write(line.encode() + b"\n")
        if self._asked_s is None:
            self._asked_s = now

    def _read(self, now: float) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        data = self._process.stdout.read(65_536)
        if not data:
            return
        self._asked_s, self._restart_wait_s = None, FIRST_RESTART_S
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._answered(line.decode("utf-8", "replace"))

    def _answered(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "ready":
                self._events.append(SwitchReady())
            case "lost":
                self._events.append(SwitchLost(rest))
            case "on" if rest == str(self._number):
                self._events.append(LineIsOn())
            case "refused" if rest == str(self._number):
                self._events.append(Unkeyed("the watchdog has the key locked out"))
            case "unkeyed" if self._wants:
                self._events.append(Unkeyed(rest))

    def _gone(self, why: str, now: float) -> None:
        assert self._process is not None
        self._process.kill()
        self.close()
        self._asked_s = None
        self._restart_s = max(self._restart_s or now, now)
        self._events.append(SwitchLost(why, is_guard=True))


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit status {code}"
