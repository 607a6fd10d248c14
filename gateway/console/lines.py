"""The plain console: single keys, and what there is to say as log lines. It works anywhere, also through a pipe.

Rule: draws only the line being typed; everything else comes from the log.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from gateway.console.keyboard import Keyboard, Quit, TextEdited, UnknownKey
from gateway.control.hub import ControlHub

KEYS_WAIT_S = 0.2
HINT = (
    "keys: space talks and ends, b breaks in, t text message, m records a message, l plays the last, "
    "r plays the last over again, q quits\n"
)


def serve_lines(hub: ControlHub, stop: threading.Event, is_alive: Callable[[], bool]) -> None:
    """Turn keys into requests until the operator quits, `stop` is set or the station is not alive any more."""
    with Keyboard() as keyboard:
        while not stop.is_set() and is_alive():
            for event in keyboard.poll(KEYS_WAIT_S):
                match event:
                    case Quit():
                        stop.set()
                    case TextEdited(text):
                        _draw_line(text)
                    case UnknownKey():
                        sys.stderr.write(HINT)
                    case request:
                        hub.post(request)


def _draw_line(text: str | None) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K" + ("" if text is None else f"message> {text}"))
        sys.stderr.flush()
