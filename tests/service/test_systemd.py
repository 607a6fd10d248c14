"""What systemd is told, on real datagram sockets."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.control.hub import ControlHub
from gateway.control.snapshot import LinkView, PttView
from gateway.service.systemd import MAX_STATUS_CHARACTERS, Systemd
from tests.service.snapshots import ALPHA, TALKED_TO


class Manager:
    """The other end."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "8000000"}

    def told(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    abstract = f"@clarilink-test-{secrets.token_hex(8)}"
    made = Manager(abstract if request.param == "abstract" else str(tmp_path_factory.mktemp("n") / "notify"))
    yield made
    made.close()


def test_the_life_of_a_service(manager: Manager) -> None:
    clock = ManualClock()
    systemd = Systemd(manager.environ, clock)
    assert systemd.is_there
    systemd.ready("listens")
    systemd.status("bravo talks")
    clock.sleep(1.0)
    systemd.status("bravo talks")
    systemd.stopping()
    systemd.status("too late")
    systemd.close()
    systemd.stopping()
    assert manager.told() == ["READY=1\nSTATUS=listens", "STATUS=bravo talks", "STOPPING=1\nSTATUS=stopping"]


def test_signs_of_life_come_only_from_work_and_no_oftener_than_needed(manager: Manager) -> None:
    clock = ManualClock()
    systemd = Systemd(manager.environ, clock)
    assert systemd.beat_s == 2.0
    for _ in range(1000):  # ten seconds of turns
        systemd.alive()
        clock.sleep(0.01)
    assert manager.told() == ["WATCHDOG=1"] * 5
    clock.sleep(60)  # the loop hangs: nobody beats for it
    systemd.status("other threads go on")
    assert manager.told() == ["STATUS=other threads go on"]
    systemd.close()


def test_the_status_is_told_when_it_changes_and_once_a_second(manager: Manager) -> None:
    clock = ManualClock()
    systemd = Systemd(manager.environ, clock)
    for text in ("one", "one", "two", "three"):
        systemd.status(text)
    assert manager.told() == ["STATUS=one"]
    clock.sleep(1.0)
    systemd.status("a\nREADY=0 " + "x" * 300)
    (told,) = manager.told()
    assert told == "STATUS=" + ("a READY=0 " + "x" * 300)[:MAX_STATUS_CHARACTERS]
    systemd.close()


def test_the_status_follows_the_station(manager: Manager) -> None:
    clock = ManualClock()
    hub = ControlHub(clock)
    systemd = Systemd(manager.environ, clock)
    leave = systemd.follow(hub)
    down = replace(ALPHA, link=LinkView("peers", is_up=False, outage="cable pulled"))
    talking = replace(ALPHA, ptt=PttView("talking", 2.0, ("ctl:1",), 178.0))
    for snapshot in (ALPHA, ALPHA, down, talking, TALKED_TO):
        hub.publish(snapshot)
        clock.sleep(1.0)
    leave()
    hub.publish(ALPHA)
    systemd.close()
    assert manager.told() == [
        "STATUS=idle; link up",
        "STATUS=idle; link down: cable pulled",
        "STATUS=talking, 2 s by ctl:1, 178 s left; link up",
        "STATUS=bravo talks, 3 s; link up",
    ]


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1234"])
def test_without_systemd_nothing_happens(address: str) -> None:
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
    systemd = Systemd(environ)
    assert not systemd.is_there
    assert systemd.beat_s is None
    systemd.ready("x")
    systemd.status("x")
    systemd.alive()
    systemd.follow(ControlHub(ManualClock()))()
    systemd.stopping()
    systemd.close()


def test_a_manager_that_has_gone_or_reads_nothing_holds_nobody_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("n") / "notify")
    manager = Manager(path)
    clock = ManualClock()
    systemd = Systemd(manager.environ, clock)
    for _ in range(5000):
        systemd.alive()
        clock.sleep(5)
    assert 0 < len(manager.told()) < 5000
    manager.close()
    Path(path).unlink()
    systemd.alive()
    systemd.stopping()
    systemd.close()


def test_what_there_was_no_room_for_is_told_with_the_next(manager: Manager) -> None:
    clock = ManualClock()
    systemd = Systemd(manager.environ, clock)
    for _ in range(5000):
        systemd.alive()
        clock.sleep(5)
    systemd.ready()
    systemd.status("one")
    assert set(manager.told()) == {"WATCHDOG=1"}
    systemd.alive()
    assert manager.told() == ["READY=1\nWATCHDOG=1"]
    clock.sleep(5)
    systemd.status("one")
    assert manager.told() == ["STATUS=one"]
    systemd.close()


@pytest.mark.parametrize(
    ("usec", "pid", "watched"),
    [
        ("4000000", "", True),
        ("4000000", "own", True),
        ("4000000", "1", False),
        ("0", "", False),
        ("soon", "", False),
        ("", "", False),
    ],
)
def test_whom_systemd_watches(manager: Manager, usec: str, pid: str, watched: bool) -> None:
    systemd = Systemd(
        {**manager.environ, "WATCHDOG_USEC": usec, "WATCHDOG_PID": str(os.getpid()) if pid == "own" else pid},
        ManualClock(),
    )
    assert systemd.beat_s == (1.0 if watched else None)
    systemd.alive()
    assert manager.told() == (["WATCHDOG=1"] if watched else [])
    systemd.close()
