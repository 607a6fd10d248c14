"""Keeps real sound devices open: opens them, watches that they run, and reopens those that vanish.

Rule: only the keeper's thread opens and closes streams, for that may take seconds or hang; the media thread sees a
stream that is there or not, and silence while it is not. Failed devices are tried again after 0.5, 1, 2 ... 30 s.

PortAudio sees what was plugged in only after a restart, which ends every stream. While nothing runs, each try begins
with one; while another device runs, only one that fails otherwise does, and only while nobody talks or is heard.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr

from gateway.audio.base import (
    SAMPLE_RATE_HZ,
    AudioInput,
    AudioOutput,
    DeviceEvent,
    DeviceState,
    Direction,
    FloatArray,
    OnDeviceEvent,
    to_float,
    to_int16,
)
from gateway.audio.paced import NullInput, NullOutput
from gateway.audio.portaudio import HANGS
from gateway.audio.reframe import SampleQueue
from gateway.clock import Clock
from gateway.errors import AudioError
from gateway.metrics import Metrics

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 30.0
STALL_S = 2.0
"""A stream that has not called back for so long has vanished: some drivers say nothing else."""
START_S = 6.0
"""The same for its first call: a PulseAudio monitor was seen to take 2 s to begin."""
LOOK_S = 0.2
LATENCY_LIMIT_S = 5.0
"""A driver whose clock says more has none."""
_SMOOTHING = 0.1
"""A server hands sound over in uneven pieces: five looks a second make a mean of two seconds."""


class Stream(Protocol):
    """A running stream of interleaved 16-bit samples; `callbacks` and `xruns` only grow."""

    queue: SampleQueue
    rate_hz: int
    channels: int
    callbacks: int
    xruns: int
    told: str
    """Which device it is, for people."""

    latency_total_s: float
    """Sum over the callbacks: from a block's first sample at the microphone until it was handed over, or from fetching
    a block until its first sample is heard, by the driver's own clock."""
    promised_s: float
    """Latency as the driver promised it."""

    @property
    def active(self) -> bool:
        """False once the driver has given the stream up."""
        ...

    def close(self) -> None:
        """Stop and let go. Raises AudioError where the driver hangs."""
        ...


class Opener(Protocol):
    """Where streams come from (gateway.audio.device; something simpler in tests)."""

    def open(self, direction: Direction, device: str) -> Stream:
        """Open and start a stream. Raises AudioError if there is no such device or it refuses."""
        ...

    def rescan(self) -> None:
        """Look for devices anew; only called while no stream is open. Raises AudioError if that fails."""
        ...

    @property
    def hangs(self) -> bool:
        """Whether some call has not come back from the driver; from any thread."""
        ...


@dataclass(slots=True, eq=False)
class Slot:
    """One device that should run; written by the keeper's thread, read by the media thread."""

    direction: Direction
    device: str
    stream: Stream | None = None
    state: DeviceState = DeviceState.OPENING
    text: str = ""
    """The last that was told of it."""
    retry_s: float = FIRST_RETRY_S
    next_try_s: float = float("-inf")
    seen_callbacks: int = 0
    seen_callback_s: float = 0.0
    seen_latency_s: float = 0.0
    counted_xruns: int = 0
    counted_drops: int = 0
    latency_s: float = 0.0
    """Of the sound card, smoothed; 0 while it is missing."""


class DeviceKeeper:
    """Owner of all device streams of a station; `tend` is one look at each, `start` repeats it in a thread."""

    def __init__(self, opener: Opener, clock: Clock, metrics: Metrics, on_event: OnDeviceEvent) -> None:
        self._opener = opener
        self._clock = clock
        self._metrics = metrics
        self._on_event = on_event
        self._slots: list[Slot] = []
        self._told_hang = self._has_run = False
        self.is_busy: Callable[[], bool] = lambda: True
        """Whether somebody talks or is heard, so that no stream may be interrupted; called from the keeper's thread.
        As long as nobody has told, none is."""
        self._stop = threading.Event()
        self._looked = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def wants_restart(self) -> bool:
        """Whether a driver hangs that did work in this program, so that another may have better luck; from any thread.

        One that hung from the beginning would hang there, too.
        """
        return self._opener.hangs and self._has_run

    def add(self, direction: Direction, device: str) -> Slot:
        """Take care of one more device; before `start`."""
        slot = Slot(direction, device)
        self._slots.append(slot)
        return slot

    def start(self, wait_s: float = 5.0) -> None:
        """Run in a thread of its own; returns once every device was tried, at the latest after `wait_s`."""
        self._thread = threading.Thread(target=self._run, name="audio-keeper", daemon=True)
        self._thread.start()
        self._looked.wait(wait_s)

    def close(self, wait_s: float = 3.0) -> None:
        """Close all streams; a driver that hangs is left behind after `wait_s`."""
        self._stop.set()
        if self._thread is None:
            self._close_all()
        else:
            self._thread.join(wait_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.tend()
            self._looked.set()
            self._stop.wait(LOOK_S)
        self._close_all()

    def tend(self) -> None:
        """Look once at every device: count, notice the lost, open the missing that are due."""
        now_s = self._clock.now()
        for slot in self._slots:
            if slot.stream is not None:
                self._watch(slot, slot.stream, now_s)
        missing = [slot for slot in self._slots if slot.stream is None and now_s >= slot.next_try_s]
        retried = any(slot.state is DeviceState.MISSING for slot in missing)
        running = [slot for slot in self._slots if slot.stream is not None]
        if retried and not running:
            # A device that was plugged in is only seen by a fresh look.
            self._rescan()
        for slot in missing:
            self._open(slot, now_s)
        if (
            retried
            and running
            and not self._opener.hangs
            and not self.is_busy()
            and any(slot.stream is None for slot in missing)
        ):
            self._interrupt(running, missing)

    def _interrupt(self, running: list[Slot], missing: list[Slot]) -> None:
        """Close what runs, look anew, open everything: a gap of some tenths of a second, while nobody talks or hears.

        Only at the times of a retry, thirty seconds apart in the end.
        """
        for slot in running:
            stream, slot.stream = slot.stream, None
            if stream is not None:
                self._count(slot, stream)
                self._close(slot, stream)
        self._rescan()
        now_s = self._clock.now()
        for slot in running:
            self._open(slot, now_s)
        for slot in missing:
            if slot.stream is None:
                self._try(slot)

    def _close(self, slot: Slot, stream: Stream) -> None:
        with suppress(AudioError):  # its one reason is a hang
            stream.close()
        self._tell_hang(slot)

    def _tell_hang(self, slot: Slot) -> None:
        """Once, when the driver begins to hang, with the device it was used for."""
        hangs = self._opener.hangs
        if hangs and not self._told_hang:
            self._metrics.count(f"audio.{slot.direction.value}.driver_hung")
            slot.text = HANGS
            self._on_event(DeviceEvent(slot.direction, slot.device, slot.state, HANGS))
        self._told_hang = hangs

    def _rescan(self) -> None:
        if self._opener.hangs:
            return
        try:
            self._opener.rescan()
        except AudioError as error:
            for slot in self._slots:
                self._enter(slot, DeviceState.MISSING, str(error))

    def _open(self, slot: Slot, now_s: float) -> None:
        if (error := self._try(slot)) is not None:
            slot.next_try_s = now_s + slot.retry_s
            slot.retry_s = min(2 * slot.retry_s, LAST_RETRY_S)
            self._enter(slot, DeviceState.MISSING, f"{error}; silence in its place, trying again")
            self._tell_hang(slot)

    def _try(self, slot: Slot) -> AudioError | None:
        try:
            stream = self._opener.open(slot.direction, slot.device)
        except AudioError as error:
            return error
        slot.seen_callbacks, slot.seen_callback_s = stream.callbacks, self._clock.now()
        slot.seen_latency_s = stream.latency_total_s
        slot.counted_xruns = slot.counted_drops = 0
        slot.stream = stream
        if slot.state is DeviceState.MISSING:
            self._metrics.count(f"audio.{slot.direction.value}.device_back")
        self._enter(slot, DeviceState.RUNNING, f"{stream.told}: {stream.rate_hz} Hz, {_channels(stream)}")
        return None

    def _watch(self, slot: Slot, stream: Stream, now_s: float) -> None:
        self._count(slot, stream)
        # Its first calls may have come before `_try` looked, and none since.
        self._has_run = self._has_run or stream.callbacks > 0
        if stream.callbacks != slot.seen_callbacks:
            # The mean over blocks, not the last one's: a sound server hands several over at once.
            measured_s = (stream.latency_total_s - slot.seen_latency_s) / (stream.callbacks - slot.seen_callbacks)
            latency_s = measured_s if 0 < measured_s < LATENCY_LIMIT_S else stream.promised_s
            slot.latency_s += (latency_s - slot.latency_s) * (_SMOOTHING if slot.latency_s else 1.0)
            slot.seen_latency_s = stream.latency_total_s
            slot.seen_callbacks, slot.seen_callback_s = stream.callbacks, now_s
            slot.retry_s = FIRST_RETRY_S  # it works: the next failure is a new one
        patience_s = STALL_S if stream.callbacks else START_S
        stalled = now_s - slot.seen_callback_s > patience_s
        if stalled or not stream.active:
            slot.stream = None
            slot.latency_s = 0.0
            slot.next_try_s = now_s + slot.retry_s
            slot.retry_s = min(2 * slot.retry_s, LAST_RETRY_S)
            self._metrics.count(f"audio.{slot.direction.value}.device_lost")
            why = f"no sound for {patience_s:g} s" if stalled else "the driver stopped it"
            self._enter(slot, DeviceState.MISSING, f"vanished ({why}); silence in its place, trying again")
            self._close(slot, stream)

    def _count(self, slot: Slot, stream: Stream) -> None:
        xruns, drops = stream.xruns, stream.queue.dropped_samples
        if xruns > slot.counted_xruns:
            self._metrics.count(f"audio.{slot.direction.value}.xruns", xruns - slot.counted_xruns)
        if drops > slot.counted_drops:
            self._metrics.count(f"audio.{slot.direction.value}.dropped_samples", drops - slot.counted_drops)
        slot.counted_xruns, slot.counted_drops = xruns, drops

    def _enter(self, slot: Slot, state: DeviceState, text: str) -> None:
        slot.text = text
        # Said once, however often it is tried again.
        if slot.state is not state:
            slot.state = state
            self._on_event(DeviceEvent(slot.direction, slot.device, state, text))

    def _close_all(self) -> None:
        for slot in self._slots:
            stream, slot.stream, slot.state = slot.stream, None, DeviceState.CLOSED
            if stream is not None:
                self._count(slot, stream)
                self._close(slot, stream)


class DeviceInput(AudioInput):
    """A microphone in the care of a keeper; silence in real time while it is missing."""

    def __init__(self, slot: Slot, clock: Clock) -> None:
        self.name = slot.device
        self._slot = slot
        self._stand_in = NullInput(clock)
        self._stream: Stream | None = None
        self._resampler: _Resampler | None = None

    @property
    def state(self) -> DeviceState:
        return self._slot.state

    @property
    def text(self) -> str:
        return self._slot.text

    @property
    def latency_s(self) -> float:
        return self._slot.latency_s + (0.0 if self._resampler is None else self._resampler.lag_s)

    def read(self) -> FloatArray:
        stream = self._slot.stream
        if stream is not self._stream:
            self._stream = stream
            self._stand_in.restart()
            self._resampler = _resampler(stream.rate_hz, SAMPLE_RATE_HZ) if stream else None
        if stream is None:
            return self._stand_in.read()
        samples = to_float(stream.queue.take_all())
        if stream.channels > 1:
            whole = len(samples) - len(samples) % stream.channels
            samples = samples[:whole].reshape(-1, stream.channels).mean(axis=1, dtype=np.float32)
        if self._resampler is not None:
            samples = np.clip(self._resampler(samples), -1.0, 1.0)
        return samples

    def close(self) -> None:
        """Stop reading; the keeper closes the device."""
        self._stand_in.close()


class DeviceOutput(AudioOutput):
    """A speaker in the care of a keeper; while it is missing, sound passes unheard in real time."""

    def __init__(self, slot: Slot, clock: Clock, metrics: Metrics) -> None:
        self.name = slot.device
        self._slot = slot
        self._stand_in = NullOutput(clock, metrics)
        self._stream: Stream | None = None
        self._resampler: _Resampler | None = None

    @property
    def state(self) -> DeviceState:
        return self._slot.state

    @property
    def text(self) -> str:
        return self._slot.text

    @property
    def latency_s(self) -> float:
        return self._slot.latency_s + (0.0 if self._resampler is None else self._resampler.lag_s)

    def _current(self) -> Stream | None:
        stream = self._slot.stream
        if stream is not self._stream:
            self._stream = stream
            self._stand_in.restart()
            self._resampler = _resampler(SAMPLE_RATE_HZ, stream.rate_hz) if stream else None
        return stream

    @property
    def queued_samples(self) -> int:
        stream = self._current()
        if stream is None:
            return self._stand_in.queued_samples
        return len(stream.queue) * SAMPLE_RATE_HZ // (stream.rate_hz * stream.channels)

    def write(self, pcm: FloatArray) -> None:
        stream = self._current()
        if stream is None:
            self._stand_in.write(pcm)
            return
        if self._resampler is not None:
            pcm = self._resampler(pcm)
        stream.queue.push(np.repeat(to_int16(pcm), stream.channels))

    def clear(self) -> None:
        stream = self._current()
        if stream is None:
            self._stand_in.clear()
        else:
            stream.queue.clear()

    def close(self) -> None:
        """Stop writing; the keeper closes the device."""
        self._stand_in.close()


class _Resampler:
    """A stream from one rate to another, which knows how long it holds sound back.

    soxr works in blocks of its own: 8 to 37 ms, and 20 on the average.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._to_hz = to_hz
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
        self.lag_s = 0.0

    def __call__(self, pcm: FloatArray) -> FloatArray:
        """Sound (samples,) in, what is ready (samples,) out."""
        out: FloatArray = self._stream.resample_chunk(np.asarray(pcm, dtype=np.float32))
        self.lag_s += _SMOOTHING * (self._stream.delay() / self._to_hz - self.lag_s)
        return out


def _resampler(from_hz: int, to_hz: int) -> _Resampler | None:
    return None if from_hz == to_hz else _Resampler(from_hz, to_hz)


def _channels(stream: Stream) -> str:
    return "1 channel" if stream.channels == 1 else f"{stream.channels} channels"
