"""Sound devices that vanish and come back while a station's sound runs: real PulseAudio, real PortAudio."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from gateway.audio.base import DeviceEvent, DeviceState
from gateway.audio.device import PortAudioOpener
from gateway.audio.select import Audio, open_audio
from gateway.audio.selftest import tone_pcm
from gateway.clock import SystemClock
from gateway.config import AudioSection
from gateway.errors import AudioError
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
        self._heard: list[np.ndarray] = []

    def until(self, done: Callable[[], bool], what: str) -> None:
        clock = SystemClock()
        give_up_s = clock.now() + PATIENCE_S
        while not done():
            assert clock.now() < give_up_s, f"never {what}: {self.events} {self.metrics.snapshot()}"
            while self.audio.output.queued_samples < 3200:
                time = np.arange(self._position, self._position + 1280) / 16_000
                self.audio.output.write((0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32))
                self._position += 1280
            self._heard.append(self.audio.input.read())
            clock.sleep(0.02)

    def take(self) -> np.ndarray:
        """What the microphone heard since the last call."""
        heard, self._heard = self._heard, []
        return np.concatenate([np.zeros(0, np.float32), *heard])

    def until_heard(self, sound: VirtualSound, device: str) -> None:
        with sound.recording(device) as ear:
            self.until(lambda: loud(ear.pcm[-8000:]), f"heard at {device}")


def loud(pcm: np.ndarray) -> bool:
    """Whether the tone is in the last half second."""
    return len(pcm) == 8000 and float(np.sqrt(np.mean(pcm**2))) > 0.1


def test_a_microphone_that_goes_is_silent_and_is_heard_when_it_is_back(plug_in: Callable[..., VirtualSound]) -> None:
    """The sound server keeps the stream meanwhile, as it does for everybody: nothing is lost for the station."""
    sound = plug_in("card")
    running = Sounding("default", "null")
    heard = np.zeros(0, np.float32)

    def hears(wanted: bool) -> Callable[[], bool]:
        def look() -> bool:
            nonlocal heard
            heard = np.concatenate([heard, running.take()])[-8000:]
            return len(heard) == 8000 and loud(heard) == wanted

        return look

    try:
        with played(sound, "card"):
            running.until(hears(True), "heard by the microphone")
            sound.pull("card")
            running.until(hears(False), "silent")
        sound.plug("card")
        with played(sound, "card"):
            running.until(hears(True), "heard again")
    finally:
        running.audio.close()
    assert running.metrics.counter("audio.input.driver_hung") == 0


@contextmanager
def played(sound: VirtualSound, device: str) -> Iterator[None]:
    """A tone, all the while."""
    ended = threading.Event()

    def play() -> None:
        while not ended.is_set():
            try:
                sound.play(device, tone_pcm(4.0) * np.float32(1.5))
            except AudioError:
                ended.wait(0.2)  # the device was pulled

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


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
        running.until(lambda: running.audio.output.state is DeviceState.MISSING, "missed")
        sound.plug("headset")
        running.until(lambda: running.audio.output.state is DeviceState.RUNNING, "found")
        running.until_heard(sound, "headset")
        running.until(lambda: running.audio.input.state is DeviceState.RUNNING, "running still")
        assert running.audio.output.text.startswith("headset, ALSA: 16000 Hz")
    finally:
        running.audio.close()
