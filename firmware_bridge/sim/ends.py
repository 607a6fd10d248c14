"""What a host opens to reach a virtual modem: a pseudo-terminal behind a stable name, or a TCP port.

Rule: nothing here waits. An end can be unplugged and plugged: a pseudo-terminal comes back under the same name as
another device, a TCP port as a new listener, so that hosts are tried as hot-plugging tries them.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import termios
import tty
from abc import ABC, abstractmethod
from pathlib import Path

from gateway.errors import LinkError

_READ_BYTES = 4096
_RATES = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B[1-9]\d*", name)
}  # the constants of termios are in no order


class HostEnd(ABC):
    """One modem's end of its cable, as the host finds it."""

    is_paced: bool
    """Whether the line has a baud rate."""

    @property
    @abstractmethod
    def address(self) -> str:
        """What a host opens; the same after unplug and plug."""

    @property
    @abstractmethod
    def is_plugged(self) -> bool:
        """Whether the end is there at all."""

    @abstractmethod
    def is_open(self) -> bool:
        """Whether a host has it open."""

    @abstractmethod
    def plug(self) -> None:
        """Appear (again). Raises LinkError where that is impossible."""

    @abstractmethod
    def unplug(self) -> None:
        """Vanish, whatever the host is doing."""

    @abstractmethod
    def files(self) -> list[int]:
        """File descriptors to wait at for something to read or somebody to come."""

    @abstractmethod
    def full_file(self) -> int | None:
        """The file descriptor to wait at until it takes more bytes."""

    @abstractmethod
    def read(self, most: int) -> bytes:
        """Up to `most` bytes from the host; empty if there are none."""

    @abstractmethod
    def write(self, data: bytes) -> int:
        """Bytes to the host; returns how many it took. All are gone at once when no host listens."""

    def host_baud(self) -> int | None:
        """The baud rate that the host has set, where it can be seen."""
        return None


class TerminalEnd(HostEnd):
    """A pseudo-terminal in raw mode behind the symbolic link `path`."""

    is_paced = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._master: int | None = None
        self._device = ""

    @property
    def address(self) -> str:
        return str(self.path)

    @property
    def is_plugged(self) -> bool:
        return self._master is not None

    def is_open(self) -> bool:
        # Linux says "hung up" of a master without a slave.
        return self._master is not None and not _poll(self._master, 0) & select.POLLHUP

    def plug(self) -> None:
        if self._master is not None:
            return
        if self.path.exists() and not self.path.is_symlink():
            raise LinkError(f"{self.path}: exists and is no link that a virtual modem left; name another path")
        master, slave = os.openpty()
        self._device = os.ttyname(slave)
        tty.setraw(slave)
        os.close(slave)
        os.set_blocking(master, False)
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self._device)
            fresh.replace(self.path)
        except OSError as error:
            os.close(master)
            raise LinkError(f"{self.path}: cannot be made: {error.strerror or error}") from error
        self._master = master

    def unplug(self) -> None:
        if self._master is None:
            return
        with contextlib.suppress(OSError):
            if str(self.path.readlink()) == self._device:  # not one that another program has put there since
                self.path.unlink()
        os.close(self._master)
        self._master = None

    def files(self) -> list[int]:
        # Without a host it is "hung up" at once and always: waiting there would be no waiting.
        return [self._master] if self._master is not None and self.is_open() else []

    def full_file(self) -> int | None:
        return self._master

    def read(self, most: int) -> bytes:
        if self._master is None or most <= 0:
            return b""
        try:
            return os.read(self._master, min(most, _READ_BYTES))
        except OSError:  # EAGAIN: nothing; EIO: no host
            return b""

    def write(self, data: bytes) -> int:
        if self._master is None or not self.is_open():
            return len(data)
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def host_baud(self) -> int | None:
        if self._master is None:
            return None
        try:
            return _RATES.get(termios.tcgetattr(self._master)[5])  # Linux: a master shows its slave's settings
        except termios.error:
            return None


class TcpEnd(HostEnd):
    """A TCP port that serves one host at a time; another that comes meanwhile is turned away."""

    is_paced = False

    def __init__(self, host: str, port: int) -> None:
        """Port 0: the system's choice, kept over unplug and plug."""
        self._host, self._port = host, port
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None

    @property
    def address(self) -> str:
        return f"tcp://{self._host}:{self._port}"

    @property
    def is_plugged(self) -> bool:
        return self._listener is not None

    def is_open(self) -> bool:
        self._accept()
        return self._client is not None

    def plug(self) -> None:
        if self._listener is not None:
            return
        try:
            self._listener = socket.create_server((self._host, self._port), backlog=4)
        except OSError as error:
            raise LinkError(f"{self.address}: cannot listen: {error.strerror or error}") from error
        self._listener.setblocking(False)
        self._port = self._listener.getsockname()[1]

    def unplug(self) -> None:
        self._hang_up()
        if self._listener is not None:
            with contextlib.suppress(
                OSError
            ):  # closing alone leaves it listening for as long as another thread polls it
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def files(self) -> list[int]:
        return [one.fileno() for one in (self._listener, self._client) if one is not None]

    def full_file(self) -> int | None:
        return None if self._client is None else self._client.fileno()

    def read(self, most: int) -> bytes:
        self._accept()
        if self._client is None or most <= 0:
            return b""
        try:
            data = self._client.recv(min(most, _READ_BYTES))
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return data

    def write(self, data: bytes) -> int:
        if self._client is None:
            return len(data)
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._hang_up()
            return len(data)

    def _accept(self) -> None:
        while self._listener is not None:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._client is not None:
                client.close()
                continue
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client = client

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def host_end(address: str) -> HostEnd:
    """`tcp://HOST:PORT` or the path of a symbolic link to be. Raises LinkError for an address that is neither."""
    if "://" not in address:
        return TerminalEnd(Path(address).absolute())
    found = re.fullmatch(r"tcp://(\[[^]]+\]|[^:/]+):(\d{1,5})", address)
    if found is None or int(found[2]) > 65535:
        raise LinkError(f"{address}: needs tcp://HOST:PORT or a path")
    return TcpEnd(found[1].strip("[]"), int(found[2]))


def _poll(file: int, events: int) -> int:
    poll = select.poll()
    poll.register(file, events)
    return next((found for _, found in poll.poll(0)), 0)
