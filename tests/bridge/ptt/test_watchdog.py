"""The real process, killed, stopped and orphaned, with a real radio's side to look at."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.ptt.devices import KeyDevice
from firmware_bridge.ptt.watchdog import Watchdog
from gateway.clock import ManualClock
from gateway.errors import KeyingError
from gateway.ptt_config import KeyingSection

ROOT = Path(__file__).parents[3]
MODULE = [sys.executable, "-m", "firmware_bridge.ptt.watchdog"]


def section(port: str, **more: Any) -> KeyingSection:
    """A watchdog's section for a CI-V radio behind `port`, or for one at an RFC 2217 address."""
    device = (
        {"kind": "serial-line", "port": port}
        if "://" in port
        else {"kind": "cat", "port": port, "radio": "icom", "reply_ms": 2000}
    )
    return KeyingSection.model_validate({"device": device, **more})


class Running:
    """A watchdog with a program's end of its pipes."""

    def __init__(self, section: KeyingSection) -> None:
        self.process = subprocess.Popen(MODULE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, bufsize=0)
        self.say(section.model_dump_json())

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip()

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start() -> Iterator[Callable[[KeyingSection], Running]]:
    made: list[Running] = []

    def make(section: KeyingSection) -> Running:
        made.append(Running(section))
        assert made[-1].hear() == "ready"
        return made[-1]

    yield make
    for running in made:
        running.end()


def test_it_obeys_and_says_so(cat_radio: Any, start: Any) -> None:
    radio = cat_radio("icom")
    dog = start(section(radio.path))
    dog.say("on 1")
    assert dog.hear() == "on 1"
    assert radio.is_on
    dog.say("beat")
    assert dog.hear() == "alive"
    dog.say("off 2")
    assert dog.hear() == "off 2"
    assert not radio.is_on


def test_it_unkeys_a_program_that_does_not_beat_and_locks_it_out(cat_radio: Any, start: Any) -> None:
    radio = cat_radio("icom")
    dog = start(section(radio.path, hang_s=0.5))
    dog.say("on 1")
    assert dog.hear() == "on 1"
    assert dog.hear().startswith("unkeyed the program has hung for 0.")
    assert not radio.is_on
    dog.say("on 2")
    assert dog.hear() == "refused 2"
    dog.say("off 3")
    assert dog.hear() == "off 3"
    dog.say("on 4")
    assert dog.hear() == "on 4"


def test_it_unkeys_at_the_limit_however_lively_the_program_is(cat_radio: Any, start: Any, eventually: Any) -> None:
    radio = cat_radio("icom")
    dog = start(section(radio.path, time_out_s=1.0, delay_ms=0, tail_ms=0, hang_s=30))
    dog.say("on 1")
    assert dog.hear() == "on 1"
    begun = time.monotonic()
    heard = ""
    while not heard.startswith("unkeyed"):
        dog.say("beat")
        heard = dog.hear()
        assert heard == "alive" or heard.startswith("unkeyed on for 1.")
        time.sleep(0.02)
    assert time.monotonic() - begun > 1.0
    assert not radio.is_on


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_unkeys_before_it_ends(cat_radio: Any, start: Any, eventually: Any, number: int) -> None:
    radio = cat_radio("icom")
    dog = start(section(radio.path))
    dog.say("on 1")
    assert dog.hear() == "on 1"
    dog.process.send_signal(signal.SIGINT)  # Ctrl-C is for the program
    dog.say("beat")
    assert dog.hear() == "alive"
    assert radio.is_on
    dog.process.send_signal(number)
    eventually(lambda: dog.process.poll() is not None)
    assert not radio.is_on


def test_a_closed_pipe_unkeys(cat_radio: Any, start: Any, eventually: Any) -> None:
    radio = cat_radio("icom")
    dog = start(section(radio.path))
    dog.say("on 1")
    assert dog.hear() == "on 1"
    dog.process.stdin.close()
    eventually(lambda: dog.process.poll() is not None)
    assert not radio.is_on


def test_killed_it_leaves_a_serial_line_to_the_terminal_server_but_a_new_one_unkeys(
    terminal_server: Any, start: Any, eventually: Any
) -> None:
    dog = start(section(terminal_server.url))
    dog.say("on 1")
    assert dog.hear() == "on 1"
    assert terminal_server.port.rts
    dog.process.kill()
    dog.process.wait()
    start(section(terminal_server.url))
    eventually(lambda: not terminal_server.port.rts)


def test_a_radio_that_is_gone_is_told_of_and_found_again(cat_radio: Any, start: Any) -> None:
    radio = cat_radio("icom")
    dog = start(section(radio.path))
    radio.is_mute = True
    dog.say("on 1")
    assert dog.hear().startswith("lost ")
    assert dog.hear() == "refused 1"
    radio.is_mute = False
    while (heard := dog.hear()) != "ready":
        assert heard.startswith("lost ")
    assert not radio.is_on


def test_a_broken_section_is_an_error_in_one_line() -> None:
    for first in ("no json", json.dumps({"device": {"kind": "gpio"}})):
        done = subprocess.run(MODULE, input=first.encode() + b"\n", capture_output=True, cwd=ROOT, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(b"watchdog: keying: ")
        assert b"Traceback" not in done.stderr


def test_it_brings_no_large_library_with_it() -> None:
    code = "import sys, firmware_bridge.ptt.watchdog; print({'torch', 'numpy', 'zmq'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == b"set()"


PROGRAM = """
import sys, time
from firmware_bridge.ptt.keying import Keying
from gateway.metrics import Metrics
from gateway.ptt_config import KeyingSection

keying = Keying(KeyingSection.model_validate_json(sys.argv[1]), Metrics(), lambda line: None)
talking = False
while True:
    keying.tick(time.monotonic())
    if keying.problem is None and not talking:
        keying.hold_over(time.monotonic())
        talking = True
    time.sleep(0.01)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[KeyingSection], subprocess.Popen[bytes]]]:
    """A program of its own that keys and goes on talking."""
    made: list[subprocess.Popen[bytes]] = []
    script = tmp_path / "talks.py"
    script.write_text(textwrap.dedent(PROGRAM))

    def make(section: KeyingSection) -> subprocess.Popen[bytes]:
        made.append(
            subprocess.Popen(
                [sys.executable, str(script), section.model_dump_json()], env={**os.environ, "PYTHONPATH": str(ROOT)}
            )
        )
        return made[-1]

    yield make
    for process in made:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def test_a_killed_program_is_unkeyed(cat_radio: Any, program: Any, eventually: Any) -> None:
    radio = cat_radio("icom")
    process = program(section(radio.path))
    eventually(lambda: radio.is_on)
    process.kill()
    eventually(lambda: not radio.is_on)


def test_a_hanging_program_is_unkeyed(cat_radio: Any, program: Any, eventually: Any) -> None:
    radio = cat_radio("icom")
    process = program(section(radio.path, hang_s=0.5))
    eventually(lambda: radio.is_on)
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: not radio.is_on)
    assert process.poll() is None
    process.send_signal(signal.SIGCONT)


def test_a_hanging_program_is_unkeyed_at_a_terminal_server(terminal_server: Any, program: Any, eventually: Any) -> None:
    process = program(section(terminal_server.url, hang_s=0.5))
    eventually(lambda: terminal_server.port.rts)
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: not terminal_server.port.rts)


def test_a_killed_program_is_unkeyed_through_rigctld(rigctld: Any, program: Any, eventually: Any) -> None:
    made = KeyingSection.model_validate({"device": {"kind": "rigctld", "address": rigctld.address}})
    process = program(made)
    eventually(lambda: rigctld.is_on)
    process.kill()
    eventually(lambda: not rigctld.is_on)


class StubbornDevice(KeyDevice):
    """A transmitter that cannot be unkeyed for some tries."""

    fails = 3
    is_on = False

    def __init__(self, _section: object = None) -> None:
        if StubbornDevice.is_on:
            self.set(False)

    def set(self, is_on: bool) -> None:
        if not is_on and StubbornDevice.fails:
            StubbornDevice.fails -= 1
            raise KeyingError("no answer")
        StubbornDevice.is_on = is_on


def test_an_orphan_goes_on_until_it_has_unkeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StubbornDevice, "fails", 5)
    clock = ManualClock()
    inbox, theirs = os.pipe()
    ours, outbox = os.pipe()
    os.write(theirs, b"on 1\n")
    os.close(theirs)
    dog = Watchdog(section("/dev/none"), (inbox, outbox), clock, StubbornDevice)
    dog.run()
    assert not StubbornDevice.is_on
    assert StubbornDevice.fails == 0
    assert clock.now() > 2.0
    heard = os.read(ours, 4096)
    assert heard.startswith(b"ready\non 1\nlost no answer\n")
    for descriptor in (inbox, ours, outbox):
        os.close(descriptor)
