"""What switches a transmitter: one class for each way, `set` and `close`.

Rule: making one unkeys, and so does closing it; `set` returns when the transmitter has followed, as far as it says so,
and raises KeyingError when it has not.
"""

from __future__ import annotations

import contextlib
import socket
import time
from abc import ABC, abstractmethod

from firmware_bridge.ptt.cat import CatLanguage, language_of
from firmware_bridge.ptt.gpio import GpioLine
from firmware_bridge.ptt.serial_port import BytesPort, open_lines
from gateway.errors import KeyingError
from gateway.ptt_config import CatKey, GpioKey, KeyDeviceSection, ModemLineKey, RigctldKey, SerialLineKey, VoxKey

RIGCTLD_REPLY_BYTES = 4096
_HAS_NO_PTT = (-1, -11)
"""Hamlib's RIG_EINVAL (seen from 4.5 with its dummy rig) and RIG_ENAVAIL."""


class KeyDevice(ABC):
    """Switches one transmitter."""

    @abstractmethod
    def set(self, is_on: bool) -> None:
        """Key or unkey. Raises KeyingError if that cannot be done, or is not known to be done."""

    def close(self) -> None:
        """Unkey as well as can be, and let the device go; never raises."""
        with contextlib.suppress(KeyingError):
            self.set(False)
        self._close()

    def _close(self) -> None:
        """Let the device go."""


class NoDevice(KeyDevice):
    """Nothing to switch: the radio keys itself (VOX), or whoever has the modem's port open switches its line."""

    def set(self, is_on: bool) -> None:
        return


class SerialLineDevice(KeyDevice):
    """RTS or DTR. Without `active_low` the kernel drops the line, too, when the last program with the port ends."""

    def __init__(self, section: SerialLineKey) -> None:
        self._section = section
        # The line that does not key stays off: some radios key by either.
        rest = {section.line: section.active_low}
        self._lines = open_lines(section.port, keep_lines=section.active_low, **rest)

    def set(self, is_on: bool) -> None:
        self._lines.set(self._section.line, is_on is not self._section.active_low)

    def _close(self) -> None:
        self._lines.close()


class CatDevice(KeyDevice):
    """A radio's own commands over a serial port; a radio that answers is believed only when it has answered."""

    def __init__(self, section: CatKey) -> None:
        self._section = section
        self._language: CatLanguage = language_of(section)
        self._port = BytesPort(section.port, section.baud)
        try:
            self.set(False)
        except KeyingError:
            self._port.close()
            raise

    def set(self, is_on: bool) -> None:
        word, received = "transmit" if is_on else "receive", b""
        self._port.write(self._language.command(is_on))
        give_up_s = time.monotonic() + self._section.reply_ms / 1000
        while time.monotonic() < give_up_s:
            received += (got := self._port.read())
            done = self._language.judge(is_on, received)
            if done is False:
                raise KeyingError(f"{self._section.port}: the radio refuses to {word} ({_shown(received)})")
            if done or (not self._language.answers(is_on) and not got):
                return
            if self._language.query and received.endswith(b";"):
                # It has answered, but not what is wanted: it may still be on its way there.
                self._port.write(self._language.query)
                received = b""
        raise KeyingError(
            f"{self._section.port}: the radio has not said that it does {word} ({_shown(received) or 'no answer'})"
        )

    def _close(self) -> None:
        self._port.close()


class RigctldDevice(KeyDevice):
    """Hamlib's rigctld (rigctld(1): `T 1`, `T 0`, answered by `RPRT 0` or a negative error)."""

    def __init__(self, section: RigctldKey) -> None:
        self._section = section
        self._socket: socket.socket | None = None
        self.set(False)

    def set(self, is_on: bool) -> None:
        command = b"T 1\n" if is_on else b"T 0\n"
        try:
            try:
                code = self._ask(command)
            except ConnectionError:  # rigctld was started again since
                self._close()
                code = self._ask(command)
        except OSError as error:
            self._close()
            raise KeyingError(f"rigctld at {self._section.address}: {error.strerror or error}") from error
        if code != 0:
            self._close()
            hint = "; has it been told how to key (rigctld -P RIG, RTS or DTR)?" if code in _HAS_NO_PTT else ""
            asked = "on" if is_on else "off"
            raise KeyingError(f"rigctld at {self._section.address}: answered {code} to PTT {asked}{hint}")

    def _ask(self, command: bytes) -> int | None:
        """The code that rigctld answers, None for anything else. Raises OSError."""
        if self._socket is None:
            host, _, port = self._section.address.rpartition(":")
            self._socket = socket.create_connection((host, int(port)), self._section.reply_ms / 1000)
        self._socket.sendall(command)
        reply = b""
        while not reply.endswith(b"\n"):
            got = self._socket.recv(RIGCTLD_REPLY_BYTES)
            if not got:
                raise ConnectionResetError("connection closed")
            reply = (reply + got)[-RIGCTLD_REPLY_BYTES:]
        return parse_report(reply)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class GpioDevice(KeyDevice):
    """A pin through libgpiod."""

    def __init__(self, section: GpioKey) -> None:
        self._line = GpioLine(section)

    def set(self, is_on: bool) -> None:
        self._line.set(is_on)

    def _close(self) -> None:
        self._line.close()


def parse_report(reply: bytes) -> int | None:
    """The code in a reply of rigctld's, its last line; None if there is none."""
    lines = reply.splitlines()
    word, _, code = (lines[-1] if lines else b"").partition(b" ")
    try:
        return int(code) if word == b"RPRT" else None
    except ValueError:
        return None


def open_key_device(section: KeyDeviceSection) -> KeyDevice:
    """The device of a configuration, unkeyed. Raises KeyingError naming it."""
    match section:
        case SerialLineKey():
            return SerialLineDevice(section)
        case CatKey():
            return CatDevice(section)
        case RigctldKey():
            return RigctldDevice(section)
        case GpioKey():
            return GpioDevice(section)
        case ModemLineKey() | VoxKey():
            return NoDevice()


def _shown(data: bytes) -> str:
    """Bytes from a radio for people."""
    text = data[-32:]
    return text.decode("ascii") if text.isascii() and text.decode("ascii").isprintable() else text.hex(" ")
