"""structlog set up once per process: readable lines for people or JSON for machines, always on standard error.

Rule: while a screen is drawn on the terminal (`held_back`) no line is written over it; they come when it is gone.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO, cast

import structlog

LINES_HELD = 1000


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
        try:
            out.file.writelines(held or ())
            out.file.flush()
        except OSError:
            pass  # the terminal is gone, and with it whoever would read


def configure_logging(level: str, form: Literal["console", "json"]) -> None:
    """`level` debug, info, warning or error."""
    global _out
    _out = _Out(sys.stderr)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if form == "console" else "iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _out)),
        cache_logger_on_first_use=False,
    )
