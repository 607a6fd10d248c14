"""The terminal screen of a station: chosen where there is a terminal and Textual (extra `console`).

Rule: importing this needs no extra; what draws (gateway.console.screen_app) is imported when it is wanted.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from gateway.control.hub import ControlHub
from gateway.errors import ConfigError

_BORROWED_SIGNALS = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT, signal.SIGTTOU, signal.SIGTTIN)
"""Handlers that the library sets and leaves."""


def available() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("textual") is not None


def has_terminal() -> bool:
    """Whether standard input and output are a terminal that a screen can be drawn on."""
    try:
        return os.isatty(0) and os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"
    except OSError:
        return False


def screen_wanted(kind: Literal["auto", "full", "lines"]) -> bool:
    """Whether to run the screen for [console] kind. Raises ConfigError if `full` cannot be had."""
    if kind == "full":
        if not available():
            raise ConfigError("console.kind is full, but textual is not installed; install clarilink[console]")
        if not has_terminal():
            raise ConfigError(
                "console.kind is full, but standard input and output are no terminal (or TERM is dumb); needed: a "
                'terminal, or kind = "auto"'
            )
    return kind != "lines" and available() and has_terminal()


def run_screen(hub: ControlHub, stop: threading.Event, is_alive: Callable[[], bool]) -> None:
    """Draw and take keys until the operator quits, `stop` is set, the station is not alive, or the terminal is gone.

    Blocks; for the main thread. The terminal and the signal handlers are as before on any way out. Raises what went
    wrong inside, so that the caller unkeys; ConfigError without the extra `console`.
    """
    if not available():
        raise ConfigError("the screen needs textual; install clarilink[console]")
    from gateway.console.screen_app import ScreenApp
    from gateway.console.terminal import driver_class

    lost = threading.Event()
    no_color = os.environ.get("NO_COLOR")
    with _signals_restored():
        app = ScreenApp(hub, stop, is_alive, lost, driver_class(lost))
        try:
            app.run(mouse=False)
        finally:
            # The library takes it out of the environment.
            if no_color is not None:
                os.environ["NO_COLOR"] = no_color
    if app.failure is not None:
        raise app.failure


@contextmanager
def _signals_restored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    saved = {number: signal.getsignal(number) for number in _BORROWED_SIGNALS}
    try:
        yield
    finally:
        for number, handler in saved.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        sys.stdout.flush()
