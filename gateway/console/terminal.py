"""The terminal below the screen: what it can show, and a driver that survives its loss.

Rule: nothing that a terminal does (closing, hanging, sending bytes that are no UTF-8) may stop or crash the station; a
terminal that is gone, or takes nothing for STALLED_S, is `lost`, and the screen ends.

Draws on standard output: standard error is for logs, which may go to a file.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import signal
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from gateway.console.spans import PLAIN, RICH, Glyphs

if TYPE_CHECKING:
    from textual.app import App

STALLED_S = 5.0
INPUT_WAIT_S = 0.1
"""An Escape with nothing behind it is the key itself after about this long."""
READ_BYTES = 4096
SIMPLE_TERMINALS = ("linux", "vt", "ansi", "dumb", "cons", "con")
"""Their fonts have letters but few blocks, and they may print what they do not know."""
_MODERN = re.compile(r"\x1b\[(?:[<>]\d*u|\?\d+\$p)")


def is_simple(environ: Mapping[str, str]) -> bool:
    """Whether the terminal is one of few glyphs and no modern requests."""
    return environ.get("TERM", "").startswith(SIMPLE_TERMINALS)


def speaks_utf8(environ: Mapping[str, str]) -> bool:
    """Whether the locale says so (POSIX, 8.2). Python sets LC_CTYPE=C.UTF-8 for itself where there was none (PEP 538):
    that alone says nothing of the terminal."""
    every, ctype, language = (environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    if not every and ctype == "C.UTF-8" and language in ("", "C", "POSIX"):
        return False
    return re.search(r"utf-?8", every or ctype or language, re.IGNORECASE) is not None


def glyphs_for(environ: Mapping[str, str]) -> Glyphs:
    """Blocks where both terminal and locale have them, else ASCII."""
    return PLAIN if is_simple(environ) or not speaks_utf8(environ) else RICH


class TerminalWriter:
    """A text file to the terminal that never raises and never waits for ever."""

    encoding = "utf-8"

    def __init__(self, descriptor: int, lost: threading.Event, *, ascii_only: bool = False) -> None:
        self._lost, self._codec = lost, "ascii" if ascii_only else "utf-8"
        # Opened anew so that not waiting is our own affair and not that of everybody who shares the terminal.
        try:
            self._descriptor = os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            self._descriptor = os.dup(descriptor)

    def write(self, text: str) -> int:
        data = memoryview(text.encode(self._codec, "replace"))
        while data and not self._lost.is_set():
            try:
                _, ready, _ = select.select([], [self._descriptor], [], STALLED_S)
                if not ready:
                    self._lost.set()
                    break
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                self._lost.set()
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return True

    def close(self) -> None:
        """Let the terminal go."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


class TerminalDriver(LinuxDriver):
    """The library's driver with the rule of this module."""

    lost: threading.Event
    """Set once the terminal is gone; made for each run by `driver_class`."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._is_simple = is_simple(os.environ)
        self._terminal = TerminalWriter(sys.__stdout__.fileno(), self.lost, ascii_only=not speaks_utf8(os.environ))  # type: ignore[union-attr]
        self._file = self._terminal  # type: ignore[assignment]
        # A stopped process cannot unkey. And what the library does when it goes on would start it a second time when
        # a terminal hangs up, which sends SIGCONT, too.
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)

    def write(self, data: str) -> None:
        if not (self._is_simple and _MODERN.search(data)):
            super().write(data)

    def _get_terminal_size(self) -> tuple[int, int]:
        # The library believes COLUMNS and LINES, which stay what they were when a terminal is resized.
        try:
            size = os.get_terminal_size(self._terminal.fileno())
        except OSError:
            return super()._get_terminal_size()
        return (size.columns, size.lines) if size.columns and size.lines else super()._get_terminal_size()

    def stop_application_mode(self) -> None:
        # tmux 3.3 keeps part of the picture when it was resized meanwhile; so leave none.
        self.write("\x1b[2J\x1b[H")
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        self._terminal.close()

    def run_input_thread(self) -> None:
        """As the library does it, but the end of the input is the loss of the terminal, and bytes that are no UTF-8
        cost themselves alone."""
        parser = XTermParser(self._debug)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while not self.exit_event.is_set() and not self.lost.is_set():
            try:
                ready, _, _ = select.select([self.fileno], [], [], INPUT_WAIT_S)
                data = os.read(self.fileno, READ_BYTES) if ready else None
            except (OSError, ValueError):
                data = b""
            if data == b"":
                self.lost.set()
                break
            for event in (*(parser.feed(decode(data)) if data else ()), *parser.tick()):
                self.process_message(event)


def driver_class(lost: threading.Event) -> type[TerminalDriver]:
    """A driver that tells `lost`."""
    return type("TerminalDriver", (TerminalDriver,), {"lost": lost})


def is_hung_up(descriptor: int) -> bool:
    """Whether the other side of a terminal has gone."""
    poll = select.poll()
    try:
        poll.register(descriptor, 0)
        return any(what & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, what in poll.poll(0))
    except (OSError, ValueError):
        return True
