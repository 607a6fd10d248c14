"""Whole programs as benches and tests drive them: started, typed to, their log lines read as they come."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO

from gateway.errors import GatewayError

PATIENCE_S = 180.0
"""Only a failure takes so long; a busy machine once took a minute to start a station."""
READ_S = 5.0


class ProgramError(GatewayError):
    """A program did not do what it was started for."""


class Program:
    """A running `clarilink`. Its log lines are in JSON where its configuration says so."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] = os.environ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._said_all = False
        self._changed = threading.Condition()
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._said_all = True
            self._changed.notify_all()

    def telling(self, told: str) -> list[str]:
        """The lines so far that tell `told`."""
        return [line for line in list(self.lines) if told in line]

    def wait_for(self, told: str, count: int = 1) -> str:
        """The line that tells it for the `count`-th time. Raises ProgramError if it does not come: a program that
        still runs is aborted then, and the error shows where each of its threads stood."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.telling(told)) >= count or self._said_all, PATIENCE_S)
            found, ended = self.telling(told), "ended and " if self._said_all else ""
        if len(found) >= count:
            return found[count - 1]
        self.process.send_signal(signal.SIGABRT)
        self._reader.join(READ_S)
        raise ProgramError(f"{ended}never told {told!r}:\n" + "\n".join(self.lines))

    def type(self, line: str) -> None:
        """A line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for its end; the exit code."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(READ_S)
        return code

    def quit(self) -> dict[str, float]:
        """Have a station end; the counters and gauges that it ended with. Raises ProgramError for an exit code."""
        self.type("q")
        if code := self.end():
            raise ProgramError(f"ended with exit code {code}:\n" + "\n".join(self.lines))
        return self.counts()

    def counts(self) -> dict[str, float]:
        """The counters in a station's last log line."""
        return dict(json.loads(self.wait_for("station stopped")))

    def close(self) -> None:
        """At once."""
        self.process.kill()
        self.process.wait()
        self._reader.join(READ_S)
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        # The program's watchdog has its standard error, too, and may live on: to close what is being read would wait.
        if self.process.stderr is not None and not self._reader.is_alive():
            self.process.stderr.close()
