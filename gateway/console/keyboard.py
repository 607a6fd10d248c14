"""Keys of a terminal to events of the operator.

Rule: what a key means is decided by pure classes (bytes in, events out); only `Keyboard` touches a terminal, and it
puts it back as it was on any way out.

On a terminal, keys act at once: space latches the push-to-talk on and off (a terminal reports no release), `b` does
so over a station that is heard (break-in), `t` opens a line for a text message (Enter sends, Escape drops), `m` begins
and ends the recording of a voice message, `l` plays the last one that came, `r` the last over again, `q` or Ctrl-D
quits; Ctrl-C stays an interrupt. Where standard input is a pipe or a file, it is read by lines: `p` toggles the
push-to-talk, `b` breaks in, `t WORDS` sends a text, `m`, `l` and `r` as above, `q` or the end of the input quits. A
service without an operator has `source = "none"` in [ptt] and no keyboard at all.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import termios
import tty
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from gateway.control.requests import (
    MAX_TEXT_CHARACTERS,
    PlayMessage,
    ReplayOver,
    SendText,
    ToggleKey,
    ToggleRecording,
    clean_text,
)

HOLDER = "keyboard"
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Quit:
    """The operator wants the program to end."""


@dataclass(frozen=True, slots=True)
class TextEdited:
    """The message line changed: what stands on it now, or None when it closed. To be drawn."""

    text: str | None


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """Nothing is bound to that; the console may show its help."""

    typed: str


KeyEvent = ToggleKey | Quit | SendText | ToggleRecording | PlayMessage | ReplayOver | TextEdited | UnknownKey


class KeyMap(Protocol):
    """Bytes from the operator to events; keeps what is incomplete."""

    def feed(self, data: bytes) -> list[KeyEvent]:
        """The events that `data` completes, in order."""
        ...

    def end(self) -> list[KeyEvent]:
        """The events that the end of the input causes."""
        ...


class KeyPresses:
    """Single keys as a terminal in cbreak mode sends them."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line: str | None = None
        self._sequence = ""

    def feed(self, data: bytes) -> list[KeyEvent]:
        events: list[KeyEvent] = []
        for character in self._decoder.decode(data):
            events += self._escape(character) if self._sequence else self._key(character)
        # An escape with nothing behind it is the key itself; arrows and the like arrive in one piece.
        if self._sequence == "\x1b":
            self._sequence = ""
            events += self._close_line()
        return events

    def end(self) -> list[KeyEvent]:
        return [Quit()]

    def _escape(self, character: str) -> list[KeyEvent]:
        """Swallow a control sequence (ECMA-48, 5.4): ESC [ or ESC O, parameters, one final character."""
        if self._sequence == "\x1b":
            if character in "[O":
                self._sequence += character
                return []
            self._sequence = ""
            # Alt with a key, or Escape typed just before one.
            return [*self._close_line(), *self._key(character)]
        if self._sequence.startswith("\x1bO") or "@" <= character <= "~" or len(self._sequence) > 16:
            self._sequence = ""
        else:
            self._sequence += character
        return []

    def _key(self, character: str) -> list[KeyEvent]:
        if character == "\x1b":
            self._sequence = character
            return []
        if character in "\x03\x04":
            return [Quit()]
        return self._command(character) if self._line is None else self._edit(self._line, character)

    def _command(self, character: str) -> list[KeyEvent]:
        match character.lower():
            case " ":
                return [ToggleKey(HOLDER)]
            case "b":
                return [ToggleKey(HOLDER, break_in=True)]
            case "m":
                return [ToggleRecording()]
            case "l":
                return [PlayMessage()]
            case "r":
                return [ReplayOver()]
            case "q":
                return [Quit()]
            case "t":
                self._line = ""
                return [TextEdited("")]
            case "\r" | "\n":
                return []
            case _:
                return [UnknownKey(character)]

    def _edit(self, line: str, character: str) -> list[KeyEvent]:
        if character in "\r\n":
            text = clean_text(line)
            return [*self._close_line(), *([SendText(text)] if text else [])]
        if character in "\x7f\b":
            line = line[:-1]
        elif character == "\x15":  # Ctrl-U, as at any prompt
            line = ""
        elif character.isprintable() and len(line) < MAX_TEXT_CHARACTERS:
            line += character
        else:
            return []
        self._line = line
        return [TextEdited(line)]

    def _close_line(self) -> list[KeyEvent]:
        if self._line is None:
            return []
        self._line = None
        return [TextEdited(None)]


class CommandLines:
    """Whole lines from a pipe or a file."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> list[KeyEvent]:
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        # A line that never ends must not grow for ever.
        self._rest = self._rest[: MAX_TEXT_CHARACTERS + 64]
        return [event for line in lines for event in self._line(line)]

    def end(self) -> list[KeyEvent]:
        line, self._rest = self._rest, ""
        return [*self._line(line), Quit()]

    def _line(self, line: str) -> list[KeyEvent]:
        command, _, words = line.strip().partition(" ")
        match command.lower():
            case "":
                return []
            case "p":
                return [ToggleKey(HOLDER)]
            case "b":
                return [ToggleKey(HOLDER, break_in=True)]
            case "m":
                return [ToggleRecording()]
            case "l":
                return [PlayMessage()]
            case "r":
                return [ReplayOver()]
            case "q":
                return [Quit()]
            case "t":
                text = clean_text(words)[:MAX_TEXT_CHARACTERS]
                return [SendText(text)] if text else [UnknownKey("t")]
            case _:
                return [UnknownKey(line.strip()[:64])]


class Keyboard:
    """The operator's keys from a file descriptor: single keys from a terminal, lines from anything else.

    Use in a `with` block; the terminal is restored on any way out of it.
    """

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._saved: list[Any] | None = None
        self._ended = False
        try:
            self.is_terminal = os.isatty(descriptor)
        except OSError:
            self.is_terminal = False
        self._keys: KeyMap = KeyPresses() if self.is_terminal else CommandLines()

    def __enter__(self) -> Keyboard:
        if self.is_terminal:
            self._saved = termios.tcgetattr(self._descriptor)
            # Not raw: Ctrl-C keeps its meaning, and output its line ends.
            tty.setcbreak(self._descriptor, termios.TCSANOW)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._saved is not None:
            # A terminal that was closed has nothing to restore.
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._saved)
            self._saved = None

    def poll(self, timeout_s: float = 0.0) -> list[KeyEvent]:
        """Events of the keys pressed until now, waiting up to `timeout_s` for one; the end of input is a Quit, once."""
        if self._ended:
            select.select([], [], [], timeout_s)
            return []
        try:
            ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
            if not ready:
                return []
            data = os.read(self._descriptor, _READ_BYTES)
        except (OSError, ValueError):
            data = b""  # the terminal was closed
        if data:
            return self._keys.feed(data)
        self._ended = True
        return self._keys.end()
