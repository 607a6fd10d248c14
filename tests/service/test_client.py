"""The client: answers among events, stations that say nothing, things that are no station."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from gateway.errors import LinkError, RequestError
from gateway.service.client import ControlClient
from tests.patience import PATIENCE_S


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "c.sock"


@contextmanager
def server(path: Path, answers: Callable[[dict[str, Any]], list[bytes]]) -> Iterator[None]:
    """Answers each request with the messages it is told."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.bind(f"ipc://{path}")
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            if router.poll(20):
                client, data = router.recv_multipart()
                for answer in answers(msgpack.unpackb(data)):
                    router.send_multipart((client, answer))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        router.close(0)
        context.term()


def test_events_that_come_before_an_answer_are_kept(path: Path) -> None:
    def answers(asked: dict[str, Any]) -> list[bytes]:
        events = [msgpack.packb({"event": "news", "news": n}) for n in (1, 2)]
        stale = msgpack.packb({"ref": -1, "ok": True, "stale": True})
        return [*events, stale, msgpack.packb({"ref": asked["ref"], "ok": True, "x": 1})]

    with server(path, answers), ControlClient(path, PATIENCE_S) as client:
        assert client.ask("anything", what=1)["x"] == 1
        assert [client.next_event(0.0), client.next_event(0.0)] == [
            {"event": "news", "news": 1},
            {"event": "news", "news": 2},
        ]
        assert client.next_event(0.0) is None


def test_a_refusal_is_the_stations_sentence(path: Path) -> None:
    def answers(asked: dict[str, Any]) -> list[bytes]:
        return [msgpack.packb({"ref": asked["ref"], "ok": False, "error": "no, because"})]

    with server(path, answers), ControlClient(path, PATIENCE_S) as client:  # noqa: SIM117
        with pytest.raises(RequestError, match="no, because"):
            client.ask("anything")


def test_silence_has_an_end(path: Path) -> None:
    with server(path, lambda _: []), ControlClient(path, 0.1) as client:  # noqa: SIM117
        with pytest.raises(LinkError, match=r"does not answer within 0\.1 s"):
            client.ask("anything")


def test_what_is_no_station_is_told(path: Path) -> None:
    with server(path, lambda _: [b"\xc1"]), ControlClient(path, PATIENCE_S) as client:  # noqa: SIM117
        with pytest.raises(LinkError, match="no station of ours"):
            client.ask("anything")
