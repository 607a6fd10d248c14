"""Devices that are not there, and files in the place of devices: they run by the clock as a sound card would.

Rule: samples flow at 16 kHz of the clock's time, no matter how often they are asked for.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np

from gateway.audio.base import (
    SAMPLE_RATE_HZ,
    AudioInput,
    AudioOutput,
    DeviceEvent,
    DeviceState,
    Direction,
    FloatArray,
    Int16Array,
    OnDeviceEvent,
    ignore_event,
    to_int16,
)
from gateway.audio.files import SoundReader, WavWriter
from gateway.audio.reframe import DropPolicy, SampleQueue
from gateway.clock import Clock
from gateway.errors import AudioError
from gateway.metrics import Metrics

OUTPUT_QUEUE_S = 2.0
"""The most sound that an output ever holds: the bound of the speaker's share in the delay."""

_LONGEST_STEP = SAMPLE_RATE_HZ
_LONGEST_GAP = SAMPLE_RATE_HZ


class Pace:
    """How many samples are due since the last question; a stall of over 1 s is forgotten, not caught up with."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Count from now."""
        self._start_s = self._clock.now()
        self._given = 0

    def due(self) -> int:
        """Samples from 0 to one second."""
        # The small sum keeps a time that is just a whole number of samples from rounding down.
        due = int((self._clock.now() - self._start_s) * SAMPLE_RATE_HZ + 1e-3) - self._given
        if due > _LONGEST_STEP:
            self.restart()
            return _LONGEST_STEP
        self._given += max(0, due)
        return max(0, due)


class NullInput(AudioInput):
    """Silence in real time."""

    def __init__(self, clock: Clock, name: str = "null") -> None:
        self.name = name
        self._pace = Pace(clock)
        self._state = DeviceState.RUNNING

    @property
    def state(self) -> DeviceState:
        return self._state

    def read(self) -> FloatArray:
        due = self._pace.due() if self._state is DeviceState.RUNNING else 0
        return np.zeros(due, dtype=np.float32)

    def restart(self) -> None:
        """Owe nothing for the time that has passed."""
        self._pace.restart()

    def close(self) -> None:
        self._state = DeviceState.CLOSED


class FileInput(AudioInput):
    """A sound file in real time from the first `read` on, then silence; `rewind` plays it again.

    Raises AudioError at once if the file cannot be opened; one that fails later becomes silence and an event.
    """

    def __init__(self, path: Path, clock: Clock, on_event: OnDeviceEvent = ignore_event) -> None:
        self.name = f"file:{path}"
        self._path = path
        self._clock = clock
        self._on_event = on_event
        self._pace: Pace | None = None
        self._open()

    def _open(self) -> None:
        self._reader = SoundReader(self._path)
        self._blocks = iter(self._reader)
        self._pending = np.zeros(0, dtype=np.float32)
        self._state = DeviceState.RUNNING

    @property
    def state(self) -> DeviceState:
        return self._state

    def read(self) -> FloatArray:
        if self._state is DeviceState.CLOSED:
            return np.zeros(0, dtype=np.float32)
        if self._pace is None:
            self._pace = Pace(self._clock)
        out = np.zeros(self._pace.due(), dtype=np.float32)
        filled = 0
        while filled < len(out) and self._fill():
            count = min(len(out) - filled, len(self._pending))
            out[filled : filled + count] = self._pending[:count]
            self._pending = self._pending[count:]
            filled += count
        return out

    def _fill(self) -> bool:
        """Have pending samples, if the file still gives any."""
        if len(self._pending) == 0 and self._state is DeviceState.RUNNING:
            try:
                self._pending = next(self._blocks)
            except StopIteration:
                self._stop(DeviceState.ENDED, "; ".join(self._reader.report.warnings()) or "played to its end")
            except AudioError as error:
                self._stop(DeviceState.MISSING, str(error))
        return len(self._pending) > 0

    def _stop(self, state: DeviceState, text: str) -> None:
        self._reader.close()
        self._state = state
        self._on_event(DeviceEvent(Direction.INPUT, self.name, state, text))

    def rewind(self) -> None:
        if self._state is DeviceState.CLOSED:
            return
        self._reader.close()
        self._pace = None
        try:
            self._open()
        except AudioError as error:
            self._stop(DeviceState.MISSING, str(error))

    def close(self) -> None:
        self._reader.close()
        self._state = DeviceState.CLOSED


class PacedOutput(AudioOutput):
    """A bounded queue (newest dropped when full) that the clock empties; `_play` gets what was heard."""

    def __init__(self, name: str, clock: Clock, metrics: Metrics) -> None:
        self.name = name
        self._pace = Pace(clock)
        self._metrics = metrics
        self._queue = SampleQueue(int(OUTPUT_QUEUE_S * SAMPLE_RATE_HZ), DropPolicy.NEWEST)
        self._state = DeviceState.RUNNING

    @property
    def state(self) -> DeviceState:
        return self._state

    @property
    def queued_samples(self) -> int:
        self._advance()
        return len(self._queue)

    def write(self, pcm: FloatArray) -> None:
        if self._state is DeviceState.CLOSED:
            return
        self._advance()
        dropped = self._queue.dropped_samples
        self._queue.push(to_int16(pcm))
        if self._queue.dropped_samples > dropped:
            self._metrics.count("audio.output.dropped_samples", self._queue.dropped_samples - dropped)

    def clear(self) -> None:
        self._advance()
        self._queue.clear()

    def restart(self) -> None:
        """Empty, and owe nothing for the time that has passed."""
        self._queue.clear()
        self._pace.restart()

    def close(self) -> None:
        if self._state is not DeviceState.CLOSED:
            self._advance()
            self._state = DeviceState.CLOSED

    def _advance(self) -> None:
        due = 0 if self._state is DeviceState.CLOSED else self._pace.due()
        if due:
            out = np.empty(due, dtype=np.int16)
            self._play(out, self._queue.take_into(out))

    @abstractmethod
    def _play(self, heard: Int16Array, sounding: int) -> None:
        """Take `heard`, of which the first `sounding` samples were written and the rest is the silence after."""


class NullOutput(PacedOutput):
    """Nothing is heard, in real time."""

    def __init__(self, clock: Clock, metrics: Metrics, name: str = "null") -> None:
        super().__init__(name, clock, metrics)

    def _play(self, heard: Int16Array, sounding: int) -> None:
        return


class FileOutput(PacedOutput):
    """A WAV file of what a listener would hear: stutter stays, but no silence is written beyond 1 s at a time.

    Raises AudioError at once if the file cannot be made; one that fails later loses the sound and sends an event.
    """

    def __init__(self, path: Path, clock: Clock, metrics: Metrics, on_event: OnDeviceEvent = ignore_event) -> None:
        super().__init__(f"file:{path}", clock, metrics)
        self._on_event = on_event
        self._writer = WavWriter(path)
        self._silence_left = 0  # none before the first sound

    def _play(self, heard: Int16Array, sounding: int) -> None:
        if sounding:
            self._silence_left = _LONGEST_GAP
        gap = min(self._silence_left, len(heard) - sounding)
        self._silence_left -= gap
        if self._state is DeviceState.RUNNING and sounding + gap:
            try:
                self._writer.write(heard[: sounding + gap].astype(np.float32) / np.float32(32768))
            except AudioError as error:
                self._writer.discard()
                self._fail(error)

    def _fail(self, error: AudioError) -> None:
        self._state = DeviceState.MISSING
        self._on_event(DeviceEvent(Direction.OUTPUT, self.name, self._state, str(error)))

    def close(self) -> None:
        """Complete the file; what is queued and was not heard yet is not in it."""
        if self._state is DeviceState.CLOSED:
            return
        super().close()
        try:
            self._writer.close()
        except AudioError as error:
            self._fail(error)
            self._state = DeviceState.CLOSED
