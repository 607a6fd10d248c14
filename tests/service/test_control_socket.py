"""The socket itself: real ZeroMQ at a real file, good clients and bad ones."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pytest
import zmq

from gateway.config import ControlSection
from gateway.control.requests import PressKey
from gateway.errors import ConfigError, LinkError, RequestError
from gateway.service.client import ControlClient
from gateway.service.control_socket import ControlSocket
from gateway.service.messages import MAX_REQUEST_BYTES
from tests.patience import PATIENCE_S
from tests.service.snapshots import FakeStation


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "c.sock"


@pytest.fixture
def station(path: Path) -> Iterator[FakeStation]:
    with FakeStation() as station:
        control = ControlSocket(ControlSection(socket=path), station.hub, lambda line: None)
        control.start()
        yield station
        control.stop()
        assert not path.exists()


def test_asking_and_watching(station: FakeStation, path: Path) -> None:
    with ControlClient(path, PATIENCE_S) as client:
        assert client.ask("snapshot")["snapshot"]["station"]["name"] == "alpha"
        client.ask("watch")
        station.hub.tell("hello")
        event = client.next_event(PATIENCE_S)
        while event is not None and event["event"] != "news":
            event = client.next_event(PATIENCE_S)
        assert event is not None
        assert event["news"]["text"] == "hello"
        client.ask("press", holder="ctl:test")
        until(lambda: PressKey("ctl:test", lease_s=1.0) in station.asked)
        with pytest.raises(RequestError, match="op: got 'reboot'"):
            client.ask("reboot")


def test_the_end_is_told_and_then_there_is_nobody(path: Path) -> None:
    with FakeStation() as station:
        control = ControlSocket(ControlSection(socket=path), station.hub, lambda line: None)
        control.start()
        with ControlClient(path, PATIENCE_S) as client:
            client.ask("watch")
            control.stop()
            while (event := client.next_event(PATIENCE_S)) is not None and event["event"] != "end":
                pass
            assert event == {"v": 1, "event": "end"}
            with pytest.raises(LinkError, match="has gone"):
                client.ask("snapshot")
        with pytest.raises(LinkError, match="no station at"):
            ControlClient(path)


def test_a_second_one_is_refused_and_the_first_goes_on(station: FakeStation, path: Path) -> None:
    second = ControlSocket(ControlSection(socket=path), station.hub, lambda line: None)
    with pytest.raises(ConfigError, match="is this station running"):
        second.start()
    second.stop()
    with ControlClient(path, PATIENCE_S) as client:
        assert client.ask("snapshot")["ok"]


def test_noise_is_answered_or_counted_and_does_no_harm(station: FakeStation, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(os.urandom(4000))  # no ZeroMQ at all
    context = zmq.Context()
    noisy = context.socket(zmq.DEALER)
    try:
        noisy.setsockopt(zmq.LINGER, 0)
        noisy.connect(f"ipc://{path}")
        for parts in ([b""], [b"a", b"b"], [b"", b"", b"c"], [b"\xc1"], [b"\x80"], [b"x" * (MAX_REQUEST_BYTES + 1)]):
            noisy.send_multipart(parts)
        answers = []
        while noisy.poll(2000) and len(answers) < 4:
            answers.append(msgpack.unpackb(noisy.recv()))
        assert [answer["ok"] for answer in answers] == [False] * 4
        noisy.send(b"y" * (4 * MAX_REQUEST_BYTES))  # is disconnected for it
        with ControlClient(path, PATIENCE_S) as client:
            refused = client.ask("snapshot")["refused"]
        assert refused["malformed"] >= 2  # noise can look like an old ZeroMQ with messages of its own
        assert refused["refused"] >= 4
    finally:
        noisy.close()
        context.term()


def test_a_plain_req_socket_is_answered(station: FakeStation, path: Path) -> None:
    context = zmq.Context()
    asking = context.socket(zmq.REQ)
    try:
        asking.connect(f"ipc://{path}")
        asking.send(msgpack.packb({"op": "snapshot"}))
        assert asking.poll(int(1000 * PATIENCE_S))
        assert msgpack.unpackb(asking.recv())["snapshot"]["station"]["name"] == "alpha"
    finally:
        asking.close(0)
        context.term()


def test_a_flood_and_a_sleeping_watcher_delay_nobody(station: FakeStation, path: Path) -> None:
    context = zmq.Context()
    sleeping, flooding = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
    sleeping.setsockopt(zmq.RCVHWM, 1)
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            try:
                flooding.send(msgpack.packb({"op": "news"}), zmq.NOBLOCK)
            except zmq.Again:
                stop.wait(0.001)

    thread = threading.Thread(target=flood)
    try:
        for one in (sleeping, flooding):
            one.setsockopt(zmq.LINGER, 0)
            one.connect(f"ipc://{path}")
        sleeping.send(msgpack.packb({"op": "watch"}))
        thread.start()
        with ControlClient(path, PATIENCE_S) as client:
            until(lambda: client.ask("snapshot")["refused"].get("too_many", 0) > 1000)
            until(lambda: bool(time.sleep(0.05)) or client.ask("snapshot")["refused"].get("slow_watcher", 0) > 0)
    finally:
        stop.set()
        thread.join()
        sleeping.close()
        flooding.close()
        context.term()


def test_starting_and_stopping_leaves_nothing_behind(path: Path) -> None:
    def round_trip() -> None:
        with FakeStation() as station:
            control = ControlSocket(ControlSection(socket=path, group=True), station.hub, lambda line: None)
            control.start()
            with ControlClient(path, PATIENCE_S) as client:
                client.ask("watch")
            control.stop()
            control.stop()

    round_trip()
    files, threads = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    for _ in range(5):
        round_trip()
    assert len(list(Path("/proc/self/fd").iterdir())) <= files
    assert threading.active_count() <= threads


def test_said_where_it_listens(path: Path) -> None:
    said: list[str] = []
    with FakeStation() as station:
        control = ControlSocket(ControlSection(socket=path), station.hub, said.append)
        assert control.address == str(path)
        control.start()
        control.stop()
    assert said == [f"control socket at {path}"]
