"""Ports on real pseudo-terminals, TCP and an RFC 2217 server: bytes, waking, unplugging, what is refused and how."""

from __future__ import annotations

import errno
import os
import pty
import socket
import termios
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
import serial.rfc2217

from firmware_bridge.port import Port, RemotePort, SerialPort, TcpPort, check_address, open_port
from firmware_bridge.profile import PortSection
from gateway.errors import ConfigError, LinkError
from tests.bridge.wires import PATIENCE_S, Device, until

SECTION = PortSection(baud=115_200)
ALL_BYTES = bytes(range(256))


def read_all(port: Port, count: int) -> bytes:
    got = b""
    deadline = time.monotonic() + PATIENCE_S
    while len(got) < count and time.monotonic() < deadline:
        port.wait(0.5)
        got += port.read()
    return got


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "modem")
    made.plug()
    yield made
    made.unplug()


class WithLines(serial.Serial):
    """A pseudo-terminal that has control lines, as the server's device must."""

    cts = dsr = cd = True
    ri = False

    def _update_rts_state(self) -> None: ...

    def _update_dtr_state(self) -> None: ...


class RemoteServer:
    """A serial device behind RFC 2217, made of pyserial's server side and a pseudo-terminal."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.device = WithLines(os.ttyname(slave), timeout=0.02)
        os.close(slave)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"
        self.connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        with self._lock:
            assert self.connection is not None
            self.connection.sendall(data)

    def _serve(self) -> None:
        self._lock = threading.Lock()
        self.connection, _ = self._server.accept()
        manager = serial.rfc2217.PortManager(self.device, self)
        down = threading.Thread(target=self._to_client, args=(manager,), daemon=True)
        down.start()
        try:
            while data := self.connection.recv(1024):
                self.device.write(b"".join(manager.filter(data)))
        except OSError:
            pass

    def _to_client(self, manager: serial.rfc2217.PortManager) -> None:
        try:
            while True:
                data = self.device.read(100)
                if data:
                    self.write(b"".join(manager.escape(data)))
        except (OSError, TypeError, serial.SerialException):
            pass

    def close(self) -> None:
        self._server.close()
        if self.connection is not None:
            self.connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        if self.connection is not None:
            self.connection.close()
        time.sleep(0.05)
        self.device.close()
        os.close(self.master)


def test_all_bytes_pass_a_serial_port_both_ways(device: Device) -> None:
    port = open_port(str(device.path), SECTION)
    assert isinstance(port, SerialPort)
    assert port.write(ALL_BYTES) == 256
    assert device.read_until(b"\xff") == ALL_BYTES
    device.write(ALL_BYTES)
    assert read_all(port, 256) == ALL_BYTES
    assert port.read() == b""
    assert not port.has_lines
    port.set_line("rts", False)  # nothing on a pseudo-terminal, and no error
    port.close()
    port.close()


def test_what_was_sent_before_opening_is_not_heard(device: Device) -> None:
    slave = os.open(device.path, os.O_RDWR | os.O_NOCTTY)
    device.write(b"stale")
    port = open_port(str(device.path), SECTION)
    os.close(slave)
    device.write(b"fresh")
    assert read_all(port, 5) == b"fresh"
    port.close()


def test_a_wait_ends_by_bytes_or_waking_and_not_before(device: Device) -> None:
    port = open_port(str(device.path), SECTION)
    begun = time.monotonic()
    port.wait(0.2)
    assert time.monotonic() - begun >= 0.19
    for end_it in (port.wake, lambda: device.write(b"x")):
        timer = threading.Timer(0.1, end_it)
        timer.start()
        begun = time.monotonic()
        port.wait(PATIENCE_S)
        assert time.monotonic() - begun < PATIENCE_S / 2
        timer.join()
    port.close()


def test_unplugging_is_a_link_error(device: Device) -> None:
    port = open_port(str(device.path), SECTION)
    device.unplug()
    port.wait(PATIENCE_S)
    with pytest.raises(LinkError, match="unplugged"):
        port.read()
    with pytest.raises(LinkError, match="unplugged"):
        port.write(b"x")
    port.close()


def test_a_peer_that_never_reads_takes_what_the_system_holds_and_no_more(device: Device) -> None:
    port = open_port(str(device.path), SECTION)
    taken = 0
    for _ in range(1000):
        count = port.write(bytes(4096))
        taken += count
        if not count:
            break
    assert 0 < taken < 1_000_000
    begun = time.monotonic()
    port.wait(0.1, to_write=True)
    port.close()
    assert time.monotonic() - begun < PATIENCE_S / 2


def test_xon_xoff_is_honoured(device: Device) -> None:
    port = open_port(str(device.path), PortSection(flow="xon-xoff"))
    device.write(b"\x13")  # XOFF
    until(lambda: port.write(b"x") == 0)  # the system holds what it takes before it has seen the XOFF
    device.read()
    assert port.write(b"held") == 0
    device.write(b"\x11")  # XON
    until(lambda: port.write(b"on again") == 8)
    device.read_until(b"on again")
    assert port.read() == b"", "flow control is not data"
    device.write(b"\x13")
    until(lambda: port.write(b"x") == 0)
    begun = time.monotonic()
    port.close()
    assert time.monotonic() - begun < PATIENCE_S / 2


@pytest.mark.parametrize(("flow", "is_on"), [("rts-cts", True), ("none", False)])
def test_rts_cts_is_left_to_the_system(device: Device, flow: str, is_on: bool) -> None:
    port = open_port(str(device.path), PortSection.model_validate({"flow": flow, "parity": "even", "stop_bits": 2}))
    flags = termios.tcgetattr(port._file())[2]
    assert bool(flags & termios.CRTSCTS) is is_on
    assert flags & termios.CSTOPB
    port.close()


def test_a_port_is_ours_alone(device: Device) -> None:
    port = open_port(str(device.path), SECTION)
    with pytest.raises(LinkError, match="in use by another program"):
        open_port(str(device.path), SECTION)
    port.close()
    open_port(str(device.path), SECTION).close()


@pytest.mark.parametrize(
    ("name", "message"), [("absent", "not there"), ("file", "no serial device"), (".", "cannot be opened|no serial")]
)
def test_what_is_no_port_is_said_in_words(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LinkError, match=message):
        open_port(str(tmp_path / name), SECTION)


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENOTTY, "is no serial device$"), (errno.EIO, "no hardware behind it$"), (errno.EINVAL, "cannot be opened")],
)
def test_a_device_that_cannot_be_set_up_is_said_in_words(
    device: Device, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    """/dev/null, or one of the ports that a system lists and does not have."""

    def refuse(*_: object) -> None:
        raise termios.error(number, os.strerror(number))

    monkeypatch.setattr(termios, "tcgetattr", refuse)
    with pytest.raises(LinkError, match=message):
        open_port(str(device.path), SECTION)


def test_a_device_that_is_no_port() -> None:
    with pytest.raises(LinkError, match=r"/dev/null: is no serial device$"):
        open_port("/dev/null", SECTION)


@pytest.mark.parametrize(
    "address",
    ["", "tcp://", "tcp://host", "tcp://host:0", "tcp://host:70000", "http://host:1", "tcp://a:b:1", "rfc2217://:5"],
)
def test_what_is_no_address_is_a_config_error(address: str) -> None:
    with pytest.raises(ConfigError, match="needed"):
        check_address(address)


@pytest.mark.parametrize("address", ["/dev/ttyS0", "tcp://host:1", "tcp://[::1]:8001", "rfc2217://10.0.0.1:2217"])
def test_addresses(address: str) -> None:
    assert check_address(address) == address


def test_all_bytes_pass_tcp_both_ways_and_its_end_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = open_port(f"tcp://127.0.0.1:{server.getsockname()[1]}", SECTION)
        assert isinstance(port, TcpPort)
        there, _ = server.accept()
        with there:
            assert port.write(ALL_BYTES) == 256
            assert there.recv(256) == ALL_BYTES
            there.sendall(ALL_BYTES)
            assert read_all(port, 256) == ALL_BYTES
            assert port.read() == b""
        port.wait(PATIENCE_S)
        with pytest.raises(LinkError, match="closed by the other side"):
            port.read()
        port.close()


def test_nobody_at_a_tcp_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(LinkError, match="cannot connect"):
        open_port(address, SECTION)


@pytest.mark.filterwarnings("ignore:set.* is deprecated:DeprecationWarning")  # pyserial's own
def test_rfc2217() -> None:
    server = RemoteServer()
    port = open_port(server.address, PortSection(baud=19_200))
    assert isinstance(port, RemotePort)
    assert server.device.baudrate == 19_200
    assert port.write(ALL_BYTES) == 256
    got = b""
    while len(got) < 256:
        got += os.read(server.master, 256)
    assert got == ALL_BYTES
    os.write(server.master, ALL_BYTES)
    assert read_all(port, 256) == ALL_BYTES
    server.close()

    def is_gone() -> bool:
        port.wait(0.2)
        try:
            port.read()
        except LinkError:
            return True
        return False

    until(is_gone)
    may_close, closed = threading.Event(), threading.Event()
    close = port._serial.close

    def close_slowly() -> None:
        may_close.wait(PATIENCE_S)
        close()
        closed.set()

    port._serial.close = close_slowly
    port.close()
    assert not closed.is_set(), "nobody waits for pyserial, which joins a thread that may be in a blocking call"
    may_close.set()
    assert closed.wait(PATIENCE_S)
