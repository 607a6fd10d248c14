"""`clarilink ctl` as its user types it, against a station of values at a real socket."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import ctl as ctl_module
from gateway.cli import main
from gateway.config import ControlSection
from gateway.control.requests import (
    DeleteMessage,
    PlayMessage,
    PressKey,
    ReleaseKey,
    ReplayOver,
    Request,
    RetryMessage,
    SendText,
    SetMute,
    SetParrot,
    SetVolume,
    StopPlaying,
    TestMicrophone,
    TestTone,
    ToggleKey,
    ToggleRecording,
)
from gateway.control.snapshot import MessageView, OverView
from gateway.service.control_socket import ControlSocket
from tests.patience import PATIENCE_S
from tests.service.snapshots import ALPHA, FakeStation


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


def call(path: Path, *arguments: object) -> Result:
    words = ["ctl", "--timeout", str(PATIENCE_S), "--socket", str(path), *(str(a) for a in arguments)]
    return CliRunner().invoke(main, words, catch_exceptions=False)


def good(path: Path, *arguments: object) -> str:
    result = call(path, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def start(path: Path, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gateway", "ctl", "--socket", str(path), *arguments]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_status_for_people_and_for_programs(station: FakeStation, path: Path) -> None:
    page = good(path, "status")
    assert "station            alpha (1), group 4" in page
    assert "now                idle; link up" in page
    for words in (["status", "--json"], ["--json", "status"]):
        assert json.loads(good(path, *words))["station"]["name"] == "alpha"


@pytest.mark.parametrize(
    ("words", "asked", "told"),
    [
        (["text", "hello there"], SendText("hello there"), "message sent: hello there"),
        (["text", "hello", "--to", "Alpha"], SendText("hello", 1), "message sent: hello"),
        (["record"], ToggleRecording(), "done"),
        (["play"], PlayMessage(), "plays"),
        (["play", "1f"], PlayMessage("1f"), "plays"),
        (["retry", "1f"], RetryMessage("1f"), "done"),
        (["delete", "1f"], DeleteMessage("1f"), "done"),
        (["replay"], ReplayOver(1), "plays"),
        (["replay", "3"], ReplayOver(3), "plays"),
        (["stop"], StopPlaying(), "silent"),
        (["parrot", "on"], SetParrot(True), "parrot on"),
        (["parrot", "off"], SetParrot(False), "parrot off"),
        (["volume", "-12"], SetVolume(-12.0), "volume -12 dB"),
        (["volume", "3.5"], SetVolume(3.5), "volume +3.5 dB"),
        (["mute", "on"], SetMute(True), "mute on"),
        (["tone"], TestTone(), "a second of tone"),
        (["microphone"], TestMicrophone(), "listens for 3 s"),
    ],
)
def test_requests(station: FakeStation, path: Path, words: list[str], asked: Request, told: str) -> None:
    assert told in good(path, *words)
    assert station.asked == [asked]


def test_requests_for_programs(station: FakeStation, path: Path) -> None:
    assert json.loads(good(path, "text", "hi", "--json")) == {"ok": True, "said": ["message sent: hi"]}
    assert json.loads(good(path, "mute", "on", "--json")) == {"ok": True, "said": []}


def test_toggle_latches(station: FakeStation, path: Path) -> None:
    assert "talking" in good(path, "toggle", "--break-in")
    (asked,) = station.asked
    assert isinstance(asked, ToggleKey)
    assert asked.break_in
    assert good(path, "release") == f"let go: {asked.holder}\n"
    until(lambda: station.asked[-1] == ReleaseKey(asked.holder))
    until(lambda: not station.snapshot.ptt.held_by)
    assert good(path, "release", "--all") == "no key is down\n"


def test_talk_presses_holds_and_lets_go(station: FakeStation, path: Path) -> None:
    assert good(path, "talk", "--seconds", "0.3").startswith("talked 0.")
    press, *_, last = station.asked
    assert isinstance(press, PressKey)
    assert press.holder.startswith("ctl:")
    assert press.lease_s is not None
    assert last == ReleaseKey(press.holder)
    assert json.loads(good(path, "talk", "--seconds", "0.3", "--json"))["talked_s"] >= 0.3


def test_a_busy_channel_is_exit_code_1_and_the_reason(station: FakeStation, path: Path) -> None:
    station.refusal = "busy"
    result = call(path, "talk", "--seconds", "5")
    assert (result.exit_code, result.stderr) == (1, "clarilink: refused: busy\n")


def test_what_the_station_does_not_do_is_exit_code_1(station: FakeStation, path: Path) -> None:
    result = call(path, "text", "hello", "--to", "bravo")
    assert (result.exit_code, result.stderr) == (1, "clarilink: text: message not sent: no link\n")


def test_a_wrong_name_lists_the_right_ones(station: FakeStation, path: Path) -> None:
    result = call(path, "text", "hello", "--to", "charlie")
    assert result.exit_code == 1
    assert "there are alpha (1), bravo (2)" in result.stderr
    assert station.asked == []


@pytest.mark.parametrize("words", [["replay", "0"], ["volume", "50"], ["mute", "perhaps"], ["talk"], ["nonsense"]])
def test_what_is_not_understood_is_exit_code_2(path: Path, words: list[str]) -> None:
    assert call(path, *words).exit_code == 2


def test_lists(station: FakeStation, path: Path) -> None:
    assert good(path, "overs") == "no overs yet\n"
    assert good(path, "messages") == "no messages\n"
    station.snapshot = replace(
        station.snapshot,
        overs=(OverView("heard", "bravo", 2, 1.8e9, 3.0, 0.5, index=1),),
        messages=(MessageView("text", "in", "bravo", 1.8e9, "Hi.", state="received"),),
    )
    station.hub.tell("first")
    station.hub.tell("second")
    until(lambda: "50 % lost" in good(path, "overs"))
    assert "from bravo: received: Hi." in good(path, "messages")
    assert json.loads(good(path, "messages", "--json"))["text"] == "Hi."
    assert [line[11:] for line in good(path, "news", "-n", "2").splitlines()] == ["first", "second"]
    assert good(path, "counters", "rx").split() == ["rx.overs", "2"]
    assert json.loads(good(path, "counters", "--json")) == {"rx.overs": 2, "tx.overs": 1}


def test_no_station_is_one_line(path: Path, tmp_path: Path) -> None:
    result = call(path, "status")
    assert result.exit_code == 1
    assert result.stderr == f"clarilink: no station at {path}: it is not running, or has another [control] socket\n"


def test_where_the_socket_is_told(station: FakeStation, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = path.parent / "a.toml"
    file.write_text('[station]\nname = "a"\nid = 1\n[link]\nkind = "memory"\n')
    result = CliRunner().invoke(main, ["ctl", "-c", str(file), "status"])
    assert result.exit_code == 1
    assert "has no [control] section" in result.stderr
    file.write_text(file.read_text() + '[control]\nsocket = "c.sock"\n')
    assert CliRunner().invoke(main, ["ctl", "-c", str(file), "status"]).exit_code == 0
    monkeypatch.setenv("CLARILINK_SOCKET", str(path))
    assert CliRunner().invoke(main, ["ctl", "status"]).exit_code == 0


def test_a_single_service_needs_no_name(station: FakeStation, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLARILINK_SOCKET", raising=False)
    monkeypatch.setattr(ctl_module, "RUN", path.parent / "run")
    result = CliRunner().invoke(main, ["ctl", "status"])
    assert result.exit_code == 1
    assert "no station runs as a service here; needed: -c STATION.toml or --socket PATH" in result.stderr
    (path.parent / "run" / "alpha").mkdir(parents=True)
    (path.parent / "run" / "alpha" / "control.sock").symlink_to(path)
    assert CliRunner().invoke(main, ["ctl", "status"]).exit_code == 0
    (path.parent / "run" / "bravo").mkdir()
    (path.parent / "run" / "bravo" / "control.sock").symlink_to(path)
    assert "2 stations run: " in CliRunner().invoke(main, ["ctl", "status"]).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_press_lets_go_when_it_is_stopped(station: FakeStation, path: Path, number: signal.Signals) -> None:
    holding = start(path, "press")
    until(lambda: bool(station.snapshot.ptt.held_by))
    holding.send_signal(number)
    out, err = holding.communicate(timeout=PATIENCE_S)
    assert holding.returncode == 0, err
    assert out.startswith("talked ")
    assert isinstance(station.asked[-1], ReleaseKey)


def test_press_that_is_killed_leaves_only_its_lease(station: FakeStation, path: Path) -> None:
    holding = start(path, "press")
    until(lambda: bool(station.snapshot.ptt.held_by))
    holding.kill()
    holding.communicate(timeout=PATIENCE_S)
    press = station.asked[0]
    assert isinstance(press, PressKey)
    assert press.lease_s == 1.0


def test_watch_ends_with_the_station(path: Path) -> None:
    with FakeStation() as station:
        control = ControlSocket(ControlSection(socket=path), station.hub, lambda line: None)
        control.start()
        watching, machine = start(path, "watch"), start(path, "watch", "--json", "--every", "0")
        assert watching.stdout is not None
        assert machine.stdout is not None
        assert watching.stdout.readline() == "idle; link up\n"
        assert json.loads(machine.stdout.readline())["event"] in ("snapshot", "news")
        station.hub.tell("hello")
        assert watching.stdout.readline().endswith("hello\n")
        control.stop()
        assert watching.communicate(timeout=PATIENCE_S)[0] == "the station was stopped\n"
        assert json.loads(machine.communicate(timeout=PATIENCE_S)[0].splitlines()[-1]) == {"event": "end"}
    assert (watching.returncode, machine.returncode) == (0, 0)


def test_watch_on_a_terminal_draws_one_line(station: FakeStation, path: Path) -> None:
    screen, terminal = pty.openpty()
    station.snapshot = replace(station.snapshot, audio=replace(ALPHA.audio, level_db=-30.0))
    watching = start(path, "watch", stdout=terminal)
    os.close(terminal)
    drawn = b""
    give_up = time.monotonic() + PATIENCE_S
    while b"hello\r\n" not in drawn:
        assert time.monotonic() < give_up
        if select.select([screen], [], [], 0.2)[0]:
            drawn += os.read(screen, 4096)
        if b"idle" in drawn and station.hub.last_news == 0:
            station.hub.tell("hello")
    watching.send_signal(signal.SIGINT)
    assert watching.wait(PATIENCE_S) == 0
    os.close(screen)
    watching.communicate()
    assert b"\r\x1b[K[##########..........] idle; link up" in drawn
