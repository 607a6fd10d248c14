"""Sound devices that vanish and come back while a station's sound runs: real PulseAudio, real PortAudio.

The station's sound is a program of its own, for a driver that hangs can only be ended with its process; that it ends
well is asked of it, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.audio.portaudio import HANGS
from gateway.clock import SystemClock
from gateway.errors import AudioError, RestartWanted
from gateway.service.restart import HUNG_S, REST_S
from gateway.station.tones import steady_tone
from gateway.tools.program import Program
from gateway.tools.virtual_sound import VirtualSound
from tests.integration.peers import require_program
from tests.patience import PATIENCE_S

END_S = 30.0
RESTART_S = HUNG_S + REST_S + 60.0
ROOT = Path(__file__).parents[2]


class Sounding:
    """The program of tests.integration.sounding, and what it told last."""

    def __init__(self, sound: VirtualSound, default: str, microphone: str, speaker: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.sounding", microphone, speaker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=sound.environment(default, default),
        )
        self._told: dict[str, Any] = {}
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._told = json.loads(line)
                self._changed.notify_all()

    def until(self, done: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """What it tells as soon as that is so."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self._told) and done(self._told), PATIENCE_S), (
                f"never {what}: {self._told}, exit code {self._process.poll()}"
            )
            return self._told

    def until_state(self, direction: str, state: str) -> dict[str, Any]:
        return self.until(lambda told: told[direction] == state, f"{direction} {state}")

    def end(self) -> None:
        """By its own will, with everything closed; no trace of an abort."""
        if self._process.poll() is not None:
            assert self._process.returncode == 0
            return
        assert self._process.stdin is not None
        self._process.stdin.write("end\n")
        self._process.stdin.flush()
        assert self._process.wait(END_S) == 0

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def sounding(sound: VirtualSound, default: str, microphone: str, speaker: str) -> Iterator[Sounding]:
    running = Sounding(sound, default, microphone, speaker)
    try:
        yield running
        running.end()
    finally:
        running.close()


@contextmanager
def devices(*names: str) -> Iterator[VirtualSound]:
    require_program("pulseaudio", "pulseaudio libasound2-plugins")
    with VirtualSound(names) as sound:
        yield sound


def hears(told: dict[str, Any]) -> bool:
    """Whether its microphone heard a tone in the last half second."""
    return told["level"] is not None and told["level"] > 0.1


def until_heard_at(sound: VirtualSound, device: str) -> None:
    """The tone that it plays comes out there."""
    clock = SystemClock()
    give_up_s = clock.now() + PATIENCE_S
    with sound.recording(device) as ear:
        while len(last := ear.pcm[-8000:]) < 8000 or float(np.sqrt(np.mean(last**2))) < 0.1:
            assert clock.now() < give_up_s, f"never heard at {device}"
            clock.sleep(0.05)


@contextmanager
def played(sound: VirtualSound, device: str) -> Iterator[None]:
    """A tone, all the while."""
    ended = threading.Event()

    def play() -> None:
        while not ended.is_set():
            try:
                sound.play(device, steady_tone(1000, 4.0, 0.4))
            except AudioError:
                ended.wait(0.2)  # the device was pulled

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def until_heard_by_service(socket: str) -> None:
    """What is played comes in by its microphone."""
    command = [sys.executable, "-m", "gateway", "ctl", "--json", "--socket", socket, "status"]
    clock = SystemClock()
    give_up_s = clock.now() + PATIENCE_S
    while json.loads(subprocess.check_output(command, text=True))["audio"]["level_db"] < -30:
        assert clock.now() < give_up_s, "the service never heard its microphone"


def test_a_microphone_that_goes_is_silent_and_is_heard_when_it_is_back() -> None:
    """The sound server keeps the stream meanwhile, as it does for everybody: nothing is lost for the station."""
    with devices("card") as sound, sounding(sound, "card", "default", "null") as running:
        with played(sound, "card"):
            running.until(hears, "heard by the microphone")
            sound.pull("card")
            running.until(lambda told: told["level"] is not None and not hears(told), "silent")
        sound.plug("card")
        with played(sound, "card"):
            told = running.until(hears, "heard again")
        assert "audio.input.driver_hung" not in told["counters"]


def test_a_driver_that_hangs_is_told_and_taken_again_when_it_goes_on() -> None:
    with devices("card") as sound, sounding(sound, "card", "card", "card") as running:
        until_heard_at(sound, "card")
        running.until(hears, "heard by the microphone")
        with sound.frozen():
            running.until(lambda told: told["wants_restart"], "hung")
            running.until_state("input", "missing")
            running.until_state("output", "missing")
        running.until(lambda told: not told["wants_restart"], "back")
        running.until_state("input", "running")
        running.until_state("output", "running")
        until_heard_at(sound, "card")


def test_a_program_ends_in_order_while_its_driver_hangs() -> None:
    with devices("card") as sound, sounding(sound, "card", "card", "card") as running:
        running.until(hears, "heard by the microphone")
        with sound.frozen():
            told = running.until(lambda told: told["wants_restart"], "hung")
            assert HANGS in " ".join(told["events"])
            running.end()


def test_when_the_default_speaker_goes_the_sound_goes_to_another() -> None:
    with devices("card", "spare") as sound, sounding(sound, "card", "null", "default"):
        until_heard_at(sound, "card")
        sound.pull("card")
        until_heard_at(sound, "spare")


def test_a_speaker_plugged_in_beside_a_running_microphone_is_found() -> None:
    with devices("card") as sound, sounding(sound, "card", "card", "headset") as running:
        running.until_state("input", "running")
        running.until_state("output", "missing")
        sound.plug("headset")
        told = running.until_state("output", "running")
        assert told["output_text"].startswith("headset, ALSA: 16000 Hz")
        until_heard_at(sound, "headset")
        running.until_state("input", "running")


def test_a_service_whose_driver_hangs_ends_itself_to_be_started_anew(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("s")  # short enough for a socket's path
    path, socket = folder / "service.toml", f"{folder}/s.sock"
    path.write_text(f"""
[station]
name = "service"
id = 1
[audio]
input = "card"
output = "card"
when_driver_hangs = "restart"
[codec]
search = "off"
[ptt]
source = "none"
[link]
kind = "memory"
[control]
socket = "{socket}"
""")
    with devices("card") as sound:
        program = Program("run", "-c", str(path), environment=sound.environment("card", "card"))
        try:
            program.wait_for("station ready")
            with played(sound, "card"):  # one that never gave sound would be waited for instead
                until_heard_by_service(socket)
            with sound.frozen():
                try:
                    code = program.process.wait(RESTART_S)
                except subprocess.TimeoutExpired:
                    raise AssertionError("it goes on:\n" + "\n".join(program.lines)) from None
            assert code == RestartWanted.exit_code
            program.end()
        finally:
            program.close()
    stopped = next(i for i, line in enumerate(program.lines) if "station stopped" in line)
    assert any("the sound driver hangs" in line for line in program.lines[stopped + 1 :])
    assert not any("Traceback" in line for line in program.lines)
