from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from firmware_bridge.ptt.keyer import KeyLine
from firmware_bridge.ptt.keying import Keying
from firmware_bridge.ptt.switch import LineIsOn, Switch, SwitchEvent, SwitchLost, SwitchReady, Unkeyed, WatchedSwitch
from gateway.metrics import Metrics
from gateway.ptt_config import KeyingSection


def section(device: dict[str, Any] | None = None, **more: Any) -> KeyingSection:
    there = device or {"kind": "serial-line", "port": "/dev/ttyUSB0"}
    return KeyingSection.model_validate({"device": there, "delay_ms": 300, "tail_ms": 100, "time_out_s": 10, **more})


class HandSwitch(Switch):
    """A switch that does as the test says."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.beats: list[float] = []
        self.events: list[SwitchEvent] = [SwitchReady()]
        self.is_closed = False

    def set(self, is_on: bool, now: float) -> None:
        self.asked.append(is_on)

    def beat(self, now: float) -> None:
        self.beats.append(now)

    def poll(self, now: float) -> list[SwitchEvent]:
        events, self.events = self.events, []
        return events

    def close(self) -> None:
        self.is_closed = True


class Bench:
    def __init__(self, made: KeyingSection | None = None, **more: Any) -> None:
        self.switch, self.metrics, self.said = HandSwitch(), Metrics(), []
        self.keying = Keying(made or section(), self.metrics, self.said.append, switch=self.switch, **more)


def test_nothing_is_keyed_before_the_device_is_there() -> None:
    b = Bench()
    assert b.keying.problem == "its device is being opened"
    b.keying.hold_over(0.0)
    b.keying.key(0.0)
    assert b.switch.asked == []
    b.keying.tick(0.1)
    assert b.keying.problem is None
    b.keying.hold_over(0.2)
    assert b.switch.asked == [True]
    assert b.said == []


def test_the_delay_counts_from_when_the_transmitter_is_on() -> None:
    b = Bench()
    b.keying.tick(0.0)
    b.keying.key(0.0)
    assert not b.keying.may_send(1.0)
    b.switch.events.append(LineIsOn())
    b.keying.tick(1.0)
    assert not b.keying.may_send(1.29)
    assert b.keying.may_send(1.3)
    b.keying.sending_until(1.3, 2.0)
    b.keying.release(1.3)
    b.keying.tick(2.2)
    assert b.switch.asked == [True, False]
    assert b.keying.take_output() == [KeyLine(False)], "how the line rests, and nothing else"


@pytest.mark.parametrize("event", [Unkeyed("the program has hung for 3.0 s"), SwitchLost("no answer")])
def test_a_key_that_went_off_by_itself_is_a_failure_told_once(event: SwitchEvent) -> None:
    b = Bench()
    b.keying.tick(0.0)
    b.keying.hold_over(0.0)
    b.switch.events.append(event)
    b.keying.alive(1.0)
    assert b.keying.take_failure() == event.why  # type: ignore[union-attr]
    assert b.keying.take_failure() is None
    assert b.said[-1] == f"transmitter unkeyed: {event.why}"  # type: ignore[union-attr]
    assert b.switch.asked == [True, False]
    assert b.keying.is_locked_out
    assert not b.keying.may_send(2.0)
    b.keying.end_over(3.0)
    assert not b.keying.is_locked_out


def test_the_limit_is_a_failure_too() -> None:
    b = Bench()
    b.keying.tick(0.0)
    b.keying.hold_over(0.0)
    b.keying.alive(10.0)
    assert b.said == ["transmitter unkeyed: it was keyed for 10 s, the limit"]
    assert b.keying.take_failure() == "it was keyed for 10 s, the limit"
    assert b.metrics.counter("keying.time_outs") == 1


def test_a_transmitter_that_cannot_be_keyed_is_said_once_and_when_it_can_again() -> None:
    b = Bench()
    b.keying.tick(0.0)
    for _ in range(3):
        b.switch.events.append(SwitchLost("no answer"))
        b.keying.tick(1.0)
    assert b.keying.problem == "no answer"
    b.keying.hold_over(2.0)
    assert b.switch.asked == []
    b.switch.events.append(SwitchReady())
    b.keying.tick(3.0)
    assert b.said == ["transmitter cannot be keyed: no answer", "transmitter can be keyed again"]
    assert b.keying.problem is None


def test_who_beats() -> None:
    alone, with_station = Bench(), Bench(station_beats=True)
    for b in (alone, with_station):
        b.keying.tick(1.0)
    assert alone.switch.beats == [1.0]
    assert with_station.switch.beats == [], "a thread with the modem's port does not speak for the station"
    with_station.keying.alive(2.0)
    assert with_station.switch.beats == [2.0]


def test_a_line_of_the_modems_port_is_for_who_has_it_open() -> None:
    device = {"kind": "modem-line", "line": "dtr", "active_low": True}
    keying = Keying(section(device, watchdog="off"), Metrics(), lambda line: None)
    assert keying.line_at("/dev/any") == "dtr"
    assert keying.take_output() == [KeyLine(True)], "off, electrically"
    assert keying.problem is None
    keying.key(0.0)
    assert keying.take_output() == [KeyLine(False)]
    assert keying.may_send(0.3)
    keying.close()
    assert keying.take_output() == [KeyLine(True)]


def test_a_line_of_the_modems_port_that_the_watchdog_switches_is_left_alone_by_who_opens_it() -> None:
    b = Bench(section({"kind": "serial-line", "port": "/dev/ttyUSB0", "line": "rts", "active_low": True}))
    assert b.keying.line_at("/dev/ttyUSB0") == "rts"
    assert b.keying.line_at("/dev/ttyUSB1") is None
    assert b.keying.take_output() == [KeyLine(True)], "how it rests"
    b.keying.tick(0.0)
    b.keying.key(0.0)
    b.keying.release(0.1)
    assert b.switch.asked == [True, False]
    assert b.keying.take_output() == []
    assert b.keying.line_at("/dev/ttyUSB0") == "rts"
    assert b.keying.take_output() == [KeyLine(True)], "the same when the port is opened again"


def test_a_radio_that_keys_itself_gets_its_lead_time() -> None:
    keying = Keying(section({"kind": "vox"}), Metrics(), lambda line: None)
    keying.key(0.0)
    assert not keying.may_send(0.2)
    assert keying.may_send(0.3)
    assert keying.take_output() == []


def test_closing_closes_the_device() -> None:
    b = Bench()
    b.keying.tick(0.0)
    b.keying.hold_over(0.0)
    b.keying.close()
    assert b.switch.is_closed
    assert b.keying.problem == "closed"
    b.keying.close()


@pytest.mark.parametrize("wanted", ["required", "preferred"])
def test_without_its_watchdog_it_refuses_or_goes_on_as_set(
    cat_radio: Callable[[str], Any], wanted: str, eventually: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    radio = cat_radio("icom")
    device = {"kind": "cat", "port": radio.path, "radio": "icom", "reply_ms": 500}
    said: list[str] = []
    metrics = Metrics()
    keying = Keying(section(device, watchdog=wanted), metrics, said.append)

    def turn() -> None:
        keying.tick(time.monotonic())

    def is_ready() -> bool:
        turn()
        return keying.problem is None

    eventually(is_ready)
    keying.hold_over(time.monotonic())
    eventually(lambda: (turn(), radio.is_on)[1])
    assert isinstance(keying._switch, WatchedSwitch)
    assert keying._switch.process_id is not None
    # Nothing to start a new one with, so that what happens meanwhile can be looked at.
    monkeypatch.setattr("firmware_bridge.ptt.switch.sys.executable", "/no-python")
    os.kill(keying._switch.process_id, signal.SIGKILL)
    eventually(lambda: (turn(), keying.take_failure())[1] == "the watchdog has ended (killed by signal 9)")
    keying.end_over(time.monotonic())
    if wanted == "preferred":
        assert "keying goes on without a watchdog: a program that hangs would stay keyed" in said
        eventually(is_ready)
        assert not radio.is_on, "opening unkeys"
        keying.hold_over(time.monotonic())
        assert radio.is_on
        assert metrics.counter("keying.without_watchdog") == 1
        keying.close()
        assert not radio.is_on
    else:
        keying.hold_over(time.monotonic())
        assert keying.problem is not None
        assert keying.problem.startswith("the watchdog")
        monkeypatch.undo()
        eventually(is_ready)
        assert said[-1] == "transmitter can be keyed again"
        assert not radio.is_on
        keying.close()
