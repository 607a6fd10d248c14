"""Keeps what a station says and hears, beside the voice and never in its way.

Rule: the media thread only queues; files are written by a thread of the recorder's own. What goes wrong with the disk
is told once, recordings stop, and each new over tries again.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray, to_int16
from gateway.clock import Clock, calendar_s
from gateway.config import RecordSection
from gateway.errors import GatewayError
from gateway.protocol.report import Reception
from gateway.recording.entry import VERSION, Event, Side, line_of
from gateway.recording.shelf import Shelf

FLUSH_S = 1.0
"""The most sound that a killed station loses."""
QUEUE_STEPS = 4000
"""Blocks that wait for a slow disk: some 40 s of one side."""
CONTINUOUS_S = 0.02
"""A pause of the speaker up to this is none: block after block, with the jitter of the loop."""
MOST_RUNS = 2000
CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Begin:
    side: Side
    wall_s: float
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Sound:
    side: Side
    at_sample: int
    samples: bytes


@dataclass(frozen=True, slots=True)
class _End:
    side: Side
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Line:
    line: bytes


_Step = _Begin | _Sound | _End | _Line


@dataclass(slots=True)
class _Said:
    over_id: int | None
    key_s: float
    samples: int = 0
    has_begun: bool = False


@dataclass(slots=True)
class _Heard:
    over_id: int | None
    start_s: float
    first_frame: int
    next_frame: int
    source: int | None = None
    samples: int = 0
    concealed: list[list[int]] = field(default_factory=list)
    absent: list[list[int]] = field(default_factory=list)
    pauses: list[list[int]] = field(default_factory=list)


class Recorder:
    """Made by `open_recorder` or, without a thread, by tests, which call `work` themselves."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        said: bool,
        heard: bool,
        clock: Clock,
        say: Callable[[str], None],
        wall: Callable[[], float] = calendar_s,
    ) -> None:
        """`say` gets at most a line for each time that recording stops, from the recorder's thread."""
        self._shelf, self._clock, self._say, self._wall = shelf, clock, say, wall
        self._keeps_said, self._keeps_heard = said, heard
        self._steps: queue.Queue[_Step | None] = queue.Queue(QUEUE_STEPS)
        self._said: _Said | None = None
        self._heard: _Heard | None = None
        self._talker: int | None = None  # of the over that is heard, or of the next one
        self._last: tuple[int | None, int] = (None, 0)
        self._thread: threading.Thread | None = None
        self._has_told = False
        self.dropped = 0
        """Steps that a slow disk cost."""

    def start(self, station: str, station_id: int, machine: str = "") -> None:
        """Say in the index who records, and begin to write by a thread."""
        self.opened(station, station_id, machine)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def opened(self, station: str, station_id: int, machine: str = "") -> None:
        """The index line of a start."""
        values = {"station": station, "id": station_id, "machine": machine or None, "version": VERSION}
        self._line(Event.OPENED, **values)

    def note(self, text: str) -> None:
        """Something that the operator was told; from any thread."""
        self._line(Event.NOTE, text=text)

    def said_begins(self, over_id: int | None) -> None:
        """The key is down and an over begins."""
        self.said_ends()
        if self._keeps_said:
            self._said = _Said(over_id, round(self._clock.now(), 4))

    def said(self, pcm: FloatArray) -> None:
        """Sound (samples,) that the microphone gave until now and that goes into the over."""
        said = self._said
        if said is None or not len(pcm):
            return
        if not said.has_begun:
            said.has_begun = True
            ago_s = len(pcm) / SAMPLE_RATE_HZ
            self._begin(Side.SAID, self._clock.now() - ago_s, over_id=said.over_id, key_s=said.key_s)
        self._sound(Side.SAID, said.samples, pcm)
        said.samples += len(pcm)

    def said_ends(self) -> None:
        """The over has been sent; nothing if there is none."""
        if self._said is not None and self._said.has_begun:
            self._put(_End(Side.SAID, {}))
        self._said = None

    def talker(self, source: int) -> None:
        """Who talks in the over that is heard or, if there is none, in the next one."""
        if self._heard is None:
            self._talker = source
        else:
            self._heard.source = source

    def heard(self, over_id: int | None, frame: int, pcm: FloatArray, *, concealed: bool, queued_s: float) -> None:
        """80 ms (samples,) on the way to the speaker, which has `queued_s` to play before them."""
        if not self._keeps_heard:
            return
        at_s = self._clock.now() + queued_s
        heard = self._heard
        if heard is None or heard.over_id != over_id:
            if heard is None and (over_id, frame) == self._last:
                return  # the last sound of an over that had to make room for the next one
            self.heard_ends()
            heard = self._heard = _Heard(over_id, at_s, frame, frame, self._talker)
            self._talker = None
            self._begin(Side.HEARD, at_s, over_id=over_id, source=heard.source)
        if frame > heard.next_frame:
            _add_run(heard.absent, heard.next_frame, frame)
        if concealed:
            _add_run(heard.concealed, frame, frame + 1)
        heard.next_frame = max(heard.next_frame, frame + 1)
        due = round((at_s - heard.start_s) * SAMPLE_RATE_HZ)
        if due - heard.samples > CONTINUOUS_S * SAMPLE_RATE_HZ:
            if len(heard.pauses) < MOST_RUNS:
                heard.pauses.append([frame, due - heard.samples])
            heard.samples = due
        self._sound(Side.HEARD, heard.samples, pcm)
        heard.samples += len(pcm)

    def heard_ends(self, reception: Reception | None = None) -> None:
        """The over that was heard is over; `reception` is how it arrived. Nothing if there is none."""
        heard, self._heard = self._heard, None
        if heard is None:
            return
        self._last = (heard.over_id, heard.next_frame)
        values: dict[str, Any] = {
            "source": heard.source,
            "first_frame": heard.first_frame,
            "end_frame": heard.next_frame,
            "concealed": heard.concealed or None,
            "absent": heard.absent or None,
            "pauses": heard.pauses or None,
        }
        if reception is not None:
            values |= {
                "expected": reception.expected,
                "lost": reception.lost,
                "late": reception.late,
                "snr_db": reception.snr_db,
            }
        self._put(_End(Side.HEARD, values))

    def close(self) -> None:
        """End what is recorded and give the folder back; waits at most 5 s for the disk."""
        self.said_ends()
        self.heard_ends()
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
        """Write what is queued; what the recorder's thread does all the time."""
        while not self._steps.empty():
            step = self._steps.get()
            if step is not None:
                self._carry_out(step)
        self._guarded(self._shelf.flush)

    def _begin(self, side: Side, start_s: float, **values: Any) -> None:
        wall_s = self._wall() + start_s - self._clock.now()
        self._put(_Begin(side, wall_s, {"mono_s": round(start_s, 4), "wall_s": round(wall_s, 4), **values}))

    def _sound(self, side: Side, at_sample: int, pcm: FloatArray) -> None:
        self._put(_Sound(side, at_sample, to_int16(pcm).astype("<i2").tobytes()))

    def _line(self, event: Event, **values: Any) -> None:
        at_s, wall_s = round(self._clock.now(), 4), round(self._wall(), 4)
        self._put(_Line(line_of(event, mono_s=at_s, wall_s=wall_s, **values)))

    def _put(self, step: _Step) -> None:
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

    def _carry_out(self, step: _Step) -> None:
        match step:
            case _Begin(side, wall_s, values):
                self._guarded(lambda: self._begin_file(side, wall_s, values))
            case _Sound(side, at_sample, samples):
                self._shelf.write(side, at_sample, samples)
            case _End(side, values):
                self._guarded(lambda: self._end_file(side, values))
            case _Line(line):
                self._guarded(lambda: self._shelf.append(line))

    def _begin_file(self, side: Side, wall_s: float, values: dict[str, Any]) -> None:
        stamp = datetime.fromtimestamp(max(0.0, wall_s), UTC).strftime("%Y%m%dT%H%M%S")
        name, removed = self._shelf.begin(side, stamp, wall_s)
        if removed:
            self._shelf.append(line_of(Event.REMOVED, files=removed))
        self._shelf.append(line_of(Event.BEGIN, side=side.value, file=name, **values))

    def _end_file(self, side: Side, values: dict[str, Any]) -> None:
        done = self._shelf.end(side)
        if done is not None:
            name, samples = done
            self._shelf.append(line_of(Event.END, side=side.value, file=name, samples=samples, **values))
            if self._has_told:  # not before a whole over was kept: a disk that is just full is told once
                self._has_told = False
                self._say("recording again")

    def _guarded(self, act: Callable[[], object]) -> None:
        """A disk that fails costs the recordings, never the station."""
        try:
            act()
        except OSError as error:
            self._shelf.drop_open()
            if not self._has_told:
                self._has_told = True
                self._say(f"not recording: {self._shelf.folder}: {error.strerror or error}")


def _add_run(runs: list[list[int]], first: int, end: int) -> None:
    if runs and runs[-1][1] == first:
        runs[-1][1] = end
    elif len(runs) < MOST_RUNS:
        runs.append([first, end])


def machine_id() -> str:
    """Tells machines, and restarts of one, apart; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def open_recorder(
    section: RecordSection, station: str, station_id: int, clock: Clock, say: Callable[[str], None]
) -> Recorder:
    """The recorder that [record] in a station's configuration describes, started.

    Raises GatewayError where another station records into the same folder; a folder that cannot be made or written is
    told to `say`, as is a disk that fails later.
    """
    shelf = Shelf(
        section.folder,
        max_bytes=section.max_bytes,
        max_age_s=86_400 * section.max_age_days,
        least_free_bytes=section.least_free_bytes,
    )
    try:
        shelf.open()
    except BlockingIOError as error:
        raise GatewayError(f"{section.folder}: another station records into this folder; each needs its own") from error
    except OSError as error:
        # The voice goes first: each over tries again.
        say(f"not recording: {section.folder}: {error.strerror or error}")
    recorder = Recorder(shelf, said=section.said, heard=section.heard, clock=clock, say=say)
    recorder.start(station, station_id, machine_id())
    return recorder
