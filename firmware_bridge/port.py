"""Ports: a serial device, a TCP port, or a serial device behind RFC 2217, opened from an address and read by waiting.

Rule: nothing here waits but `wait`, and that ends at once on `wake`; reads and writes take what there is. A port that
fails raises LinkError and is to be closed: whoever owns it opens it again.

`/dev/...` (best a stable name, `clarilink ports` lists them), `tcp://HOST:PORT`, `rfc2217://HOST:PORT`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import select
import socket
import termios
import threading
from abc import ABC, abstractmethod
from math import ceil
from pathlib import Path
from typing import Any

import serial

from firmware_bridge.driver import Lines
from firmware_bridge.profile import PortSection
from gateway.errors import ConfigError, LinkError

READ_BYTES = 65_536
CONNECT_S = 5.0
_REMOTE_QUEUE_BYTES = 4096
_NOT_NOW = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR)
_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


def check_address(address: str) -> str:
    """The address itself. Raises ConfigError for what can be no port."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        if not address:
            raise ConfigError("a port's address is empty; needed: a device, tcp://HOST:PORT or rfc2217://HOST:PORT")
        return address
    if scheme not in ("tcp", "rfc2217"):
        raise ConfigError(f"port {address}: needed: a device, tcp://HOST:PORT or rfc2217://HOST:PORT")
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5})", rest)
    if found is None or not 0 < int(found[2]) <= 65535:
        raise ConfigError(f"port {address}: needed: {scheme}://HOST:PORT, with a port from 1 to 65535")
    return address


def open_port(address: str, section: PortSection, *, rts: bool = True, dtr: bool = True) -> Port:
    """Open for us alone, set up and emptied; `rts` and `dtr` are the lines to begin with.

    Raises LinkError in words for operators, ConfigError for an address that is none.
    """
    check_address(address)
    if address.startswith("tcp://"):
        return TcpPort(address)
    if address.startswith("rfc2217://"):
        return RemotePort(address, section, rts=rts, dtr=dtr)
    return SerialPort(address, section, rts=rts, dtr=dtr)


class Port(ABC):
    """An open port, for one thread; `wake` alone may come from others."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._is_open = True

    def wait(self, timeout_s: float | None, *, to_write: bool = False) -> None:
        """Return when there is something to read, the port takes bytes again (if `to_write`), after `wake`, or after
        `timeout_s` (None: whenever)."""
        poller = select.poll()
        poller.register(self._woken, select.POLLIN)
        poller.register(self._file(), select.POLLIN | (select.POLLOUT if to_write else 0))
        poller.poll(None if timeout_s is None else ceil(1000 * max(0.0, timeout_s)))
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, READ_BYTES)

    def wake(self) -> None:
        """End a `wait` in progress, or the next; from any thread."""
        with contextlib.suppress(OSError):  # closed, or so many unread that one more changes nothing
            os.write(self._wake, b"x")

    def close(self) -> None:
        """Close without waiting for what is not sent yet; nothing if closed already."""
        if self._is_open:
            self._is_open = False
            self._close()
            os.close(self._woken)
            os.close(self._wake)

    @abstractmethod
    def read(self) -> bytes:
        """What has come, possibly nothing. Raises LinkError when the port is gone."""

    @abstractmethod
    def write(self, data: bytes) -> int:
        """Hand bytes over; returns how many were taken, possibly none. Raises LinkError when the port is gone."""

    def lines(self) -> Lines:
        """The incoming control lines as they are now."""
        return Lines()

    @property
    def has_lines(self) -> bool:
        """Whether there are control lines to look at; they are to be asked for, for nothing tells of a change."""
        return False

    def set_line(self, line: str, is_on: bool) -> None:
        """Switch `rts`, `dtr` or `break`; nothing where the port has no such line."""

    def unsent_bytes(self) -> int:
        """Bytes taken that have not left yet, as far as is known."""
        return 0

    @abstractmethod
    def _file(self) -> int: ...

    @abstractmethod
    def _close(self) -> None: ...


class SerialPort(Port):
    """A serial device or pseudo-terminal of this machine."""

    def __init__(self, address: str, section: PortSection, *, rts: bool = True, dtr: bool = True) -> None:
        self._serial = _open_serial(address, section, rts=rts, dtr=dtr)
        self._fd: int = self._serial.fileno()
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCEXCL)  # programs that know of no lock are kept out, too
        super().__init__(address)
        self._has_lines = self._lines_or_none() is not None

    def read(self) -> bytes:
        data = self._read()
        if data:
            return data
        # A port without data and one that is gone both read as nothing: only the latter says that it has something.
        events = self._events()
        if events & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            raise LinkError(f"{self.address}: unplugged")
        if events & select.POLLIN:
            data = self._read()
            if not data:
                raise LinkError(f"{self.address}: unplugged")
        return data

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except OSError as error:
            if error.errno in _NOT_NOW:
                return 0
            raise LinkError(f"{self.address}: unplugged ({error.strerror})") from error

    def lines(self) -> Lines:
        return (self._lines_or_none() if self._has_lines else None) or Lines()

    @property
    def has_lines(self) -> bool:
        return self._has_lines

    def set_line(self, line: str, is_on: bool) -> None:
        _set_line(self._serial, self.address, line, is_on)

    def unsent_bytes(self) -> int:
        try:
            return int(self._serial.out_waiting)
        except OSError:
            return 0

    def _lines_or_none(self) -> Lines | None:
        try:
            return Lines(self._serial.cts, self._serial.dsr, self._serial.cd, self._serial.ri)
        except OSError:  # a pseudo-terminal
            return None

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, READ_BYTES)
        except OSError as error:
            if error.errno in _NOT_NOW:
                return b""
            raise LinkError(f"{self.address}: unplugged ({error.strerror})") from error

    def _events(self) -> int:
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        return sum(event for _, event in poller.poll(0))

    def _file(self) -> int:
        return self._fd

    def _close(self) -> None:
        with contextlib.suppress(OSError, termios.error):
            termios.tcflush(self._fd, termios.TCOFLUSH)  # or closing would wait for flow control, up to 30 s
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        with contextlib.suppress(OSError, serial.SerialException):
            self._serial.close()


class TcpPort(Port):
    """A modem, or a serial server in raw mode, behind TCP."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        try:
            self._socket = socket.create_connection((host.strip("[]"), int(port)), CONNECT_S)
        except OSError as error:
            raise LinkError(f"{address}: cannot connect: {error.strerror or error}") from error
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A peer that vanishes without a word is found out within half a minute.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        super().__init__(address)

    def read(self) -> bytes:
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LinkError(f"{self.address}: connection lost: {error.strerror or error}") from error
        if not data:
            raise LinkError(f"{self.address}: closed by the other side")
        return data

    def write(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise LinkError(f"{self.address}: connection lost: {error.strerror or error}") from error

    def _file(self) -> int:
        return self._socket.fileno()

    def _close(self) -> None:
        self._socket.close()


class RemotePort(Port):
    """A serial device behind RFC 2217 (pyserial's client): two threads make its blocking calls."""

    def __init__(self, address: str, section: PortSection, *, rts: bool = True, dtr: bool = True) -> None:
        self._serial = _open_serial(address, section, rts=rts, dtr=dtr)
        super().__init__(address)
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._outbox = bytearray()
        self._changed = threading.Condition()
        self._failure: str | None = None
        for work in (self._read_on, self._write_on):
            threading.Thread(target=work, name=f"{work.__name__.strip('_')} {address}", daemon=True).start()

    def read(self) -> bytes:
        try:
            data = self._here.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise LinkError(f"{self.address}: {self._failure or 'closed by the other side'}")
        return data

    def write(self, data: bytes) -> int:
        with self._changed:
            taken = data[: _REMOTE_QUEUE_BYTES - len(self._outbox)]
            self._outbox += taken
            self._changed.notify_all()
        return len(taken)

    def wait(self, timeout_s: float | None, *, to_write: bool = False) -> None:
        if to_write and len(self._outbox) < _REMOTE_QUEUE_BYTES:
            return
        super().wait(timeout_s)  # the writing thread wakes us when there is room

    def lines(self) -> Lines:
        try:
            return Lines(self._serial.cts, self._serial.dsr, self._serial.cd, self._serial.ri)
        except (OSError, serial.SerialException):
            return Lines()

    @property
    def has_lines(self) -> bool:
        return True

    def set_line(self, line: str, is_on: bool) -> None:
        _set_line(self._serial, self.address, line, is_on)

    def unsent_bytes(self) -> int:
        return len(self._outbox)

    def _read_on(self) -> None:
        try:
            while self._is_open:
                data = self._serial.read(1)
                if data:
                    self._there.sendall(data + self._serial.read(self._serial.in_waiting))
        except (OSError, serial.SerialException, TypeError, AttributeError) as error:
            self._fail(f"connection lost: {error}")

    def _write_on(self) -> None:
        while True:
            with self._changed:
                while self._is_open and not self._outbox:
                    self._changed.wait()
                if not self._is_open:
                    return
                data = bytes(self._outbox[:256])
            try:
                self._serial.write(data)
            except (OSError, serial.SerialException, TypeError, AttributeError) as error:
                self._fail(f"connection lost: {error}")
                return
            with self._changed:
                del self._outbox[: len(data)]
            self.wake()

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why
        with contextlib.suppress(OSError):
            self._there.shutdown(socket.SHUT_RDWR)

    def _file(self) -> int:
        return self._here.fileno()

    def _close(self) -> None:
        with self._changed:
            self._changed.notify_all()
        # pyserial's close joins a thread that may be in a blocking call.
        threading.Thread(target=self._close_serial, daemon=True).start()
        self._here.close()

    def _close_serial(self) -> None:
        with contextlib.suppress(Exception):
            self._serial.close()
        self._there.close()


def _open_serial(address: str, section: PortSection, *, rts: bool, dtr: bool) -> Any:
    """A pyserial port."""
    is_remote = "://" in address
    try:
        port = serial.serial_for_url(address, do_not_open=True)
        port.baudrate = section.baud
        port.bytesize = section.data_bits
        port.parity = _PARITY[section.parity]
        port.stopbits = section.stop_bits
        port.rtscts = section.flow == "rts-cts"
        port.xonxoff = section.flow == "xon-xoff"
        port.timeout = 0.5 if is_remote else 0
        if not is_remote:
            port.exclusive = True
            port.write_timeout = 0
        port.rts, port.dtr = rts, dtr
        port.open()
    except (OSError, ValueError, serial.SerialException, termios.error) as error:
        raise LinkError(f"{address}: {_why_not(address, section, error)}") from error
    return port


def _why_not(address: str, section: PortSection, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number is None and isinstance(error.__context__, termios.error):
        number = error.__context__.args[0]  # of what pyserial says as "Could not configure port"
    if number == errno.ENOENT:
        return "not there (not plugged in?)"
    if number in (errno.EACCES, errno.EPERM):
        return "no permission; add this user to the device's group (often dialout)"
    if number in (errno.EBUSY, errno.EAGAIN):
        return "in use by another program (`clarilink ports` tells which)"
    if isinstance(error, ValueError) and "baud" in str(error).lower():
        return f"does not run at {section.baud} baud"
    if number == errno.EIO:
        return "no hardware behind it"
    if number == errno.ENOTTY or (
        "://" not in address and Path(address).exists() and not Path(address).is_char_device()
    ):
        return "is no serial device"
    return f"cannot be opened: {error}"


def _set_line(port: Any, address: str, line: str, is_on: bool) -> None:
    try:
        if line == "rts":
            port.rts = is_on
        elif line == "dtr":
            port.dtr = is_on
        elif line == "break":
            port.break_condition = is_on
        else:
            raise ValueError(f"no control line {line!r}; needed: rts, dtr or break")
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTTY):
            raise LinkError(f"{address}: cannot switch {line}: {error.strerror or error}") from error
