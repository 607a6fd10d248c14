"""Switches that the operator talks with: opened, read in a thread, and looked for again when they are gone.

Rule: a switch that goes away while it is pressed releases, and says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from firmware_bridge.driver import Lines
from firmware_bridge.ptt.contact import Contact, Move
from firmware_bridge.ptt.evdev import EvdevContact
from firmware_bridge.ptt.gpio import GpioContact
from firmware_bridge.ptt.serial_port import TtyLines, open_lines
from gateway.clock import Clock, SystemClock
from gateway.errors import KeyingError
from gateway.ptt_config import ContactInput, EvdevInput, GpioInput, SerialLineInput

RETRY_S = 1.0
TURN_S = 0.2
LINE_EVERY_S = 0.01
"""How often a serial line is looked at. Linux can wait for a change (TIOCMIWAIT), but neither with a time-out nor in
every driver of a USB adapter; the call costs microseconds."""
JOIN_S = 3.0


class Source(Protocol):
    """Where a contact's state comes from."""

    def read(self, timeout_s: float) -> list[bool]:
        """States in order, as soon as there is news or after `timeout_s`. Raises KeyingError when it is gone."""
        ...

    def close(self) -> None: ...


class LineContact:
    """An incoming line of a serial port; RTS and DTR of a port of its own are put on, to feed the contact."""

    def __init__(self, section: SerialLineInput, sleep: Callable[[float], None] | None = None) -> None:
        self._section = section
        self._sleep = sleep if sleep is not None else SystemClock().sleep
        self._lines = open_lines(section.port, rts=True, dtr=True) if "://" in section.port else TtyLines(section.port)

    def read(self, timeout_s: float) -> list[bool]:
        self._sleep(min(timeout_s, LINE_EVERY_S))
        lines: Lines = self._lines.read()
        state = getattr(lines, self._section.line)
        return [] if state is None else [state is not self._section.active_low]

    def close(self) -> None:
        self._lines.close()


class PinContact:
    """A pin."""

    def __init__(self, section: GpioInput) -> None:
        self._pin = GpioContact(section)

    def read(self, timeout_s: float) -> list[bool]:
        return [self._pin.read(timeout_s)]

    def close(self) -> None:
        self._pin.close()


def open_source(section: ContactInput) -> Source:
    """The switch of a configuration. Raises KeyingError naming it."""
    match section:
        case SerialLineInput():
            return LineContact(section)
        case EvdevInput():
            return EvdevContact(section)
        case GpioInput():
            return PinContact(section)


def name_of(section: ContactInput) -> str:
    """The switch for people."""
    match section:
        case SerialLineInput():
            return f"{section.line.upper()} of {section.port}"
        case EvdevInput():
            return f"input device {section.device}"
        case GpioInput():
            return f"pin {section.gpio} of {section.chip}"


class InputThread(threading.Thread):
    """Reads one switch until stopped; `on_move` and `say` are called from it."""

    def __init__(
        self,
        section: ContactInput,
        on_move: Callable[[Move], None],
        say: Callable[[str], None],
        opener: Callable[[ContactInput], Source] = open_source,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name="ptt-input", daemon=True)
        self._section, self._on_move, self._say, self._opener = section, on_move, say, opener
        self._clock = clock if clock is not None else SystemClock()
        self._contact = Contact(section.debounce_ms / 1000, toggles=section.mode == "toggle")
        self._stopping = threading.Event()
        self._told: str | None = None

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                source = self._opener(self._section)
            except KeyingError as error:
                self._complain(str(error))
                self._stopping.wait(RETRY_S)
                continue
            if self._told is not None:
                self._say(f"push-to-talk switch is back: {name_of(self._section)}")
                self._told = None
            try:
                while not self._stopping.is_set():
                    self._turn(source)
            except KeyingError as error:
                self._complain(str(error))
            finally:
                source.close()
                self._tell(self._contact.lost())
            self._stopping.wait(RETRY_S)

    def stop(self) -> None:
        """Let the switch go and join; what it held is released."""
        self._stopping.set()
        self.join(JOIN_S)

    def _turn(self, source: Source) -> None:
        due_s = self._contact.next_deadline()
        wait_s = TURN_S if due_s is None else min(TURN_S, max(0.0, due_s - self._clock.now()))
        for state in source.read(wait_s):
            self._tell(self._contact.feed(state, self._clock.now()))
        self._tell(self._contact.tick(self._clock.now()))

    def _tell(self, moves: list[Move]) -> None:
        for move in moves:
            self._on_move(move)

    def _complain(self, why: str) -> None:
        if why != self._told:
            self._say(f"push-to-talk switch cannot be read: {why}")
        self._told = why
