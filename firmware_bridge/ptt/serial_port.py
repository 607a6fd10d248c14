"""Serial ports as keying and PTT inputs use them: control lines, and a few bytes to a radio.

Rule: opening a port never keys: both outgoing lines are put where they are off before anything else is done.

A device file is used for its lines beside another program, or beside the modem that has the same port open: the lines
are switched by the kernel's calls alone (tty_ioctl(4), TIOCMBIS and TIOCMBIC), and speed and form of the port are left
as they are. The kernel raises both lines when the first program opens a port; the moment until they are put back
cannot be avoided from here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import time
from abc import ABC, abstractmethod
from typing import Any

import serial

from firmware_bridge.driver import Lines
from gateway.errors import KeyingError

_OUT_BITS = {"rts": termios.TIOCM_RTS, "dtr": termios.TIOCM_DTR}
_READ_S = 0.02
FIRST_STATE_S = 3.0
"""How long a terminal server may take to say how its lines are."""


class ControlLines(ABC):
    """The control lines of an open port. Every method raises KeyingError when the port is gone."""

    @abstractmethod
    def set(self, line: str, is_on: bool) -> None:
        """Switch `rts` or `dtr`."""

    @abstractmethod
    def read(self) -> Lines:
        """The incoming lines now; None where they are not known yet."""

    @abstractmethod
    def close(self) -> None:
        """Let the port go, with its lines as they are."""


class TtyLines(ControlLines):
    """Lines of a device file that others may have open, too; `keep_lines`: they stay as they are after the end.

    Without it the kernel drops RTS and DTR when the last program closes the port (HUPCL), also when it is killed.
    """

    def __init__(self, path: str, *, keep_lines: bool = False) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise KeyingError(f"{path}: {error.strerror or error}") from error
        try:
            self._bits()
            if keep_lines:
                attributes = termios.tcgetattr(self._descriptor)
                attributes[2] &= ~termios.HUPCL
                termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)
        except (KeyingError, termios.error) as error:
            self.close()
            raise KeyingError(f"{path}: has no control lines ({error})") from error

    def set(self, line: str, is_on: bool) -> None:
        request = termios.TIOCMBIS if is_on else termios.TIOCMBIC
        self._call(request, struct.pack("i", _OUT_BITS[line]))

    def read(self) -> Lines:
        bits = self._bits()
        return Lines(
            cts=bool(bits & termios.TIOCM_CTS),
            dsr=bool(bits & termios.TIOCM_DSR),
            dcd=bool(bits & termios.TIOCM_CAR),
            ri=bool(bits & termios.TIOCM_RNG),
        )

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _bits(self) -> int:
        return int(struct.unpack("i", self._call(termios.TIOCMGET, bytes(4)))[0])

    def _call(self, request: int, argument: bytes) -> bytes:
        try:
            return fcntl.ioctl(self._descriptor, request, argument)
        except OSError as error:
            raise KeyingError(f"{self._path}: {error.strerror or error}") from error


class Rfc2217Lines(ControlLines):
    """Lines of a port at a terminal server (RFC 2217, COM-PORT-OPTION)."""

    def __init__(self, url: str, *, rts: bool = False, dtr: bool = False) -> None:
        self._url = url
        try:
            self._port = serial.serial_for_url(url, timeout=0, do_not_open=True)
            self._port.rts, self._port.dtr = rts, dtr
            self._port.open()
        except (OSError, ValueError) as error:
            raise KeyingError(f"{url}: {error}") from error
        self._known_by_s = time.monotonic() + FIRST_STATE_S

    def set(self, line: str, is_on: bool) -> None:
        try:
            setattr(self._port, line, is_on)
        except (OSError, ValueError) as error:
            raise KeyingError(f"{self._url}: {error}") from error

    def read(self) -> Lines:
        try:
            # Notices that the connection is gone; the lines' last state would be told for ever.
            self._port.read(1)
        except (OSError, ValueError) as error:
            raise KeyingError(f"{self._url}: {error}") from error
        try:
            return Lines(self._port.cts, self._port.dsr, self._port.cd, self._port.ri)
        except (OSError, ValueError) as error:
            if time.monotonic() < self._known_by_s:
                return Lines()  # it has not told yet
            raise KeyingError(f"{self._url}: {error}") from error

    def close(self) -> None:
        # pyserial leaves the socket open where the other side was faster.
        connection = getattr(self._port, "_socket", None)
        with contextlib.suppress(OSError, ValueError):
            self._port.close()
        if connection is not None:
            connection.close()


def open_lines(address: str, *, rts: bool = False, dtr: bool = False, keep_lines: bool = False) -> ControlLines:
    """The lines of `address`, with the outgoing ones as told. Raises KeyingError naming the port."""
    if "://" in address:
        return Rfc2217Lines(address, rts=rts, dtr=dtr)
    lines = TtyLines(address, keep_lines=keep_lines)
    try:
        lines.set("rts", rts)
        lines.set("dtr", dtr)
    except KeyingError:
        lines.close()
        raise
    return lines


class BytesPort:
    """A serial port for short commands and replies; both lines are off, for many radios key by them."""

    def __init__(self, address: str, baud: int) -> None:
        self._address = address
        try:
            url = address.replace("tcp://", "socket://", 1)
            self._port: Any = serial.serial_for_url(url, baudrate=baud, timeout=_READ_S, do_not_open=True)
            self._port.write_timeout = 1.0
            if "://" not in address:
                self._port.rts = self._port.dtr = False
            self._port.open()
        except (OSError, ValueError) as error:
            raise KeyingError(f"{address}: {error}") from error

    def write(self, data: bytes) -> None:
        """Send; what came in before is forgotten. Raises KeyingError."""
        try:
            self._port.reset_input_buffer()
            self._port.write(data)
        except (OSError, termios.error) as error:
            raise KeyingError(f"{self._address}: {error}") from error

    def read(self) -> bytes:
        """What has come, waiting a moment for the first byte. Raises KeyingError."""
        try:
            first: bytes = self._port.read(1)
            return first + (self._port.read(self._port.in_waiting) if first else b"")
        except (OSError, termios.error) as error:
            raise KeyingError(f"{self._address}: {error}") from error

    def close(self) -> None:
        with contextlib.suppress(OSError, termios.error):
            self._port.close()
