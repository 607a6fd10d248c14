"""The plain console on a real pseudo-terminal: keys become requests, what is unknown a hint, `q` the end."""

from __future__ import annotations

import os
import pty
import threading

import pytest

from gateway.clock import ManualClock
from gateway.console import keyboard, lines
from gateway.console.lines import serve_lines
from gateway.control.hub import ControlHub
from gateway.control.requests import PlayMessage, ReplayOver, SendText, ToggleKey, ToggleRecording


def serve(typed: bytes, monkeypatch: pytest.MonkeyPatch, *, is_alive: bool = True) -> ControlHub:
    """Run the console on a terminal where `typed` was typed, until it ends by itself."""
    hub, stop = ControlHub(ManualClock()), threading.Event()
    ours, theirs = pty.openpty()
    monkeypatch.setattr(lines, "Keyboard", lambda: keyboard.Keyboard(theirs))
    try:
        os.write(ours, typed)
        serve_lines(hub, stop, lambda: is_alive)
    finally:
        os.close(ours)
        os.close(theirs)
    return hub


def test_keys_become_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = serve(b" b  mlrthello\rq", monkeypatch)
    assert hub.take() == [
        ToggleKey("keyboard"),
        ToggleKey("keyboard", break_in=True),
        ToggleKey("keyboard"),
        ToggleKey("keyboard"),
        ToggleRecording(),
        PlayMessage(),
        ReplayOver(),
        SendText("hello"),
    ]


def test_an_unknown_key_shows_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = serve(b"zq", monkeypatch)
    assert hub.take() == []
    assert "space talks and ends" in capsys.readouterr().err


def test_it_ends_with_the_station(monkeypatch: pytest.MonkeyPatch) -> None:
    assert serve(b" ", monkeypatch, is_alive=False).take() == []
