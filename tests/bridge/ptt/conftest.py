"""Peers of the keying tests: a radio's CAT behind a pseudo-terminal, a terminal server with real control lines
(RFC 2217), and Hamlib's own rigctld with its dummy rig.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator

import pytest
import serial
from serial.rfc2217 import PortManager

from tests.patience import PATIENCE_S


def wait_for(condition: Callable[[], object], what: str = "") -> None:
    """Until `condition` holds; fails after a time that only a broken program needs."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, f"did not happen: {what or condition}"
        time.sleep(0.005)


@pytest.fixture
def eventually() -> Callable[..., None]:
    return wait_for


class CatRadio:
    """A radio on the far side of a pseudo-terminal: obeys one maker's commands and keeps a diary."""

    def __init__(self, radio: str) -> None:
        self.radio = radio
        self.is_on = False
        self.diary: list[bool] = []
        self.refuses = False
        self.is_mute = False
        self.slow_s = 0.0
        """How long its state lags behind its commands."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._inbox = b""
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([self._master, self._ended], [], [])
                if self._ended in ready:
                    return
                self._inbox += os.read(self._master, 256)
                for command in self._commands():
                    answer = self._obey(command)
                    if answer and not self.is_mute:
                        os.write(self._master, answer)

    def _commands(self) -> list[bytes]:
        if self.radio == "yaesu-5-byte":
            whole = [self._inbox[at : at + 5] for at in range(0, len(self._inbox) - 4, 5)]
            self._inbox = self._inbox[5 * len(whole) :]
            return whole
        end = b"\xfd" if self.radio == "icom" else b";"
        *whole, self._inbox = self._inbox.split(end)
        return [command + end for command in whole]

    def _switch(self, is_on: bool) -> None:
        def done() -> None:
            self.is_on = is_on
            self.diary.append(is_on)

        if self.slow_s:
            threading.Timer(self.slow_s, done).start()
        else:
            done()

    def _obey(self, command: bytes) -> bytes:
        if self.radio == "icom":
            state = re.fullmatch(rb"\xfe\xfe\x94\xe0\x1c\x00([\x00\x01])\xfd", command, re.DOTALL)
            if state is None or self.refuses:
                return command + b"\xfe\xfe\xe0\x94\xfa\xfd"
            self._switch(state[1] == b"\x01")
            return command + b"\xfe\xfe\xe0\x94\xfb\xfd"  # the bus echoes what is written to it
        if self.radio == "yaesu-5-byte":
            self._switch(command[4] == 0x08)
            return b""
        text = command.decode()
        if self.refuses and text in ("TX;", "RX;", "TX1;", "TX0;"):
            return b"?;"
        if self.radio == "yaesu" and text == "TX;":
            return b"TX1;" if self.is_on else b"TX0;"
        if text in ("TX;", "TX1;"):
            self._switch(True)
        elif text in ("RX;", "TX0;"):
            self._switch(False)
        elif text == "TQ;":
            return b"TQ1;" if self.is_on else b"TQ0;"
        elif text == "IF;":
            return (
                b"IF00014250000"
                + b" " * 5
                + b"+0000"
                + b"00"
                + b"0"
                + b"00"
                + (b"1" if self.is_on else b"0")
                + b"1000000 ;"
            )
        return b""

    def close(self) -> None:
        """As when the cable is pulled; nothing if done already. A thread that still read would read another radio's
        descriptor of the same number."""
        if self._end >= 0:
            os.write(self._end, b"x")
            self._thread.join()
            for descriptor in (self._slave, self._master, self._ended, self._end):
                os.close(descriptor)
            self._end = -1


@pytest.fixture
def cat_radio() -> Iterator[Callable[[str], CatRadio]]:
    made: list[CatRadio] = []

    def make(radio: str) -> CatRadio:
        made.append(CatRadio(radio))
        return made[-1]

    yield make
    for radio in made:
        radio.close()


class TerminalServer:
    """One serial port at a TCP address: pyserial's own RFC 2217 server. Its port is a loop: RTS shows at CTS, DTR at
    DSR and DCD."""

    def __init__(self) -> None:
        self.port = serial.serial_for_url("loop://", timeout=0)
        self.port.rts = self.port.dtr = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            if self._connection is not None:
                self._connection.sendall(data)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connection, _ = self._listener.accept()
                with self._connection:
                    self._serve(self._connection)

    def _serve(self, connection: socket.socket) -> None:
        manager = PortManager(self.port, self)
        connection.settimeout(0.01)
        while True:
            manager.check_modem_lines()
            try:
                data = connection.recv(1024)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            b"".join(manager.filter(data))

    def drop(self) -> None:
        """As when the network goes."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        self._thread.join(5)


@pytest.fixture
def terminal_server() -> Iterator[TerminalServer]:
    server = TerminalServer()
    yield server
    server.close()


class Rigctld:
    """Hamlib's own daemon with its dummy rig."""

    def __init__(self) -> None:
        self.options = ["-P", "RIG"]
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(["rigctld", "-m", "1", *self.options, "-T", "127.0.0.1", "-t", str(self.port)])
        wait_for(self._answers, "rigctld listens")

    def _answers(self) -> bool:
        try:
            return self.ask(b"t\n").strip() in (b"0", b"1", b"RPRT -11")
        except OSError:
            return False

    def ask(self, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(command)
            return connection.recv(100)

    @property
    def is_on(self) -> bool:
        """By its own word. It now and then resets a new connection while it ends that of a program that was killed."""
        for _ in range(20):
            with contextlib.suppress(ConnectionError):
                return self.ask(b"t\n").strip() == b"1"
            time.sleep(0.05)
        return self.ask(b"t\n").strip() == b"1"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def rigctld() -> Iterator[Rigctld]:
    if shutil.which("rigctld") is None:
        pytest.skip("rigctld is not installed (apt install libhamlib-utils)")
    daemon = Rigctld()
    yield daemon
    daemon.kill()
