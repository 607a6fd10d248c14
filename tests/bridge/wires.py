"""Cables for tests: a pseudo-terminal behind a name that can be unplugged, and a TCP wire between two ports."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 10.0


def until(what: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Return when `what` holds; fail when it does not in time."""
    deadline = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.005)


class Device:
    """A serial device that is plugged in and out: the far end of its pseudo-terminal is ours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._master: int | None = None

    @property
    def is_plugged(self) -> bool:
        return self._master is not None

    def plug(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def unplug(self) -> None:
        if self._master is not None:
            self.path.unlink()
            os.close(self._master)
            self._master = None

    def write(self, data: bytes) -> None:
        assert self._master is not None
        while data:
            select.select([], [self._master], [], PATIENCE_S)
            data = data[os.write(self._master, data) :]

    def read(self) -> bytes:
        assert self._master is not None
        with contextlib.suppress(OSError):  # EAGAIN: nothing; EIO: nobody has it open
            return os.read(self._master, 65_536)
        return b""

    def read_until(self, part: bytes) -> bytes:
        """What comes up to and with `part`."""
        got = bytearray()

        def has_come() -> bool:
            got.extend(self.read())
            return part in got

        until(has_come)
        return bytes(got)


class TcpWire:
    """Two addresses joined to each other; what is sent to an end that nobody has connected to is gone."""

    def __init__(self) -> None:
        self._servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.ends = [f"tcp://127.0.0.1:{server.getsockname()[1]}" for server in self._servers]
        self._clients: list[socket.socket | None] = [None, None]
        self._woken, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._wake.send(b"x")
        self._thread.join()
        for one in (*self._servers, *self._clients, self._woken, self._wake):
            if one is not None:
                one.close()

    def hang_up(self, end: int) -> None:
        """Cut the connection from our side."""
        client = self._clients[end]
        assert client is not None
        client.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        while True:
            waited = [*self._servers, *(client for client in self._clients if client is not None), self._woken]
            ready, _, _ = select.select(waited, [], [])
            if self._woken in ready:
                return
            # Who is connected before bytes are sent must not miss them: so this is asked after they have been seen.
            calling, _, _ = select.select(self._servers, [], [], 0)
            for end in (0, 1):
                if self._servers[end] in calling:
                    before, self._clients[end] = self._clients[end], self._servers[end].accept()[0]
                    if before is not None:
                        before.close()
            for end in (0, 1):
                if self._clients[end] in ready:
                    self._pass(end)

    def _pass(self, end: int) -> None:
        here, there = self._clients[end], self._clients[1 - end]
        assert here is not None
        try:
            data = here.recv(65_536)
        except OSError:
            data = b""
        if not data:
            here.close()
            self._clients[end] = None
        elif there is not None:
            with contextlib.suppress(OSError):
                there.sendall(data)


class Joined:
    """Two devices that hear each other; either can be unplugged."""

    def __init__(self, folder: Path) -> None:
        self.devices = [Device(folder / "modem-a"), Device(folder / "modem-b")]
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        for device in self.devices:
            device.plug()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def unplug(self, end: int) -> None:
        with self._lock:
            self.devices[end].unplug()

    def plug(self, end: int) -> None:
        with self._lock:
            self.devices[end].plug()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        for device in self.devices:
            device.unplug()

    def _run(self) -> None:
        while not self._stopping.wait(0.002):
            with self._lock:
                for here, there in (self.devices, self.devices[::-1]):
                    data = here.read() if here.is_plugged else b""
                    if data and there.is_plugged:
                        there.write(data)
