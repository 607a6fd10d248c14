"""Keys of the screen to requests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.screen_keys import VOLUME_LEAST_DB, VOLUME_MOST_DB, ConsoleKeys
from gateway.console.views import View
from gateway.control.requests import (
    PlayMessage,
    ReplayOver,
    Request,
    SetMute,
    SetParrot,
    SetVolume,
    StopPlaying,
    TestMicrophone,
    TestTone,
    ToggleKey,
    ToggleRecording,
    mapping_of,
    request_of,
)
from tests.console.snapshots import AT_WORK, with_ptt


@pytest.mark.parametrize(
    ("key", "view", "requests"),
    [
        (" ", View.MAIN, [ToggleKey("keyboard")]),
        (" ", View.HELP, [ToggleKey("keyboard")]),
        ("b", View.LINK, [ToggleKey("keyboard", break_in=True)]),
        ("m", View.MAIN, [ToggleRecording()]),
        ("l", View.MAIN, [PlayMessage()]),
        ("r", View.MAIN, [ReplayOver()]),
        ("p", View.MAIN, [SetParrot(True)]),
        ("x", View.MAIN, [SetMute(True)]),
        ("+", View.MAIN, [SetVolume(3.0)]),
        ("=", View.MAIN, [SetVolume(3.0)]),
        ("-", View.MAIN, [SetVolume(-3.0)]),
        ("escape", View.MAIN, [StopPlaying()]),
        ("escape", View.HELP, None),
        ("s", View.DEVICES, [TestTone()]),
        ("s", View.MAIN, None),
        ("i", View.DEVICES, [TestMicrophone()]),
        ("z", View.MAIN, None),
    ],
)
def test_each_key(key: str, view: View, requests: list[Request] | None) -> None:
    assert ConsoleKeys().requests(key, view, AT_WORK, 5.0) == requests


def test_switches_go_back() -> None:
    assert ConsoleKeys().requests("p", View.MAIN, with_ptt(is_parrot=True), 0.0) == [SetParrot(False)]
    muted = replace(AT_WORK, audio=replace(AT_WORK.audio, is_muted=True))
    assert ConsoleKeys().requests("x", View.MAIN, muted, 0.0) == [SetMute(False)]


def test_a_held_key_asks_once() -> None:
    keys = ConsoleKeys()
    asked = [keys.requests(" ", View.MAIN, AT_WORK, 0.5 * (n > 0) + 0.03 * n) for n in range(40)]
    assert asked == [[ToggleKey("keyboard")]] + [[]] * 39


def test_quick_presses_of_volume_add_up_until_the_station_answers() -> None:
    keys = ConsoleKeys()
    assert [keys.requests("+", View.MAIN, AT_WORK, 0.05 * n) for n in range(3)] == [
        [SetVolume(3.0)],
        [SetVolume(6.0)],
        [SetVolume(9.0)],
    ]
    answered = replace(AT_WORK, audio=replace(AT_WORK.audio, volume_db=9.0))
    assert keys.requests("-", View.MAIN, answered, 9.0) == [SetVolume(6.0)]


@given(st.lists(st.sampled_from("+-xplmrb "), max_size=60))
def test_whatever_is_pressed_is_a_sound_request(typed: list[str]) -> None:
    keys = ConsoleKeys()
    for n, key in enumerate(typed):
        for request in keys.requests(key, View.MAIN, AT_WORK, 0.05 * n) or ():
            assert request_of(mapping_of(request)) == request
            if isinstance(request, SetVolume):
                assert VOLUME_LEAST_DB <= request.volume_db <= VOLUME_MOST_DB


def test_before_the_first_snapshot_only_what_needs_none() -> None:
    assert ConsoleKeys().requests("x", View.MAIN, None, 0.0) is None
    assert ConsoleKeys().requests(" ", View.MAIN, None, 0.0) == [ToggleKey("keyboard")]
