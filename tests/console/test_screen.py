"""The screen on real terminals: pseudo-terminals that are read, closed and stalled, and tmux, which draws it."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.console import screen
from gateway.console.screen import run_screen, screen_wanted
from gateway.control.hub import ControlHub
from gateway.errors import ConfigError
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


def until(is_so: Callable[[], bool], what: Callable[[], str]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < give_up, f"did not come:\n{what()}"
        time.sleep(0.05)


class OnTerminal:
    """The program of screen_program on a pseudo-terminal that is its controlling one."""

    def __init__(
        self, told: Path, how: str = "", *, is_read: bool = True, owner: int | None = None, **environ: str
    ) -> None:
        self._told = told
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.settings = termios.tcgetattr(self.slave)
        self.output = b""
        with told.with_suffix(".err").open("wb") as errors:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.console.screen_program",
                    str(told),
                    str(owner or os.getpid()),
                    *([how] if how else []),
                ],
                cwd=ROOT,
                stdin=self.slave,
                stdout=self.slave,
                stderr=errors,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "LC_ALL": "C.UTF-8", **environ},
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        if is_read:
            self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):
            while data := os.read(self.master, 65536):
                self.output += data

    @property
    def told(self) -> list[str]:
        return self._told.read_text(encoding="utf-8").splitlines() if self._told.exists() else []

    @property
    def all_output(self) -> str:
        errors = self._told.with_suffix(".err").read_text(encoding="utf-8", errors="replace")
        return f"{self.told}\n{self.output[-3000:]!r}\n{errors}"

    def await_output(self, words: bytes) -> None:
        until(lambda: words in self.output, lambda: self.all_output)

    def await_told(self, words: str) -> None:
        until(lambda: words in self.told, lambda: self.all_output)

    def type(self, data: bytes) -> None:
        os.write(self.master, data)

    def end(self) -> None:
        """The program ends by itself, cleanly."""
        try:
            assert self.process.wait(PATIENCE_S) == 0, self.all_output
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end:\n{self.all_output}") from None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for descriptor in (self.slave, self.master):
            with suppress(OSError):
                os.close(descriptor)
        if self._reader.is_alive():
            self._reader.join(5)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., OnTerminal]]:
    started: list[OnTerminal] = []

    def run(how: str = "", *, is_read: bool = True, **environ: str) -> OnTerminal:
        started.append(OnTerminal(tmp_path / f"told{len(started)}", how, is_read=is_read, **environ))
        return started[-1]

    yield run
    for program in started:
        program.close()


def test_keys_ask_and_quitting_leaves_the_terminal_as_it_was(start: Callable[..., OnTerminal]) -> None:
    program = start()
    program.await_output(b"YOU MAY TALK")
    program.type(b" ")
    program.await_told("ToggleKey(holder='keyboard', break_in=False)")
    program.type(b"\xe9\xff")  # no UTF-8: dropped, and the screen goes on
    program.type(b"m")
    program.await_told("ToggleRecording()")
    assert termios.tcgetattr(program.slave) != program.settings
    program.type(b"q")
    program.end()
    assert program.told[-2:] == ["ended", "signals True"]
    assert termios.tcgetattr(program.slave) == program.settings
    until(lambda: b"\x1b[?1049l" in program.output, lambda: program.all_output)
    assert program.output.rindex(b"\x1b[?25h") > program.output.rindex(b"\x1b[?25l")


@pytest.mark.parametrize("how", ["stops", "ends"])
def test_it_ends_with_the_program_and_with_the_station(start: Callable[..., OnTerminal], how: str) -> None:
    program = start(how)
    program.end()
    assert "ended" in program.told
    assert termios.tcgetattr(program.slave) == program.settings


@pytest.mark.parametrize("how", ["", "ignores-hangup"])
def test_a_terminal_that_closes_ends_it(start: Callable[..., OnTerminal], how: str) -> None:
    program = start(how)
    program.await_output(b"YOU MAY TALK")
    os.close(program.slave)
    os.close(program.master)
    program.end()
    assert "ended" in program.told


def test_a_terminal_that_takes_nothing_ends_it(start: Callable[..., OnTerminal]) -> None:
    program = start(is_read=False)
    program.end()
    assert "ended" in program.told


def test_the_program_of_these_tests_ends_with_its_test(tmp_path: Path) -> None:
    owner = subprocess.Popen(["sleep", "600"])
    program = OnTerminal(tmp_path / "told", owner=owner.pid)
    try:
        program.await_output(b"YOU MAY TALK")
        owner.kill()
        owner.wait()
        program.end()
        assert "ended" in program.told
    finally:
        owner.kill()
        owner.wait()
        program.close()


def test_what_goes_wrong_inside_reaches_the_caller(start: Callable[..., OnTerminal]) -> None:
    program = start("crash")
    program.end()
    assert program.told == ["raised drawing failed", "signals True"]
    assert termios.tcgetattr(program.slave) == program.settings


def test_a_plain_terminal_is_sent_ascii_and_nothing_it_would_print(start: Callable[..., OnTerminal]) -> None:
    program = start(TERM="linux", LC_ALL="C")
    program.await_output(b"YOU MAY TALK")
    program.type(b"q")
    program.end()
    assert program.output.isascii()
    assert b"$p" not in program.output
    assert b"\x1b[>" not in program.output


def test_no_colour_where_none_is_wanted(start: Callable[..., OnTerminal]) -> None:
    program = start(NO_COLOR="1")
    program.await_output(b"YOU MAY TALK")
    program.type(b"q")
    program.end()
    numbers = {
        int(number)
        for sequence in program.output.split(b"\x1b[")[1:]
        if (end := sequence.find(b"m")) > 0 and set(sequence[:end]) <= set(b"0123456789;")
        for number in sequence[:end].split(b";")
        if number
    }
    assert not {n for n in numbers if 30 <= n <= 38 or 40 <= n <= 48 or 90 <= n <= 107}


class Tmux:
    """A terminal of 80 by 24 that can be looked at."""

    def __init__(self, command: str, width: int = 80, height: int = 24) -> None:
        self._server = f"clarilink-{uuid.uuid4().hex[:12]}"
        size = ["-x", str(width), "-y", str(height)]
        self.call("-f", "/dev/null", "new-session", "-d", *size, f"{command}; stty -a; echo the-end; sleep 600")

    def call(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-L", self._server, *arguments], capture_output=True, text=True, check=True)
        return done.stdout

    @property
    def screen(self) -> str:
        return self.call("capture-pane", "-p")

    def await_words(self, words: str) -> str:
        until(lambda: words in self.screen, lambda: self.screen)
        return self.screen

    def close(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self.call("kill-server")


@pytest.mark.parametrize("term", ["screen", "tmux-256color", "xterm", "linux"])
def test_a_terminal_emulator_draws_it(tmp_path: Path, term: str) -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed (apt install tmux)")
    told = tmp_path / "told"
    # Sizes in the environment are of a terminal that was; ours grows below.
    environ = f"COLUMNS=80 LINES=24 TERM={term} LC_ALL=C.UTF-8 PYTHONPATH={ROOT}"
    tmux = Tmux(f"cd {ROOT}; env {environ} {sys.executable} -m tests.console.screen_program {told} {os.getpid()}")
    try:
        first = tmux.await_words("YOU MAY TALK: the channel is free")
        rows = first.splitlines()
        assert rows[0].startswith(" alpha  id 1  group 7  open net")
        assert rows[2].strip().startswith("####" if term == "linux" else "████")
        assert rows[8].startswith("mic")
        assert rows[23].startswith(" space talk  b break in")
        assert "1.39 s from mouth to ear" in first
        tmux.call("send-keys", "t", "hello there")
        tmux.await_words("text to group (Tab)> hello there")
        tmux.call("send-keys", "Enter", "Space")
        until(lambda: "ToggleKey" in told.read_text(), lambda: tmux.screen)
        assert "SendText(text='hello there', to=None)" in told.read_text()
        tmux.call("send-keys", "F1")
        tmux.await_words("break in: talk over others")
        tmux.call("resize-window", "-x", "120", "-y", "40")
        tmux.call("send-keys", "1")
        tmux.await_words("CHARTS")
        tmux.call("send-keys", "q")
        after = tmux.await_words("the-end")
        assert " echo " in after.replace("\n", " ")
        assert "YOU MAY TALK" not in after
        assert "ended" in told.read_text()
    finally:
        tmux.close()


def test_where_the_screen_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "has_terminal", lambda: True)
    assert screen_wanted("auto")
    assert screen_wanted("full")
    assert not screen_wanted("lines")
    monkeypatch.setattr(screen, "has_terminal", lambda: False)
    assert not screen_wanted("auto")
    with pytest.raises(ConfigError, match=r"console\.kind is full, but standard input and output are no terminal"):
        screen_wanted("full")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "available", lambda: False)
    monkeypatch.setattr(screen, "has_terminal", lambda: True)
    assert not screen_wanted("auto")
    for ask in (
        lambda: screen_wanted("full"),
        lambda: run_screen(ControlHub(ManualClock()), threading.Event(), lambda: True),
    ):
        with pytest.raises(ConfigError, match=r"install clarilink\[console\]"):
            ask()


def test_the_gateway_is_imported_without_the_library() -> None:
    code = "import sys; sys.modules['textual'] = None; import gateway.app, gateway.console.screen"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
