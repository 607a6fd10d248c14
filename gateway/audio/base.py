"""What a microphone and a speaker are to the rest of the program.

Rule: `read` and `write` belong to the media thread; they never block and never raise, whatever happens to the device.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000

FloatArray = NDArray[np.float32]
"""Sound: shape (samples,), 16 kHz, -1..1."""

Int16Array = NDArray[np.int16]


class Direction(enum.Enum):
    """Which way sound flows, seen from this program."""

    INPUT = "input"
    OUTPUT = "output"


class DeviceState(enum.Enum):
    """What a device is doing now."""

    OPENING = "opening"
    RUNNING = "running"
    MISSING = "missing"
    """No such device, or it vanished: silence in its place, and it is tried again."""
    ENDED = "ended"
    """A sound file was played to its end: silence from here on."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """A device changed its state; `text` says why, for the operator."""

    direction: Direction
    device: str
    state: DeviceState
    text: str


OnDeviceEvent = Callable[[DeviceEvent], None]
"""Receives events, perhaps from a thread of the audio package: it must only hand them on."""


def ignore_event(event: DeviceEvent) -> None:
    """An `OnDeviceEvent` for those who do not listen."""


class AudioInput(ABC):
    """A source of sound that runs in real time."""

    name: str
    """The device as configured, for people."""

    @property
    @abstractmethod
    def state(self) -> DeviceState: ...

    @property
    def text(self) -> str:
        """Which device it is, or why it is missing, for people."""
        return ""

    @property
    def latency_s(self) -> float:
        """From the microphone's membrane until `read` could have it, as far as the device tells."""
        return 0.0

    @abstractmethod
    def read(self) -> FloatArray:
        """All sound since the last call, shape (samples,), perhaps empty; what the queue could not hold is counted."""

    def rewind(self) -> None:
        """Begin again, for an input that has a beginning (a file); others do nothing."""
        return

    @abstractmethod
    def close(self) -> None:
        """Stop for good; a second call does nothing."""


class AudioOutput(ABC):
    """A sink of sound that runs in real time, fed through a bounded queue."""

    name: str
    """The device as configured, for people."""

    @property
    @abstractmethod
    def state(self) -> DeviceState: ...

    @property
    @abstractmethod
    def queued_samples(self) -> int:
        """Samples (16 kHz) written and not yet taken by the device: what paces the receiver."""

    @property
    def text(self) -> str:
        """Which device it is, or why it is missing, for people."""
        return ""

    @property
    def latency_s(self) -> float:
        """From the device's taking a sample until it is heard, as far as the device tells."""
        return 0.0

    @abstractmethod
    def write(self, pcm: FloatArray) -> None:
        """Queue sound of shape (samples,); what exceeds the queue is dropped and counted."""

    @abstractmethod
    def clear(self) -> None:
        """Drop what is queued: the operator starts to talk."""

    @abstractmethod
    def close(self) -> None:
        """Stop for good; a second call does nothing."""


def to_int16(pcm: FloatArray) -> Int16Array:
    """Float -1..1 to 16-bit samples; louder clips, NaN is silence. The exact inverse of `to_float`."""
    scaled = np.nan_to_num(np.asarray(pcm, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0) * 32768.0
    samples: Int16Array = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    return samples


def to_float(samples: Int16Array) -> FloatArray:
    """16-bit samples to float -1..1."""
    return samples.astype(np.float32) / np.float32(32768.0)
