"""The keeper against devices that vanish, stall, refuse and come back; time by hand, no sound card."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from gateway.audio.base import DeviceEvent, DeviceState, Direction, to_int16
from gateway.audio.keeper import LAST_RETRY_S, STALL_S, START_S, DeviceInput, DeviceKeeper, DeviceOutput, Stream
from gateway.audio.portaudio import HANGS
from gateway.audio.reframe import DropPolicy, SampleQueue
from gateway.clock import ManualClock, SystemClock
from gateway.errors import AudioError
from gateway.metrics import Metrics


class FakeStream:
    def __init__(self, rate_hz: int, channels: int) -> None:
        self.queue = SampleQueue(rate_hz * channels, DropPolicy.OLDEST)
        self.rate_hz, self.channels = rate_hz, channels
        self.callbacks = self.xruns = 0
        self.told, self.promised_s = "a card", 0.05
        self.latency_total_s = 0.0
        self.active = True
        self.closed = self.hangs = False

    def call_back(self, samples: np.ndarray[tuple[int], np.dtype[np.int16]] | None = None) -> None:
        self.callbacks += 1
        if samples is not None:
            self.queue.push(samples)

    def close(self) -> None:
        self.closed = True
        if self.hangs:
            raise AudioError("the driver hangs")


class FakeOpener:
    def __init__(self, rate_hz: int = 16_000, channels: int = 1) -> None:
        self.rate_hz, self.channels = rate_hz, channels
        self.there = True
        self.callbacks_at_once = 0
        """Before `open` comes back."""
        self.opened: list[FakeStream] = []
        self.tries = self.rescans = 0
        self.threads: set[int] = set()

    def open(self, direction: Direction, device: str) -> Stream:
        self.tries += 1
        self.threads.add(threading.get_ident())
        if not self.there:
            raise AudioError(f"no sound {direction.value} device {device!r}")
        self.opened.append(FakeStream(self.rate_hz, self.channels))
        self.opened[-1].callbacks = self.callbacks_at_once
        return self.opened[-1]

    @property
    def hangs(self) -> bool:
        return any(stream.closed and stream.hangs for stream in self.opened)

    def rescan(self) -> None:
        assert all(stream.closed for stream in self.opened)
        self.rescans += 1


class Bench:
    """A keeper with one microphone and its surroundings."""

    def __init__(self, opener: FakeOpener | None = None) -> None:
        self.opener = opener or FakeOpener()
        self.clock, self.metrics = ManualClock(), Metrics()
        self.events: list[DeviceEvent] = []
        self.keeper = DeviceKeeper(self.opener, self.clock, self.metrics, self.events.append)
        self.slot = self.keeper.add(Direction.INPUT, "mic")
        self.microphone = DeviceInput(self.slot, self.clock)

    def run(self, seconds: float, calling_back: bool = False) -> None:
        for _ in range(round(seconds / 0.1)):
            self.clock.sleep(0.1)
            if calling_back and self.opener.opened:
                self.opener.opened[-1].call_back()
            self.keeper.tend()

    @property
    def states(self) -> list[DeviceState]:
        return [event.state for event in self.events]


def test_opens_and_reads() -> None:
    bench = Bench()
    assert bench.microphone.state is DeviceState.OPENING
    bench.keeper.tend()
    bench.opener.opened[0].call_back(np.array([1, -2, 16384], dtype=np.int16))
    assert bench.microphone.read().tolist() == [1 / 32768, -2 / 32768, 0.5]
    assert len(bench.microphone.read()) == 0
    assert bench.events == [DeviceEvent(Direction.INPUT, "mic", DeviceState.RUNNING, "a card: 16000 Hz, 1 channel")]


@pytest.mark.parametrize("how", ["stopped", "silent"])
def test_a_device_that_vanishes_becomes_silence_and_comes_back(how: str) -> None:
    bench = Bench()
    bench.keeper.tend()
    bench.run(10, calling_back=True)
    bench.opener.there = False
    if how == "stopped":
        bench.opener.opened[0].active = False
        bench.run(0.1)
    else:
        bench.run(STALL_S - 0.2)
        assert bench.microphone.state is DeviceState.RUNNING
        bench.run(0.5)
    assert bench.states == [DeviceState.RUNNING, DeviceState.MISSING]
    assert bench.events[-1].text.startswith("vanished (")
    assert bench.opener.opened[0].closed
    bench.microphone.read()
    bench.clock.sleep(0.1)
    silence = bench.microphone.read()
    assert abs(len(silence) - 1600) <= 1
    assert not silence.any()
    assert bench.metrics.counter("audio.input.device_lost") == 1
    bench.run(3)
    bench.opener.there = True
    bench.run(5)
    assert bench.states == [DeviceState.RUNNING, DeviceState.MISSING, DeviceState.RUNNING]
    bench.opener.opened[-1].call_back(np.array([100], dtype=np.int16))
    assert bench.microphone.read().tolist() == [100 / 32768]
    assert bench.opener.rescans > 0


def test_a_missing_device_is_said_once_and_tried_ever_less_often() -> None:
    bench = Bench()
    bench.opener.there = False
    bench.run(600)
    assert bench.states == [DeviceState.MISSING]
    assert "no sound input device 'mic'; silence in its place, trying again" in bench.events[0].text
    assert 600 / LAST_RETRY_S - 2 < bench.opener.tries < 600 / LAST_RETRY_S + 8
    assert bench.opener.rescans == bench.opener.tries - 1


def test_a_device_that_opens_but_never_sounds_backs_off_too() -> None:
    bench = Bench()
    bench.run(START_S - 0.5)
    assert bench.states == [DeviceState.RUNNING]
    bench.run(200)
    assert 3 < len(bench.opener.opened) < 15
    assert all(stream.closed for stream in bench.opener.opened[:-1])


def test_no_rescan_while_another_stream_runs() -> None:
    bench = Bench()
    speaker_slot = bench.keeper.add(Direction.OUTPUT, "speaker")
    bench.keeper.tend()
    microphone, speaker = bench.opener.opened
    microphone.active = False
    bench.opener.there = False
    for _ in range(50):
        bench.clock.sleep(0.1)
        speaker.call_back()
        bench.keeper.tend()
    assert (bench.slot.state, speaker_slot.state) == (DeviceState.MISSING, DeviceState.RUNNING)
    assert bench.opener.rescans == 0
    assert bench.opener.tries > 3


def test_xruns_and_drops_are_counted_once() -> None:
    bench = Bench()
    bench.keeper.tend()
    stream = bench.opener.opened[0]
    stream.xruns = 3
    stream.call_back(np.zeros(17_000, dtype=np.int16))
    bench.keeper.tend()
    bench.keeper.tend()
    stream.xruns = 4
    bench.keeper.close()
    assert bench.metrics.snapshot() == {"audio.input.dropped_samples": 1000, "audio.input.xruns": 4}
    assert stream.closed
    assert bench.microphone.state is DeviceState.CLOSED


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 2), (48_000, 1), (44_100, 2)])
def test_other_rates_and_channels_are_converted(rate_hz: int, channels: int) -> None:
    bench = Bench(FakeOpener(rate_hz, channels))
    slot = bench.keeper.add(Direction.OUTPUT, "speaker")
    speaker = DeviceOutput(slot, bench.clock, bench.metrics)
    bench.keeper.tend()
    into, out = bench.opener.opened
    wave = (0.5 * np.sin(2 * np.pi * 300 * np.arange(rate_hz // 2) / rate_hz)).astype(np.float32)
    heard = []
    for block in np.array_split(np.repeat(to_int16(wave), channels), 25):
        into.call_back(block)
        heard.append(bench.microphone.read())
    pcm = np.concatenate(heard)
    assert abs(len(pcm) - 8000) < 800
    assert abs(float(np.sqrt(np.mean(pcm[1000:-1000] ** 2))) - 0.3536) < 0.01
    speaker.write(np.full(8000, 0.25, np.float32))
    assert abs(speaker.queued_samples - 8000) < 800
    played = out.queue.take_all().reshape(-1, channels)
    assert (played == played[:, :1]).all()
    assert abs(int(played[len(played) // 2, 0]) - 8192) < 10


def test_a_missing_speaker_swallows_in_real_time() -> None:
    bench = Bench()
    slot = bench.keeper.add(Direction.OUTPUT, "speaker")
    speaker = DeviceOutput(slot, bench.clock, bench.metrics)
    bench.opener.there = False
    bench.keeper.tend()
    speaker.write(np.zeros(16_000, np.float32))
    assert speaker.queued_samples == 16_000
    bench.clock.sleep(0.5)
    assert speaker.queued_samples == 8000
    speaker.clear()
    assert speaker.queued_samples == 0
    bench.opener.there = True
    bench.run(3)
    speaker.write(np.zeros(160, np.float32))
    assert len(bench.opener.opened[-1].queue) == 160
    speaker.clear()
    assert speaker.queued_samples == 0
    assert speaker.state is DeviceState.RUNNING


def test_in_its_thread_it_opens_before_start_returns_and_closes_at_the_end() -> None:
    opener = FakeOpener()
    keeper = DeviceKeeper(opener, SystemClock(), Metrics(), lambda event: None)
    slot = keeper.add(Direction.INPUT, "mic")
    keeper.start()
    assert slot.state is DeviceState.RUNNING
    assert opener.threads != {threading.get_ident()}
    keeper.close()
    assert opener.opened[0].closed


class ByName(FakeOpener):
    """Devices that are `plugged` in; one that was plugged in lately is only found after a fresh look."""

    def __init__(self) -> None:
        super().__init__()
        self.plugged = {"mic"}
        self.seen = {"mic"}

    def open(self, direction: Direction, device: str) -> Stream:
        if device not in self.seen:
            raise AudioError(f"no sound {direction.value} device {device!r}")
        return super().open(direction, device)

    def rescan(self) -> None:
        super().rescan()
        self.seen = set(self.plugged)


def test_a_device_plugged_in_beside_a_running_one_is_found_when_nobody_talks() -> None:
    opener = ByName()
    bench = Bench(opener)
    speaker = bench.keeper.add(Direction.OUTPUT, "speaker")
    busy = True
    bench.keeper.is_busy = lambda: busy

    def pass_s(seconds: float) -> None:
        for _ in range(round(seconds / 0.1)):
            for stream in opener.opened:
                stream.call_back()
            bench.run(0.1)

    pass_s(1.0)
    opener.plugged.add("speaker")
    pass_s(2 * LAST_RETRY_S)
    assert opener.rescans == 0, "somebody talks: what runs is left alone"
    assert len(opener.opened) == 1
    busy = False
    pass_s(LAST_RETRY_S + 1)
    assert (opener.rescans, len(opener.opened)) == (1, 3)
    assert opener.opened[0].closed
    assert bench.slot.stream is opener.opened[1]
    assert speaker.stream is opener.opened[2]
    assert bench.metrics.counter("audio.output.device_back") == 1
    told = [(event.direction, event.state) for event in bench.events]
    assert told.count((Direction.INPUT, DeviceState.RUNNING)) == 1, "the microphone was never away"
    assert told[1:] == [(Direction.OUTPUT, DeviceState.MISSING), (Direction.OUTPUT, DeviceState.RUNNING)]


def test_latency_is_what_the_card_says_of_its_blocks_and_the_filter_holds_back() -> None:
    bench = Bench()
    bench.keeper.tend()
    (stream,) = bench.opener.opened
    for total_s in (0.03, 0.03 + 0.05):  # handed over together
        stream.latency_total_s = total_s
        stream.call_back()
    bench.run(0.1)
    assert bench.microphone.latency_s == pytest.approx(0.04)
    stream.latency_total_s = -4000.0  # a driver without a clock
    stream.call_back()
    bench.run(0.1)
    assert 0.04 < bench.microphone.latency_s < stream.promised_s
    bench.opener.there = False
    bench.run(STALL_S + 1)
    assert bench.microphone.latency_s == 0.0, "missing"
    fast = Bench(FakeOpener(rate_hz=48_000))
    fast.keeper.tend()
    for _ in range(100):
        fast.opener.opened[-1].call_back(np.zeros(960, np.int16))
        fast.microphone.read()
    assert 0.008 < fast.microphone.latency_s - fast.slot.latency_s < 0.04


def test_a_driver_that_gave_sound_only_while_it_was_opened_did_work() -> None:
    bench = Bench()
    bench.opener.callbacks_at_once = 3
    bench.keeper.tend()
    bench.opener.opened[0].hangs = True
    bench.run(STALL_S + 1)
    assert bench.keeper.wants_restart


def test_a_driver_that_hangs_is_told_and_its_device_tried_again_without_a_fresh_look() -> None:
    bench = Bench()
    bench.keeper.tend()
    bench.opener.opened[0].hangs = True
    bench.opener.opened[0].active = False
    bench.run(2.0)
    assert not bench.keeper.wants_restart, "it never gave a sound"
    bench.opener.opened[1].call_back()
    bench.run(0.1)
    assert bench.keeper.wants_restart
    assert bench.metrics.counter("audio.input.driver_hung") == 1
    assert bench.events[2].text == HANGS
    assert bench.microphone.state is DeviceState.RUNNING
    assert (len(bench.opener.opened), bench.opener.rescans) == (2, 0)
    bench.opener.opened[0].hangs = False  # it came back
    assert not bench.keeper.wants_restart
    bench.opener.opened[1].active = False
    bench.run(2.0)
    assert bench.opener.rescans == 1
