"""A station made of one snapshot, with the screen on its terminal: what tests of real terminals run.

python -m tests.console.screen_program TOLD_FILE TEST_PID [crash | ends | stops | ignores-hangup]: requests and the end
go to the file, a line each. It ends with the process TEST_PID, and by force where the screen then does not.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from gateway.clock import SystemClock
from gateway.console import screen_app, terminal
from gateway.console.screen import run_screen
from gateway.control.hub import ControlHub
from tests.console.snapshots import AT_WORK

FORCE_S = 10.0


def main(told_path: str, test_pid: str, how: str = "") -> None:
    threading.Thread(target=end_with, args=(int(test_pid),), daemon=True).start()
    with Path(told_path).open("a", encoding="utf-8", buffering=1) as told:
        run(told, how)


def end_with(test_pid: int) -> None:
    """A tmux server outlives a test that was killed, and with it the terminal of this program would stay."""
    with suppress(ProcessLookupError):
        process = os.pidfd_open(test_pid)
        select.select([process], [], [])
    os.kill(os.getpid(), signal.SIGTERM)
    faulthandler.dump_traceback_later(FORCE_S, exit=True)


def run(told: TextIO, how: str) -> None:
    hub = ControlHub(SystemClock())
    stop, ended = threading.Event(), threading.Event()
    signal.signal(signal.SIGHUP, signal.SIG_IGN if how == "ignores-hangup" else lambda *_: stop.set())
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    terminal.STALLED_S = 1.0
    if how == "crash":

        def fail(*_: object) -> None:
            raise RuntimeError("drawing failed")

        screen_app.ScreenApp._look_of = fail  # type: ignore[method-assign,assignment]

    def publish() -> None:
        shot = replace(AT_WORK, wall_s=time.time())
        pace_s = 0.02 if how == "stops" else 0.1  # faster than it draws: it ends with a draw that is due
        for number in range(1, 1_000_000):
            # The level moves, so that there is something to draw every time.
            audio = replace(shot.audio, level_db=-40.0 + number % 30)
            hub.publish(replace(shot, number=number, wall_s=time.time(), audio=audio))
            for request in hub.take():
                told.write(f"{request}\n")
            if how == "stops" and number == 20:
                stop.set()
            if (how == "ends" and number == 20) or ended.wait(pace_s):
                return

    station = threading.Thread(target=publish)
    station.start()
    try:
        run_screen(hub, stop, station.is_alive)
        told.write("ended\n")
    except RuntimeError as error:
        told.write(f"raised {error}\n")
    finally:
        ended.set()
        station.join()
        told.write(f"signals {signal.getsignal(signal.SIGWINCH) is signal.SIG_DFL}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
