"""Writes recordings by a thread of its own, step by step, so that no disk ever holds up a voice.

Rule: `put` never waits and never raises. What goes wrong with the disk is told once, recordings stop, and each new over
tries again.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.audio.base import SAMPLE_RATE_HZ
from gateway.clock import Clock
from gateway.recording.entry import Event, Side, line_of
from gateway.recording.facts import facts_json
from gateway.recording.packets import SUFFIX
from gateway.recording.shelf import Shelf

FLUSH_S = 1.0
"""The most sound that a killed station loses."""
QUEUE_STEPS = 4000
"""Blocks that wait for a slow disk: some 40 s of one side."""
CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class BeginStep:
    """A recording begins; `values` of its index line."""

    side: Side
    wall_s: float
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SoundStep:
    """16-bit samples from `at_sample` on."""

    side: Side
    at_sample: int
    samples: bytes


@dataclass(frozen=True, slots=True)
class PacketsStep:
    """Items for the packets file."""

    side: Side
    items: bytes


@dataclass(frozen=True, slots=True)
class EndStep:
    """It ends; `values` of its index line, `facts` for its JSON."""

    side: Side
    values: dict[str, Any]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LineStep:
    """A line of the index."""

    line: bytes


Step = BeginStep | SoundStep | PacketsStep | EndStep | LineStep
"""What can be done to a shelf."""


class RecordingWriter:
    """Of one shelf; with a thread from `start` on, without one by `work`."""

    def __init__(self, shelf: Shelf, clock: Clock, say: Callable[[str], None]) -> None:
        self._shelf, self._clock, self._say = shelf, clock, say
        self._steps: queue.Queue[Step | None] = queue.Queue(QUEUE_STEPS)
        self._thread: threading.Thread | None = None
        self._has_told = False
        self.dropped = 0
        """Steps that a slow disk cost."""
        self.problem: str | None = None
        """Why nothing is recorded now."""

    @property
    def folder(self) -> Path:
        """Where recordings lie."""
        return self._shelf.folder

    def start(self) -> None:
        """Write by a thread from now on."""
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what was put and give the folder back; waits at most 5 s for the disk."""
        if self._thread is not None:
            try:
                self._steps.put(None, timeout=CLOSE_S)
            except queue.Full:
                return
            self._thread.join(CLOSE_S)
            if self._thread.is_alive():
                return
        else:
            self.work()
        self._shelf.close()

    def work(self) -> None:
        """Write what is queued; what the thread does all the time."""
        while not self._steps.empty():
            step = self._steps.get()
            if step is not None:
                self._carry_out(step)
        self._guarded(self._shelf.flush)

    def put(self, step: Step) -> None:
        """Have a step done; never waits. What a slow disk has no room for is dropped and counted."""
        try:
            self._steps.put_nowait(step)
        except queue.Full:
            self.dropped += 1

    def _run(self) -> None:
        flushed_s = self._clock.now()
        while True:
            try:
                step = self._steps.get(timeout=FLUSH_S)
            except queue.Empty:
                pass
            else:
                if step is None:
                    self._guarded(self._shelf.flush)
                    return
                self._carry_out(step)
            if self._clock.now() - flushed_s >= FLUSH_S:
                flushed_s = self._clock.now()
                self._guarded(self._shelf.flush)

    def _carry_out(self, step: Step) -> None:
        match step:
            case BeginStep(side, wall_s, values):
                self._guarded(lambda: self._begin_file(side, wall_s, values))
            case SoundStep(side, at_sample, samples):
                self._shelf.write(side, at_sample, samples)
            case PacketsStep(side, items):
                self._shelf.write_packets(side, items)
            case EndStep(side, values, facts):
                self._guarded(lambda: self._end_file(side, values, facts))
            case LineStep(line):
                self._guarded(lambda: self._shelf.append(line))

    def _begin_file(self, side: Side, wall_s: float, values: dict[str, Any]) -> None:
        stamp = datetime.fromtimestamp(max(0.0, wall_s), UTC).strftime("%Y%m%dT%H%M%S")
        name, removed = self._shelf.begin(side, stamp, wall_s)
        if removed:
            self._shelf.append(line_of(Event.REMOVED, files=removed))
        self._shelf.append(line_of(Event.BEGIN, side=side.value, file=name, **values))

    def _end_file(self, side: Side, values: dict[str, Any], facts: dict[str, Any]) -> None:
        done = self._shelf.end(side)
        if done is not None:
            name, samples = done
            files = {"file": name, "packets_file": Path(name).with_suffix(SUFFIX).name}
            duration_s = round(samples / SAMPLE_RATE_HZ, 3)
            self._shelf.write_facts(name, facts_json({**files, "duration_s": duration_s, **facts}))
            self._shelf.append(line_of(Event.END, side=side.value, file=name, samples=samples, **values))
            if self._has_told:  # not before a whole over was kept: a disk that is just full is told once
                self._has_told, self.problem = False, None
                self._say("recording again")

    def _guarded(self, act: Callable[[], object]) -> None:
        """A disk that fails costs the recordings, never the station."""
        try:
            act()
        except OSError as error:
            self._shelf.drop_open()
            self.problem = error.strerror or str(error)
            if not self._has_told:
                self._has_told = True
                self._say(f"not recording: {self._shelf.folder}: {error.strerror or error}")
