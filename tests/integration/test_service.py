"""Stations as services: told of to systemd, driven by ctl, scraped; stopped and killed at bad moments."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.audio.files import read_audio
from gateway.tools.program import Program
from tests.integration.programs import Start, free_port, peers
from tests.patience import PATIENCE_S


class Manager:
    """systemd's end of the notification socket, read all the time."""

    def __init__(self) -> None:
        name = f"@clarilink-test-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:])
        self._socket.settimeout(0.2)
        self.environ = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000000"}
        self.told: list[str] = []
        self._stopping = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                self.told.append(self._socket.recv(4096).decode())

    def wait_for(self, told: str) -> None:
        """Until a message begins so."""
        give_up = time.monotonic() + PATIENCE_S
        while not any(message.startswith(told) for message in self.told):
            assert time.monotonic() < give_up, f"never told {told!r}: {self.told}"
            time.sleep(0.05)

    def close(self) -> None:
        self._stopping.set()
        self._reader.join()
        self._socket.close()


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """Programs started while it is there are services of its."""
    made = Manager()
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


@pytest.fixture
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path is short enough."""
    return tmp_path_factory.mktemp("s")


def control(sockets: Path, name: str) -> str:
    return f'[control]\nsocket = "{sockets}/{name}.sock"\n'


def ctl(sockets: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "ctl", "--socket", f"{sockets}/{name}.sock", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def counter(address: str, name: str) -> float:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE_S) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith(name + "{")).split()[-1])


def test_talk_by_ctl_is_heard_at_the_other_station(
    start: Start, station: Callable[..., str], tmp_path: Path, sockets: Path, manager: Manager
) -> None:
    ports = free_port(), free_port()
    metrics = '[metrics]\nbind = "127.0.0.1:0"\n'
    a = start("run", "-c", station("alpha", 1, peers(*ports), control(sockets, "alpha") + metrics))
    b = start("run", "-c", station("bravo", 2, peers(*reversed(ports)), control(sockets, "bravo") + metrics))
    address = json.loads(b.wait_for("metrics at http://"))["event"].removeprefix("metrics at http://").split("/")[0]
    for program in (a, b):
        program.wait_for("station ready")
    manager.wait_for("READY=1")
    talked = ctl(sockets, "alpha", "talk", "--seconds", "2.5")
    assert (talked.returncode, talked.stderr) == (0, "")
    b.wait_for("alpha to group 4")
    b.wait_for("over ended")
    assert "heard  alpha" in ctl(sockets, "bravo", "overs").stdout
    assert counter(address, "clarilink_rx_overs_total") == 1
    assert counter(address, "clarilink_rx_frames_played_total") > 20
    sent = ctl(sockets, "bravo", "text", "Copied.", "--to", "alpha")
    assert sent.returncode == 0, sent.stderr
    a.wait_for("message from bravo")
    assert "Copied." in ctl(sockets, "alpha", "messages").stdout
    for told in ("WATCHDOG=1", "STATUS=talking", "STATUS=alpha talks"):
        manager.wait_for(told)
    for program in (a, b):
        program.process.send_signal(signal.SIGTERM)
    assert (a.end(), b.end()) == (0, 0)
    manager.wait_for("STOPPING=1")
    assert not (sockets / "alpha.sock").exists()
    assert len(read_audio(tmp_path / "bravo-heard.wav")) > 2 * 16_000
    assert not any("Traceback" in line for line in a.lines + b.lines)


def test_a_service_stopped_while_it_talks_unkeys_and_ends(
    start: Start, station: Callable[..., str], sockets: Path
) -> None:
    ports = free_port(), free_port()
    a = start("run", "-c", station("alpha", 1, peers(*ports), control(sockets, "alpha")))
    b = start("run", "-c", station("bravo", 2, peers(*reversed(ports))))
    for program in (a, b):
        program.wait_for("station ready")
    press = start("ctl", "--socket", f"{sockets}/alpha.sock", "press")
    b.wait_for("alpha to group 4")
    a.process.send_signal(signal.SIGTERM)
    assert a.end() == 0
    assert a.counts()["ptt.key_up"] == a.counts()["ptt.key_down"] == 1
    assert press.end() == 1
    assert "the station was stopped" in press.lines[-1]
    b.wait_for("over ended")
    b.type("q")
    assert b.end() == 0


def test_a_key_whose_holder_is_killed_goes_up_by_itself(
    start: Start, station: Callable[..., str], sockets: Path
) -> None:
    a = start("run", "-c", station("alpha", 1, 'kind = "memory"', control(sockets, "alpha")))
    a.wait_for("station ready")
    press = start("ctl", "--socket", f"{sockets}/alpha.sock", "press")
    a.wait_for("talking")
    press.process.kill()
    a.wait_for("over sent")
    assert ctl(sockets, "alpha", "status").returncode == 0
    a.type("q")
    assert a.end() == 0


def test_a_killed_station_leaves_a_socket_that_the_next_one_replaces(
    start: Start, station: Callable[..., str], sockets: Path
) -> None:
    file = station("alpha", 1, 'kind = "memory"', control(sockets, "alpha"))
    first = start("run", "-c", file)
    first.wait_for("station ready")
    second = start("run", "-c", file)
    assert second.end() == 1
    assert "control.socket: another program listens at" in second.lines[-1]
    assert ctl(sockets, "alpha", "status").returncode == 0  # the first one is still there
    first.process.kill()
    first.process.wait(PATIENCE_S)
    assert (sockets / "alpha.sock").is_socket()
    dead = ctl(sockets, "alpha", "status")
    assert dead.returncode == 1
    assert "has died; start it again" in dead.stderr
    third = start("run", "-c", file)
    third.wait_for("station ready")
    assert ctl(sockets, "alpha", "status").returncode == 0
    third.type("q")
    assert third.end() == 0
    assert not (sockets / "alpha.sock").exists()


def test_channel_and_bridge_are_services_too(start: Start, tmp_path: Path, manager: Manager) -> None:
    (tmp_path / "net.toml").write_text(
        f'endpoint = "tcp://127.0.0.1:{free_port()}"\nstatistics_s = 3600\n[channel]\nname = "test"\ndelay_ms = 1\n'
    )
    between = start("channel", "-c", str(tmp_path / "net.toml"), "--log")
    for told in ("READY=1\nSTATUS=stations at tcp://127.0.0.1:", "WATCHDOG=1"):
        manager.wait_for(told)
    manager.told.clear()
    manager.wait_for("WATCHDOG=1")  # though no station is there
    between.process.send_signal(signal.SIGTERM)
    assert between.end() == 0
    manager.wait_for("STOPPING=1")
    manager.told.clear()
    (tmp_path / "bridge.toml").write_text(
        f'endpoint = "tcp://127.0.0.1:{free_port()}"\n[modem]\nprofile = "transparent-1200"\nport = "{tmp_path}/none"\n'
    )
    bridge = subprocess.Popen(
        [sys.executable, "-m", "firmware_bridge", "-c", str(tmp_path / "bridge.toml")],
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    try:
        manager.wait_for("READY=1\nSTATUS=transparent-1200 at tcp://127.0.0.1:")
        manager.told.clear()
        manager.wait_for("WATCHDOG=1")
    finally:
        bridge.send_signal(signal.SIGTERM)
    assert bridge.wait(PATIENCE_S) == 0
    manager.wait_for("STOPPING=1")


def test_metrics_on_a_port_in_use_are_one_clear_line(start: Start, station: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        more = f'[metrics]\nbind = "127.0.0.1:{port}"\n'
        a: Program = start("run", "-c", station("alpha", 1, 'kind = "memory"', more))
        assert a.end() == 1
    assert f"metrics.bind: cannot listen at 127.0.0.1:{port}: Address already in use" in a.lines[-1]
