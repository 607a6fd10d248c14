"""What `ctl` does, against a station of values at a real socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config import ControlSection
from gateway.control.requests import HoldKey, PressKey, ReleaseKey, SendText
from gateway.control.snapshot import PttView
from gateway.errors import RequestError
from gateway.service.client import ControlClient
from gateway.service.control_socket import ControlSocket
from gateway.service.operator import HOLDER, Operator, Refused, is_refusal
from gateway.telling import Level
from tests.patience import PATIENCE_S
from tests.service.snapshots import ALPHA, FakeStation


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def station() -> Iterator[FakeStation]:
    with FakeStation() as station:
        yield station


@pytest.fixture
def operator(station: FakeStation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    path: Path = tmp_path_factory.mktemp("s") / "c.sock"
    control = ControlSocket(ControlSection(socket=path), station.hub, lambda line: None)
    control.start()
    with ControlClient(path, PATIENCE_S) as client:
        yield Operator(client)
    control.stop()


def test_talking_for_a_while(operator: Operator, station: FakeStation) -> None:
    seen: list[Any] = []
    assert operator.hold(1.0, seen.append) >= 1.0
    until(lambda: not station.snapshot.ptt.held_by)
    assert station.asked[0] == PressKey(operator.holder, lease_s=1.0)
    assert station.asked[-1] == ReleaseKey(operator.holder)
    assert station.asked.count(HoldKey(operator.holder)) >= 2  # the lease is renewed
    assert any(snap["ptt"]["mode"] == "talking" for snap in seen)
    operator.until_sent()


@pytest.mark.parametrize("locks_out", [False, True])
def test_a_refused_press_says_why(operator: Operator, station: FakeStation, locks_out: bool) -> None:
    station.refusal, station.locks_out = "busy", locks_out
    with pytest.raises(Refused, match=r"^refused: busy$"):
        operator.hold(5.0, lambda snap: None)
    station.refusal = None
    assert operator.hold(0.1, lambda snap: None) >= 0.1  # an old refusal is not taken for a new one


def test_a_refusal_from_before_is_not_taken_for_one_now(operator: Operator, station: FakeStation) -> None:
    station.snapshot = replace(station.snapshot, ptt=PttView(refusal="busy"))
    assert operator.hold(0.1, lambda snap: None) >= 0.1


def test_an_over_that_the_station_ends_is_no_success(operator: Operator, station: FakeStation) -> None:
    station.cuts_after = 15
    with pytest.raises(Refused, match="the over was ended: locked out"):
        operator.hold(20.0, lambda snap: None)


def test_an_interrupt_lets_go(operator: Operator, station: FakeStation) -> None:
    def interrupt(snap: Any) -> None:
        if snap["ptt"]["mode"] == "talking":
            raise KeyboardInterrupt

    assert operator.hold(None, interrupt) >= 0
    until(lambda: ReleaseKey(operator.holder) in station.asked)


def test_any_other_end_lets_go_too(operator: Operator, station: FakeStation) -> None:
    def fail(snap: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        operator.hold(None, fail)
    until(lambda: ReleaseKey(operator.holder) in station.asked)


def test_requests_give_what_the_station_says_to_them(operator: Operator, station: FakeStation) -> None:
    station.hub.tell("refused: something before", Level.REFUSED)
    station.hub.tell("link lost", Level.WARNING)
    assert operator.do("text", text="hello", to=1) == ["message sent: hello"]
    assert SendText("hello", 1) in station.asked
    with pytest.raises(Refused, match=r"^text: message not sent: no link$"):
        operator.do("text", text="hello", to=2)
    assert operator.do("mute", is_on=True) == []
    with pytest.raises(RequestError, match=r"volume\.volume_db"):
        operator.do("volume", volume_db=100)


def test_letting_go_of_others_keys(operator: Operator, station: FakeStation) -> None:
    station.snapshot = replace(station.snapshot, ptt=PttView("talking", held_by=(f"{HOLDER}aa", "web:1")))
    until(lambda: operator.snapshot()["ptt"]["held_by"] != [])
    assert operator.release(everybody=False) == [f"{HOLDER}aa"]
    until(lambda: ReleaseKey(f"{HOLDER}aa") in station.asked)
    station.snapshot = replace(station.snapshot, ptt=PttView("talking", held_by=("web:1",)))
    until(lambda: operator.snapshot()["ptt"]["held_by"] == ["web:1"])
    assert operator.release(everybody=True) == ["web:1"]


def test_names_are_found_as_people_write_them(operator: Operator) -> None:
    assert [operator.station(name) for name in ("bravo", "BRAVO", "2", "77")] == [2, 2, 2, 77]
    with pytest.raises(
        RequestError, match=r"no station 'charlie' in \[net.names\]; there are alpha \(1\), bravo \(2\)"
    ):
        operator.station("charlie")


def test_watching(operator: Operator, station: FakeStation) -> None:
    station.hub.tell("one")
    events = operator.watch(0.0)
    assert next(events)["event"] == "snapshot"
    station.hub.tell("two")
    assert next(event["news"]["text"] for event in events if event["event"] == "news") == "two"
    assert [line["text"] for line in operator.news(1)] == ["two"]


def test_a_station_that_has_not_turned_yet_is_waited_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("s") / "c.sock"
    station = FakeStation()
    control = ControlSocket(ControlSection(socket=path), station.hub, lambda line: None)
    control.start()
    try:
        with ControlClient(path, PATIENCE_S) as client:
            client.ask("watch")
            station.hub.publish(ALPHA)
            assert Operator(client).snapshot()["station"]["name"] == "alpha"
    finally:
        control.stop()


@pytest.mark.parametrize(
    ("text", "level", "refused"),
    [
        ("talking", "info", False),
        ("message sent: no", "info", False),
        ("refused: busy", "info", False),
        ("link lost", "warning", False),
        ("message not sent: no link", "refused", True),
    ],
)
def test_which_lines_are_refusals(text: str, level: str, refused: bool) -> None:
    assert is_refusal({"text": text, "level": level}) is refused
