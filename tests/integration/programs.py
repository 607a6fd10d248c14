"""Whole programs as tests drive them: started, typed to, their log lines read as they come."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO

from tests.patience import PATIENCE_S

SAID_S = 3.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A running `clarilink`, its log lines as they come."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] = os.environ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()

    def wait_for(self, told: str, count: int = 1) -> str:
        """The line that tells `told` for the `count`-th time; fails loudly when it does not come."""

        def found() -> list[str]:
            return [line for line in self.lines if told in line]

        with self._changed:
            if self._changed.wait_for(lambda: len(found()) >= count, PATIENCE_S):
                return found()[count - 1]
        self.process.send_signal(signal.SIGABRT)  # it tells where its threads stand
        self._reader.join(5)
        raise AssertionError(f"never told {told!r}:\n" + "\n".join(self.lines))

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        code = self.process.wait(PATIENCE_S)
        self._reader.join(5)
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        # The program's watchdog has its standard error, too, and may live on: to close what is being read would wait.
        if self.process.stderr is not None and not self._reader.is_alive():
            self.process.stderr.close()

    def counts(self) -> dict[str, float]:
        """The counters in the last log line."""
        (line,) = [line for line in self.lines if "station stopped" in line]
        return dict(json.loads(line))


Start = Callable[..., Program]


def peers(own: int, other: int) -> str:
    return f'kind = "zeromq-peers"\nbind = "tcp://127.0.0.1:{own}"\nconnect = ["tcp://127.0.0.1:{other}"]'


def talk(program: Program, other: Program) -> None:
    """One over of SAID_S seconds that the other hears from beginning to end."""
    ended = sum("over ended" in line for line in other.lines)
    program.type("p")
    program.wait_for("talking")
    time.sleep(SAID_S)  # speech takes its time: this is no waiting for something to happen
    program.type("p")
    program.wait_for("over sent")
    other.wait_for("over ended", ended + 1)
