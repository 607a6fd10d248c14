"""PortAudio: choosing by name, ways to open, and a real device made by PulseAudio."""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gateway.audio.base import DeviceEvent, DeviceState, Direction
from gateway.audio.device import DeviceInfo, PortAudioOpener, choose_device, doubt, list_devices, matching_devices
from gateway.audio.select import Audio, open_audio
from gateway.clock import SystemClock
from gateway.config import AudioSection
from gateway.errors import AudioError
from gateway.metrics import Metrics
from tests.audio.fake_sounddevice import FakeSoundDevice


def info(index: int, name: str, inputs: int, outputs: int, is_default: bool = False) -> DeviceInfo:
    return DeviceInfo(
        index, name, "ALSA", inputs, outputs, 48_000, is_default and inputs > 0, is_default and outputs > 0
    )


DEVICES = [
    info(0, "HDMI 0", 0, 8),
    info(1, "USB Headset", 1, 2),
    info(2, "USB Headset Pro", 1, 2),
    info(3, "pulse", 32, 32, is_default=True),
    info(4, "usb", 1, 0),
    DeviceInfo(5, "USB Headset", "JACK", 1, 1, 48_000, False, False),
]


def test_a_name_that_fits_several_devices_is_told() -> None:
    found = matching_devices(DEVICES, Direction.INPUT, "usb headset")
    assert [device.index for device in found] == [1, 5]
    assert doubt(found) == "; the name also fits 'USB Headset, JACK' (#5)"
    assert doubt(matching_devices(DEVICES, Direction.INPUT, "usb headset, jack")) == ""
    assert matching_devices(DEVICES, Direction.INPUT, "#0") == []  # a speaker


@pytest.mark.parametrize(
    ("direction", "name", "index"),
    [
        (Direction.INPUT, "default", 3),
        (Direction.OUTPUT, "default", 3),
        (Direction.INPUT, "usb headset", 1),
        (Direction.INPUT, "headset pro", 2),
        (Direction.INPUT, "USB", 4),  # a whole name before a part of one
        (Direction.OUTPUT, "USB", 1),  # a microphone is no speaker
        (Direction.OUTPUT, "hdmi", 0),
        (Direction.OUTPUT, "USB Headset, ALSA", 1),
        (Direction.INPUT, "headset, jack", 5),  # the same device by another driver
        (Direction.INPUT, "#5", 5),
    ],
)
def test_devices_by_name(direction: Direction, name: str, index: int) -> None:
    assert choose_device(DEVICES, direction, name).index == index


def test_no_such_device_lists_those_there_are() -> None:
    with pytest.raises(AudioError, match="no sound input device 'hdmi'; there are: 'USB Headset', 'USB Headset Pro'"):
        choose_device(DEVICES, Direction.INPUT, "hdmi")
    with pytest.raises(AudioError, match="there are: none"):
        choose_device([], Direction.OUTPUT, "default")
    assert choose_device(DEVICES[:2], Direction.OUTPUT, "default").index == 0


def times(current: float, adc: float = 0.0, dac: float = 0.0) -> types.SimpleNamespace:
    """What PortAudio hands a callback."""
    return types.SimpleNamespace(currentTime=current, inputBufferAdcTime=adc, outputBufferDacTime=dac)


@pytest.mark.parametrize(
    ("accepts", "max_channels", "tried"),
    [
        ({(16_000, 1)}, 2, [(16_000, 1)]),
        ({(16_000, 2), (44_100, 1)}, 2, [(16_000, 1), (16_000, 2)]),
        ({(44_100, 2)}, 2, [(16_000, 1), (16_000, 2), (44_100, 1), (44_100, 2)]),
        ({(44_100, 1)}, 1, [(16_000, 1), (44_100, 1)]),
    ],
)
def test_opens_as_near_to_16_khz_mono_as_it_can(
    monkeypatch: pytest.MonkeyPatch, accepts: set[tuple[int, int]], max_channels: int, tried: list[tuple[int, int]]
) -> None:
    fake = FakeSoundDevice(accepts, max_channels)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    stream = PortAudioOpener(block_ms=20, latency_ms=60).open(Direction.INPUT, "default")
    assert [(options["samplerate"], options["channels"]) for options in fake.asked] == tried
    assert (stream.rate_hz, stream.channels) == tried[-1]
    assert fake.asked[-1]["blocksize"] == tried[-1][0] // 50
    assert fake.asked[-1]["dtype"] == "int16"
    assert stream.active


def test_refusals_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSoundDevice(set())
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    with pytest.raises(AudioError, match=r"'card' does not open: 16000 Hz, 1 channels: Invalid.*44100 Hz, 2 channels"):
        PortAudioOpener(20, 60).open(Direction.OUTPUT, "default")
    fake.accepts, fake.refuses_start = {(16_000, 1)}, True
    with pytest.raises(AudioError, match="busy"):
        PortAudioOpener(20, 60).open(Direction.OUTPUT, "default")


def test_callbacks_copy_and_count(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSoundDevice({(16_000, 1)})
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    microphone = PortAudioOpener(20, 60).open(Direction.INPUT, "card")
    fake.asked[-1]["callback"](np.array([1, 2, 3], dtype=np.int16).tobytes(), 3, times(10.0, adc=9.97), 0)
    fake.asked[-1]["callback"](np.array([4], dtype=np.int16).tobytes(), 1, times(10.1, adc=10.06), "input overflow")
    assert (microphone.latency_total_s, microphone.promised_s) == (pytest.approx(0.03 + 0.04), 0.06)
    assert (microphone.callbacks, microphone.xruns) == (2, 1)
    assert microphone.queue.take_all().tolist() == [1, 2, 3, 4]
    speaker = PortAudioOpener(20, 60).open(Direction.OUTPUT, "card")
    speaker.queue.push(np.array([5, 6], dtype=np.int16))
    buffer = bytearray(b"\x7f" * 8)
    fake.asked[-1]["callback"](buffer, 4, times(20.0, dac=20.07), 0)
    assert speaker.latency_total_s == pytest.approx(0.07)
    assert np.frombuffer(buffer, dtype=np.int16).tolist() == [5, 6, 0, 0]
    speaker.close()
    assert not speaker.active


def test_a_machine_without_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> types.ModuleType:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr("gateway.audio.portaudio.importlib.import_module", missing)
    with pytest.raises(AudioError, match=r"apt install libportaudio2.*PortAudio library not found"):
        list_devices()
    events: list[DeviceEvent] = []
    audio = open_audio(AudioSection(), SystemClock(), Metrics(), events.append)
    try:
        assert [event.state for event in events] == [DeviceState.MISSING, DeviceState.MISSING]
        assert "libportaudio2" in events[0].text
        assert not audio.input.read().any()
        audio.output.write(np.zeros(1280, np.float32))
    finally:
        audio.close()


def run_until(audio: Audio, done: Callable[[float], bool], limit_s: float) -> None:
    """Play a tone and record until `done` accepts the level (RMS) of what was recorded at last."""
    position, give_up, recent = 0, time.monotonic() + limit_s, np.zeros(0, np.float32)
    while not done(float(np.sqrt(np.mean(recent**2))) if len(recent) else 0.0):
        assert time.monotonic() < give_up, f"not within {limit_s} s; microphone {audio.input.state}"
        while audio.output.queued_samples < 3200:
            audio.output.write(
                (0.3 * np.sin(2 * np.pi * 440 * np.arange(position, position + 1280) / 16_000)).astype("f4")
            )
            position += 1280
        recent = np.concatenate([recent, audio.input.read()])[-1600:]
        time.sleep(0.02)


def test_real_devices_carry_sound_vanish_and_come_back(pulse: Any) -> None:
    PortAudioOpener(20, 200).rescan()  # another test may have started PortAudio without this server
    assert any(found.name == "pulse" and found.is_default_input is False for found in list_devices())
    events: list[DeviceEvent] = []
    metrics = Metrics()
    audio = open_audio(AudioSection(latency_ms=200), SystemClock(), metrics, events.append)
    try:
        assert audio.input.state is audio.output.state is DeviceState.RUNNING, events
        assert audio.keeper is not None
        run_until(audio, lambda level: abs(level - 0.212) < 0.02, 10)
        pulse.kill()
        run_until(audio, lambda level: audio.input.state is audio.output.state is DeviceState.MISSING, 10)
        run_until(audio, lambda level: level == 0.0, 5)
        pulse.start()
        run_until(audio, lambda level: abs(level - 0.212) < 0.02, 20)
        assert metrics.counter("audio.input.device_lost") == 1
        assert metrics.counter("audio.output.device_lost") == 1
    finally:
        audio.close()
    states = [event.state for event in events]
    assert states == 2 * [DeviceState.RUNNING] + 2 * [DeviceState.MISSING] + 2 * [DeviceState.RUNNING]
