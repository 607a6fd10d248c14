"""structlog set up once per process: lines for people, or JSON for machines (journald, Loki), on standard error.

Rule: every line has `event`, `level`, `timestamp` and, where one is named, `station`; no line holds a secret, and no
line floods the others: of the same event only so many in a while are written, the rest are counted and told. While a
screen is drawn on the terminal (`held_back`) no line is written over it; they come when it is gone.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import structlog

from gateway.clock import Clock, SystemClock

SAME_A_WINDOW = 20
WINDOW_S = 10.0
MAX_EVENTS = 512
"""Events counted at a time; the rest are written as they come."""
LINES_HELD = 1000
HELD_BACK = "log lines held back"
HIDDEN = "(hidden)"

_SECRET_KEY = re.compile(r"secret|token|passw|passphrase|private", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"(?<=token=)[^\s&\"']+|\b[0-9a-fA-F]{64}\b")
"""A token in an address; what has the shape of a net key."""

_URGENCY = {"critical": 2, "error": 3, "exception": 3, "warning": 4, "info": 6, "debug": 7}

EventDict = structlog.typing.EventDict

_gate: FloodGate | None = None
_file: _QuietFile | None = None


class _Out:
    """Where lines go: `file`, or for a while nowhere."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.held: deque[str] | None = None

    def write(self, text: str) -> int:
        held = self.held
        if held is None:
            return self.file.write(text)
        held.append(text)
        return len(text)

    def flush(self) -> None:
        if self.held is None:
            self.file.flush()


_out = _Out(sys.stderr)


@contextmanager
def held_back() -> Iterator[None]:
    """Keep lines off a terminal, the last LINES_HELD of them until the end; lines to a file go on."""
    out = _out
    if not out.file.isatty():
        yield
        return
    out.held = deque(maxlen=LINES_HELD)
    try:
        yield
    finally:
        held, out.held = out.held, None
        with suppress(OSError):  # the terminal is gone, and with it whoever would read
            out.file.writelines(held or ())
            out.file.flush()


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file besides standard error, as JSON lines: at `max_bytes` it is renamed, `keep` older ones stay."""

    path: Path
    max_bytes: int = 5_000_000
    keep: int = 4


def configure_logging(
    level: str,
    form: Literal["console", "json"],
    *,
    station: str | None = None,
    file: LogFile | None = None,
    clock: Clock | None = None,
) -> None:
    """`level` debug, info, warning or error; `debug` holds nothing back. Raises OSError where `file` cannot be made."""
    global _gate, _file, _out
    close_log()
    _out = _Out(sys.stderr)
    gate = None if level == "debug" else FloodGate(SystemClock() if clock is None else clock)
    to_file = None if file is None else _QuietFile(file)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
    ]
    if station is not None:
        processors.append(_Named(station))
    if gate is not None:
        processors.append(gate)
    processors += [structlog.processors.format_exc_info, hide_secrets]
    if to_file is not None:
        processors += [structlog.processors.TimeStamper(fmt="iso"), to_file]
    processors += [structlog.processors.TimeStamper(fmt="%H:%M:%S" if form == "console" else "iso")]
    processors.append(_for_journal(renderer) if is_journal(os.environ, sys.stderr) else renderer)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _out)),
        cache_logger_on_first_use=False,
    )
    _gate, _file = gate, to_file


def close_log() -> None:
    """Tell what is held back still, and close the file; to be called when the program ends."""
    global _gate, _file
    if _gate is not None:
        _gate.tell_all()
    if _file is not None:
        _file.close()
    _gate = _file = None


def is_journal(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether `stream` leads to systemd's journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file, as in tests
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _for_journal(renderer: structlog.typing.Processor) -> structlog.typing.Processor:
    """Lines with the journal's mark of urgency before them (sd-daemon(3)), so that `journalctl -p warning` works."""

    def render(logger: Any, method: str, line: EventDict) -> str:
        mark = _URGENCY.get(str(line.get("level")), 6)
        return "\n".join(f"<{mark}>{part}" for part in str(renderer(logger, method, line)).split("\n"))

    return render


class _Named:
    """Says which station it is."""

    def __init__(self, station: str) -> None:
        self._station = station

    def __call__(self, _: Any, __: str, line: EventDict) -> EventDict:
        return {"station": self._station, **line}


@dataclass(slots=True)
class _Window:
    ends_s: float
    level: str
    event: str
    seen: int = 0
    held: int = 0


class FloodGate:
    """Lets `SAME_A_WINDOW` lines of one event through in `WINDOW_S`; numbers in its text do not make it another."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], _Window] = {}

    def __call__(self, _: Any, method: str, line: EventDict) -> EventDict:
        event, level = str(line.get("event")), str(line.get("level", method))
        if event == HELD_BACK:
            return line
        with self._lock:
            now_s = self._clock.now()
            ended = self._take_ended(now_s)
            is_held = self._hold(event, level, now_s)
        _tell(ended)
        if is_held:
            raise structlog.DropEvent
        return line

    def tell_all(self) -> None:
        """Tell of all that is held back."""
        with self._lock:
            ended = self._take_ended(float("inf"))
        _tell(ended)

    def _take_ended(self, now_s: float) -> list[_Window]:
        ended = [(key, window) for key, window in self._windows.items() if now_s >= window.ends_s]
        for key, _ in ended:
            del self._windows[key]
        return [window for _, window in ended if window.held]

    def _hold(self, event: str, level: str, now_s: float) -> bool:
        key = level, re.sub(r"\d+", "#", event)
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= MAX_EVENTS:
                return False
            window = self._windows[key] = _Window(now_s + WINDOW_S, level, event)
        window.seen += 1
        if window.seen <= SAME_A_WINDOW:
            return False
        window.held += 1
        return True


def _tell(ended: list[_Window]) -> None:
    for window in ended:
        log = structlog.get_logger("clarilink.logs")
        getattr(log, window.level if window.level in ("info", "warning", "error") else "warning")(
            HELD_BACK, of=window.event, count=window.held, seconds=WINDOW_S
        )


def hide_secrets(_: Any, __: str, line: EventDict) -> EventDict:
    """What looks like a secret, by its key or its shape, is not written."""
    return {key: HIDDEN if _SECRET_KEY.search(str(key)) else _hidden(value) for key, value in line.items()}


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_TEXT.sub(HIDDEN, value)
    if isinstance(value, dict):
        return hide_secrets(None, "", value)
    if isinstance(value, list | tuple):
        return [_hidden(item) for item in value]
    return value


class _QuietFile(logging.handlers.RotatingFileHandler):
    """Writes lines as JSON; a full disk costs lines, never the station."""

    def __init__(self, file: LogFile) -> None:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(file.path, maxBytes=file.max_bytes, backupCount=file.keep, encoding="utf-8")

    def __call__(self, _: Any, __: str, line: EventDict) -> EventDict:
        text = json.dumps(line, default=str)
        self.handle(logging.LogRecord("clarilink", logging.INFO, "", 0, text, None, None))
        return line

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing: there is nowhere to say it."""
