"""Sound devices that vanish and come back while a station's sound runs: real PulseAudio, real PortAudio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from gateway.audio.base import DeviceEvent, DeviceState, Direction
from gateway.audio.device import PortAudioOpener
from gateway.audio.select import Audio, open_audio
from gateway.clock import SystemClock
from gateway.config import AudioSection
from gateway.metrics import Metrics
from gateway.tools.virtual_sound import VirtualSound
from tests.integration.peers import require_program

PATIENCE_S = 60.0


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., VirtualSound]]:
    """Starts a sound server with devices, the first of which is the default one."""
    require_program("pulseaudio", "pulseaudio libasound2-plugins")
    with ExitStack() as stack:

        def begin(*devices: str, later: tuple[str, ...] = ()) -> VirtualSound:
            server = stack.enter_context(VirtualSound(devices, later=later))
            for name, value in server.environment(devices[0], devices[0]).items():
                monkeypatch.setenv(name, value)
            PortAudioOpener(20, 100).rescan()  # another test may have started PortAudio without this server
            return server

        yield begin
    PortAudioOpener(20, 100).rescan()  # no later test is to find this server's devices


class Sounding:
    """A station's sound, fed with a tone; a tone is also played to its microphone."""

    def __init__(self, microphone: str, speaker: str) -> None:
        self.events: list[DeviceEvent] = []
        self.metrics = Metrics()
        section = AudioSection(input=microphone, output=speaker, latency_ms=100)
        self.audio: Audio = open_audio(section, SystemClock(), self.metrics, self.events.append)
        assert self.audio.keeper is not None
        self.audio.keeper.is_busy = lambda: False
        self._position = 0

    def until(self, done: Callable[[], bool], what: str) -> None:
        clock = SystemClock()
        give_up_s = clock.now() + PATIENCE_S
        while not done():
            assert clock.now() < give_up_s, f"never {what}: {self.events} {self.metrics.snapshot()}"
            while self.audio.output.queued_samples < 3200:
                time = np.arange(self._position, self._position + 1280) / 16_000
                self.audio.output.write((0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32))
                self._position += 1280
            self.audio.input.read()
            clock.sleep(0.02)

    def until_heard(self, sound: VirtualSound, device: str) -> None:
        with sound.recording(device) as ear:
            self.until(lambda: loud(ear.pcm[-8000:]), f"heard at {device}")


def loud(pcm: np.ndarray) -> bool:
    """Whether the tone is in the last half second."""
    return len(pcm) == 8000 and float(np.sqrt(np.mean(pcm**2))) > 0.1


@pytest.mark.parametrize(
    ("microphone", "speaker", "direction"),
    [("null", "default", Direction.OUTPUT), ("default", "null", Direction.INPUT)],
)
def test_a_device_vanishes_and_comes_back(
    plug_in: Callable[..., VirtualSound], microphone: str, speaker: str, direction: Direction
) -> None:
    sound = plug_in("card")
    running = Sounding(microphone, speaker)
    part = running.audio.output if direction is Direction.OUTPUT else running.audio.input
    count = running.metrics.counter
    try:
        running.until(lambda: part.state is DeviceState.RUNNING, "running")
        sound.pull("card")
        running.until(lambda: part.state is DeviceState.MISSING, "missed")
        assert "trying again" in part.text
        assert count(f"audio.{direction.value}.device_lost") == 1
        sound.plug("card")
        running.until(lambda: part.state is DeviceState.RUNNING, "back")
        if direction is Direction.OUTPUT:
            running.until_heard(sound, "card")
        assert count(f"audio.{direction.value}.device_back") >= 1
    finally:
        running.audio.close()
    told = [event.state for event in running.events if event.direction is direction]
    assert told[:3] == [DeviceState.RUNNING, DeviceState.MISSING, DeviceState.RUNNING]


def test_when_the_default_speaker_goes_the_sound_goes_to_another(plug_in: Callable[..., VirtualSound]) -> None:
    sound = plug_in("card", "spare")
    running = Sounding("null", "default")
    try:
        running.until_heard(sound, "card")
        sound.pull("card")
        running.until_heard(sound, "spare")
    finally:
        running.audio.close()


def test_a_speaker_plugged_in_beside_a_running_microphone_is_found(plug_in: Callable[..., VirtualSound]) -> None:
    sound = plug_in("card", later=("headset",))
    running = Sounding("card", "headset")
    try:
        running.until(lambda: running.audio.input.state is DeviceState.RUNNING, "running")
        assert running.audio.output.state is DeviceState.MISSING
        assert "no sound output device 'headset'" in running.audio.output.text
        sound.plug("headset")
        running.until(lambda: running.audio.output.state is DeviceState.RUNNING, "found")
        running.until_heard(sound, "headset")
        running.until(lambda: running.audio.input.state is DeviceState.RUNNING, "running still")
        assert running.audio.output.text.startswith("headset, ALSA: 16000 Hz")
    finally:
        running.audio.close()
