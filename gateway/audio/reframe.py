"""Blocks of any size to frames of one size, and the bounded queue between two threads.

Rule: no sample is lost or repeated except by the queue's named drop policy, which counts every one.
"""

from __future__ import annotations

import enum
import threading

import numpy as np

from gateway.audio.base import FloatArray, Int16Array

FRAME_SAMPLES = 1280
"""One codec frame: 80 ms at 16 kHz."""


class Reframer:
    """Cuts a stream of blocks into frames of `frame_samples`; keeps at most one frame less one sample."""

    def __init__(self, frame_samples: int = FRAME_SAMPLES) -> None:
        if frame_samples < 1:
            raise ValueError(f"frame_samples is {frame_samples}; needs at least 1")
        self._frame_samples = frame_samples
        self._rest = np.zeros(0, dtype=np.float32)

    @property
    def pending_samples(self) -> int:
        """Samples that wait for the rest of their frame."""
        return len(self._rest)

    def push(self, block: FloatArray) -> list[FloatArray]:
        """Add a block of shape (samples,); returns the frames it completes, each of shape (frame_samples,)."""
        joined = np.concatenate([self._rest, np.asarray(block, dtype=np.float32)])
        whole = len(joined) // self._frame_samples
        self._rest = joined[whole * self._frame_samples :].copy()
        return [joined[i * self._frame_samples : (i + 1) * self._frame_samples] for i in range(whole)]

    def flush(self) -> FloatArray | None:
        """The last frame, filled up with silence, or None if nothing is pending; ready for a new stream after."""
        if len(self._rest) == 0:
            return None
        frame = np.zeros(self._frame_samples, dtype=np.float32)
        frame[: len(self._rest)] = self._rest
        self._rest = np.zeros(0, dtype=np.float32)
        return frame


class DropPolicy(enum.Enum):
    """What goes when a queue is full."""

    NEWEST = "newest"
    """Keep what waits longest: for playing, where a gap in the middle is worse."""
    OLDEST = "oldest"
    """Keep the latest: for capturing, where old sound is only delay."""


class SampleQueue:
    """Bounded first-in first-out of 16-bit samples in one preallocated ring; one thread may push while another takes.

    The lock is held for a copy of one block, so that an audio callback never waits for anything longer.
    """

    def __init__(self, capacity: int, policy: DropPolicy) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; needs at least 1 sample")
        self._ring = np.zeros(capacity, dtype=np.int16)
        self._policy = policy
        self._lock = threading.Lock()
        self._start = 0
        self._filled = 0
        self._dropped = 0

    @property
    def capacity(self) -> int:
        return len(self._ring)

    @property
    def dropped_samples(self) -> int:
        """Samples lost to the drop policy since the queue was made."""
        return self._dropped

    def __len__(self) -> int:
        return self._filled

    def push(self, samples: Int16Array) -> None:
        """Append samples of shape (n,), dropping by the policy what does not fit."""
        with self._lock:
            excess = self._filled + len(samples) - self.capacity
            if excess > 0:
                self._dropped += excess
                if self._policy is DropPolicy.NEWEST:
                    samples = samples[: len(samples) - excess]
                else:
                    from_ring = min(excess, self._filled)
                    self._start = (self._start + from_ring) % self.capacity
                    self._filled -= from_ring
                    samples = samples[excess - from_ring :]
            end = (self._start + self._filled) % self.capacity
            first = min(len(samples), self.capacity - end)
            self._ring[end : end + first] = samples[:first]
            self._ring[: len(samples) - first] = samples[first:]
            self._filled += len(samples)

    def take_into(self, out: Int16Array) -> int:
        """Fill `out` of shape (n,) from the front, with silence where the queue runs dry; returns samples taken."""
        with self._lock:
            count = min(len(out), self._filled)
            first = min(count, self.capacity - self._start)
            out[:first] = self._ring[self._start : self._start + first]
            out[first:count] = self._ring[: count - first]
            out[count:] = 0
            self._start = (self._start + count) % self.capacity
            self._filled -= count
        return count

    def take_all(self) -> Int16Array:
        """Everything queued, shape (n,)."""
        out = np.empty(self.capacity, dtype=np.int16)
        return out[: self.take_into(out)].copy()

    def clear(self) -> None:
        """Forget what is queued; not counted as dropped."""
        with self._lock:
            self._filled = 0
