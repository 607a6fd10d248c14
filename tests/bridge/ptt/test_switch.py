"""The program's side of the watchdog, with the real process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from firmware_bridge.ptt import switch as switch_module
from firmware_bridge.ptt.switch import (
    DirectSwitch,
    LineIsOn,
    Switch,
    SwitchEvent,
    SwitchLost,
    SwitchReady,
    Unkeyed,
    WatchedSwitch,
)
from gateway.ptt_config import KeyingSection


def section(port: str, **more: Any) -> KeyingSection:
    device = {"kind": "cat", "port": port, "radio": "icom", "reply_ms": 500}
    return KeyingSection.model_validate({"device": device, **more})


class Bench:
    """A switch that is polled while one waits."""

    def __init__(self, made: Switch) -> None:
        self.switch = made
        self.events: list[SwitchEvent] = []

    def await_event(self, kind: type, beats: bool = True, patience_s: float = 30.0) -> Any:
        give_up = time.monotonic() + patience_s
        while True:
            found = next((event for event in self.events if isinstance(event, kind)), None)
            if found is not None:
                self.events = self.events[self.events.index(found) + 1 :]
                return found
            assert time.monotonic() < give_up, f"{kind.__name__} did not come; came: {self.events}"
            if beats:
                self.switch.beat(time.monotonic())
            self.events += self.switch.poll(time.monotonic())
            time.sleep(0.005)

    def set(self, is_on: bool) -> None:
        self.switch.set(is_on, time.monotonic())


@pytest.fixture
def bench() -> Iterator[Callable[[Switch], Bench]]:
    made: list[Bench] = []

    def make(of: Switch) -> Bench:
        made.append(Bench(of))
        return made[-1]

    yield make
    for each in made:
        each.switch.close()


@pytest.mark.parametrize("kind", [DirectSwitch, WatchedSwitch])
def test_it_switches_and_says_so_and_closing_unkeys(
    cat_radio: Any, bench: Any, kind: Callable[[KeyingSection], Switch], eventually: Any
) -> None:
    radio = cat_radio("icom")
    b = bench(kind(section(radio.path)))
    b.await_event(SwitchReady)
    b.set(True)
    b.await_event(LineIsOn)
    assert radio.is_on
    b.set(False)
    eventually(lambda: not radio.is_on)
    b.set(True)
    b.await_event(LineIsOn)
    b.switch.close()
    assert not radio.is_on


@pytest.mark.parametrize("kind", [DirectSwitch, WatchedSwitch])
def test_a_device_that_is_not_there_is_told_of_and_found_when_it_is(
    cat_radio: Any, bench: Any, kind: Callable[[KeyingSection], Switch]
) -> None:
    radio = cat_radio("icom")
    radio.is_mute = True
    b = bench(kind(section(radio.path)))
    lost = b.await_event(SwitchLost)
    assert "has not said that it does receive" in lost.why
    assert not lost.is_guard
    radio.is_mute = False
    b.await_event(SwitchReady)


def test_a_killed_watchdog_is_noticed_and_the_next_one_unkeys(cat_radio: Any, bench: Any) -> None:
    radio = cat_radio("icom")
    b = bench(WatchedSwitch(section(radio.path)))
    b.await_event(SwitchReady)
    b.set(True)
    b.await_event(LineIsOn)
    first = b.switch.process_id
    os.kill(first, signal.SIGKILL)
    assert b.await_event(SwitchLost) == SwitchLost("the watchdog has ended (killed by signal 9)", is_guard=True)
    b.await_event(SwitchReady)
    assert b.switch.process_id != first
    assert not radio.is_on


def test_a_watchdog_that_hangs_is_noticed_and_replaced(cat_radio: Any, bench: Any) -> None:
    radio = cat_radio("icom")
    b = bench(WatchedSwitch(section(radio.path)))
    b.await_event(SwitchReady)
    first = b.switch.process_id
    os.kill(first, signal.SIGSTOP)
    b.set(True)
    assert b.await_event(SwitchLost) == SwitchLost("the watchdog does not answer", is_guard=True)
    b.await_event(SwitchReady)
    assert b.switch.process_id != first


def test_a_program_that_does_not_beat_is_told_that_it_was_unkeyed(cat_radio: Any, bench: Any) -> None:
    radio = cat_radio("icom")
    b = bench(WatchedSwitch(section(radio.path, hang_s=0.5)))
    b.await_event(SwitchReady)
    b.set(True)
    b.await_event(LineIsOn)
    unkeyed = b.await_event(Unkeyed, beats=False)
    assert "hung" in unkeyed.why
    assert not radio.is_on
    b.set(False)
    b.set(True)
    b.await_event(LineIsOn)


def test_a_watchdog_that_cannot_start_is_tried_again_ever_later(
    monkeypatch: pytest.MonkeyPatch, bench: Any, tmp_path: Any
) -> None:
    monkeypatch.setattr(switch_module.sys, "executable", str(tmp_path / "no-python"))
    b = bench(WatchedSwitch(section("/dev/none")))
    now, tries = 0.0, []
    while now < 30.0:
        if b.switch.poll(now):
            tries.append(now)
        now += 0.05
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(5.0, abs=0.06)
