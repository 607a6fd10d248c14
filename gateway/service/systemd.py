"""What a service tells systemd (sd_notify(3)): ready, who talks, still alive, stopping.

Rule: one datagram without waiting, and nothing at all where NOTIFY_SOCKET is not set; telling never stops the work, and
what systemd had no room for is told with the next.
`alive` is called by the loop that would unkey the transmitter, so that a loop that hangs is killed and started again.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping

from gateway.clock import Clock, SystemClock
from gateway.control.hub import ControlHub
from gateway.service.words import state_line

BEATS = 4
"""Beats within the time after which systemd gives up."""
STATUS_EVERY_S = 1.0
MAX_STATUS_CHARACTERS = 200


class Systemd:
    """One per process; from any thread."""

    def __init__(self, environ: Mapping[str, str] | None = None, clock: Clock | None = None) -> None:
        """`environ`: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read from it (default: this process's)."""
        environ = os.environ if environ is None else environ
        self._clock = SystemClock() if clock is None else clock
        self._lock = threading.Lock()
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        timeout_s = _timeout_s(environ) if self._address is not None else None
        self.beat_s = None if timeout_s is None else timeout_s / BEATS
        """How often `alive` should be called at least; None: nobody waits for it."""
        self._beat_due_s = float("-inf")
        self._status, self._status_due_s = "", float("-inf")
        self._is_ready_owed = self._is_stopping = False

    @property
    def is_there(self) -> bool:
        """Whether systemd listens."""
        return self._socket is not None

    def ready(self, text: str = "") -> None:
        """What others need of this service is there from now on."""
        self._is_ready_owed = True
        self._tell(*([f"STATUS={_line(text)}"] if text else []))

    def status(self, text: str) -> None:
        """What `systemctl status` shows; told when it changes, once a second at most."""
        if self._socket is None or self._is_stopping or _line(text) == self._status:
            return
        now_s = self._clock.now()
        if now_s >= self._status_due_s:
            self._status_due_s = now_s + STATUS_EVERY_S
            if self._tell(f"STATUS={_line(text)}"):
                self._status = _line(text)

    def follow(self, hub: ControlHub) -> Callable[[], None]:
        """Let the status be what the station does; returns what ends that."""

        def tell() -> None:
            # Often called, and the words take longer than looking at the clock.
            snapshot = hub.snapshot
            if snapshot is not None and self._clock.now() >= self._status_due_s:
                self.status(state_line(snapshot.as_dict()))

        return hub.listen(tell) if self.is_there else lambda: None

    def alive(self) -> None:
        """The work goes on: cheap, to be called every turn."""
        if self.beat_s is None:
            return
        now_s = self._clock.now()
        if now_s >= self._beat_due_s:
            self._beat_due_s = now_s + self.beat_s
            self._tell("WATCHDOG=1")

    def stopping(self, text: str = "stopping") -> None:
        """The end was asked for or came."""
        self._is_stopping = True
        self._tell("STOPPING=1", f"STATUS={_line(text)}")

    def close(self) -> None:
        """Say nothing any more."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
                self.beat_s = None

    def _tell(self, *lines: str) -> bool:
        """Whether it was taken; busy or gone, there is nobody else to tell."""
        with self._lock:
            if self._socket is None or self._address is None:
                return False
            ready = ("READY=1",) if self._is_ready_owed else ()
            try:
                self._socket.sendto("\n".join((*ready, *lines)).encode(), self._address)
            except OSError:
                return False
            self._is_ready_owed = False
            return True


def _address(path: str) -> str | None:
    """For `sendto`; None for what is no AF_UNIX address."""
    if path.startswith("@"):
        return "\0" + path[1:]
    return path if path.startswith("/") else None


def _timeout_s(environ: Mapping[str, str]) -> float | None:
    """After how long without a sign of life systemd gives up; None: it does not watch, or another process."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6


def _line(text: str) -> str:
    """One line: a line end would begin another assignment."""
    return " ".join(text.split())[:MAX_STATUS_CHARACTERS]
