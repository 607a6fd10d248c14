"""Keeps what a station says and hears, beside the voice and never in its way.

Rule: the media thread only queues; files are written by a thread of the recorder's own. What goes wrong with the disk
is told once, recordings stop, and each new over tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray, to_int16
from gateway.clock import Clock, calendar_s
from gateway.config import RecordSection
from gateway.errors import GatewayError
from gateway.protocol.jitter import JitterConfig
from gateway.protocol.packets import ParityPacket, VoicePacket
from gateway.protocol.report import Reception
from gateway.recording.entry import VERSION, Event, Side, line_of
from gateway.recording.facts import MAX_WAITING_BYTES, PacketLog
from gateway.recording.packets import OverHeader, OverPacket, end_item
from gateway.recording.shelf import Shelf
from gateway.recording.writer import BeginStep, EndStep, LineStep, PacketsStep, RecordingWriter, SoundStep

CONTINUOUS_S = 0.02
"""A pause of the speaker up to this is none: block after block, with the jitter of the loop."""
MOST_RUNS = 2000
MOST_COMING = 4
"""Overs whose packets are kept before they are played: the receiver queues two."""


@dataclass(slots=True)
class _Said:
    over_id: int | None
    key_s: float
    log: PacketLog
    begin: dict[str, Any] = field(default_factory=dict)
    samples: int = 0


@dataclass(slots=True)
class _Heard:
    over_id: int | None
    start_s: float
    first_frame: int
    next_frame: int
    source: int | None = None
    log: PacketLog | None = None
    begin: dict[str, Any] = field(default_factory=dict)
    last_frame: int = -2
    samples: int = 0
    concealed: list[list[int]] = field(default_factory=list)
    absent: list[list[int]] = field(default_factory=list)
    pauses: list[list[int]] = field(default_factory=list)
    sequence: list[list[int]] = field(default_factory=list)
    """Where frames do not follow each other without a gap: [frame, its first sample]."""


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
        excerpt: Mapping[str, Any] | None = None,
        name_of: Callable[[int], str] = str,
    ) -> None:
        """`say` gets at most a line for each time that recording stops, from the recorder's thread; `excerpt` of the
        configuration and the names of stations go into the facts of each recording."""
        self._clock, self._wall = clock, wall
        self._writer = RecordingWriter(shelf, clock, say)
        self._keeps_said, self._keeps_heard = said, heard
        self._excerpt, self._name_of = excerpt, name_of
        self._station: dict[str, Any] = {}
        self._said: _Said | None = None
        self._heard: _Heard | None = None
        self._talker: int | None = None  # of the over that is heard, or of the next one
        self._coming: dict[int, PacketLog] = {}  # by the receiver's count of overs
        self._last: tuple[int | None, int] = (None, 0)

    @property
    def folder(self) -> Path:
        """Where recordings lie."""
        return self._writer.folder

    @property
    def dropped(self) -> int:
        """Steps that a slow disk cost."""
        return self._writer.dropped

    @property
    def problem(self) -> str | None:
        """Why nothing is recorded now."""
        return self._writer.problem

    def start(self, station: str, station_id: int, machine: str = "") -> None:
        """Say in the index who records, and begin to write by a thread."""
        self.opened(station, station_id, machine)
        self._writer.start()

    def opened(self, station: str, station_id: int, machine: str = "") -> None:
        """The index line of a start."""
        self._station = {"name": station, "id": station_id}
        values = {"station": station, "id": station_id, "machine": machine or None, "version": VERSION}
        self._line(Event.OPENED, **values)

    def note(self, text: str) -> None:
        """Something that the operator was told; from any thread."""
        self._line(Event.NOTE, text=text)

    def said_begins(self, over_id: int | None) -> None:
        """The key is down and an over begins."""
        self.said_ends()
        if self._keeps_said:
            now_s = round(self._clock.now(), 4)
            self._said = _Said(over_id, now_s, PacketLog.of(OverHeader(Side.SAID, over_id, now_s)))

    def said(self, pcm: FloatArray) -> None:
        """Sound (samples,) that the microphone gave until now and that goes into the over."""
        said = self._said
        if said is None or not len(pcm):
            return
        if not said.begin:
            ago_s = len(pcm) / SAMPLE_RATE_HZ
            start_s = self._clock.now() - ago_s
            said.begin = self._begin(Side.SAID, start_s, said.log, over_id=said.over_id, key_s=said.key_s)
        self._sound(Side.SAID, said.samples, pcm)
        said.samples += len(pcm)

    def said_packet(self, packet: VoicePacket | ParityPacket, air_bytes: int) -> None:
        """A packet of the over that is said, before it is made secure."""
        if self._said is not None:
            item = self._said.log.take(OverPacket(self._clock.now(), packet, air_bytes))
            self._items(Side.SAID, self._said.log, item, has_begun=bool(self._said.begin))

    def said_ends(self) -> None:
        """The over has been sent; nothing if there is none."""
        said, self._said = self._said, None
        if said is not None and said.begin:
            self._end(Side.SAID, {}, said.log, said.begin)

    def heard_begins(self, over: int, over_id: int, at_s: float, jitter: JitterConfig, repair_s: float) -> None:
        """An over begins to come in (gateway.receive.PacketTap); it is heard later."""
        if self._keeps_heard:
            waits = (1000 * one for one in (jitter.packet_s, jitter.cushion_s, repair_s, jitter.hard_cap_s))
            packet_ms, cushion_ms, repair_ms, cap_ms = (round(one, 3) for one in waits)
            header = OverHeader(Side.HEARD, over_id, at_s, packet_ms, cushion_ms, repair_ms, cap_ms)
            self._coming[over] = PacketLog.of(header)
            if len(self._coming) > MOST_COMING:
                del self._coming[next(iter(self._coming))]

    def heard_packet(
        self,
        over: int,
        packet: VoicePacket | ParityPacket,
        at_s: float,
        snr_db: float | None,
        air_bytes: int | None,
    ) -> None:
        """A packet of an over that is coming in (gateway.receive.PacketTap)."""
        log = self._coming.get(over)
        if log is not None:
            item = log.take(OverPacket(at_s, packet, air_bytes, snr_db))
            self._items(Side.HEARD, log, item, has_begun=self._heard is not None and self._heard.log is log)

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
            heard = self._begin_heard(over_id, at_s, frame, self._log_of(over_id))
        if frame > heard.next_frame:
            _add_run(heard.absent, heard.next_frame, frame)
        if concealed:
            _add_run(heard.concealed, frame, frame + 1)
        is_next = frame == heard.last_frame + 1
        heard.last_frame, heard.next_frame = frame, max(heard.next_frame, frame + 1)
        due = round((at_s - heard.start_s) * SAMPLE_RATE_HZ)
        if due - heard.samples > CONTINUOUS_S * SAMPLE_RATE_HZ:
            if len(heard.pauses) < MOST_RUNS:
                heard.pauses.append([frame, due - heard.samples])
            heard.samples = due
            is_next = False
        if not is_next and len(heard.sequence) < MOST_RUNS:
            heard.sequence.append([frame, heard.samples])
        self._sound(Side.HEARD, heard.samples, pcm)
        heard.samples += len(pcm)

    def heard_ends(self, reception: Reception | None = None) -> None:
        """The over that was heard is over; `reception` is how it arrived. Nothing if there is none."""
        if self._heard is None and reception is not None and (log := self._log_of(reception.over_id)) is not None:
            # None of it was played (in a codec that is not here, or while this station talked): its packets are kept.
            self._begin_heard(reception.over_id, log.header.begin_s, 0, log)
        heard, self._heard = self._heard, None
        if heard is None:
            return
        self._coming = {over: log for over, log in self._coming.items() if log is not heard.log}
        self._last = (heard.over_id, heard.next_frame)
        values: dict[str, Any] = {
            "source": heard.source,
            "first_frame": heard.first_frame,
            "end_frame": heard.next_frame,
            "concealed": heard.concealed or None,
            "absent": heard.absent or None,
            "pauses": heard.pauses or None,
            "sequence": heard.sequence or None,
        }
        if reception is not None:
            values |= {
                "expected": reception.expected,
                "lost": reception.lost,
                "late": reception.late,
                "snr_db": reception.snr_db,
            }
        self._end(Side.HEARD, values, heard.log, heard.begin)

    def note_problem(self, problem: str | None) -> None:
        """The folder cannot be used, and that was told."""
        self._writer.problem = problem

    def close(self) -> None:
        """End what is recorded and give the folder back; waits at most 5 s for the disk."""
        self.said_ends()
        self.heard_ends()
        self._writer.close()

    def work(self) -> None:
        """Write what is queued; what the recorder's thread does all the time."""
        self._writer.work()

    def _log_of(self, over_id: int | None) -> PacketLog | None:
        """Of the overs that came in and were not heard yet, the first with this id."""
        return next((log for log in self._coming.values() if log.header.over_id == over_id), None)

    def _begin_heard(self, over_id: int | None, at_s: float, frame: int, log: PacketLog | None) -> _Heard:
        heard = self._heard = _Heard(over_id, at_s, frame, frame, self._talker, log)
        self._talker = None
        heard.begin = self._begin(Side.HEARD, at_s, log, over_id=over_id, source=heard.source)
        return heard

    def _begin(self, side: Side, start_s: float, log: PacketLog | None, **values: Any) -> dict[str, Any]:
        """Begin a recording; the values that its index line has."""
        wall_s = self._wall() + start_s - self._clock.now()
        values = {"mono_s": round(start_s, 4), "wall_s": round(wall_s, 4), **values}
        self._writer.put(BeginStep(side, wall_s, values))
        if log is not None:
            self._writer.put(PacketsStep(side, bytes(log.waiting)))
            log.waiting.clear()
        return values

    def _items(self, side: Side, log: PacketLog, item: bytes, *, has_begun: bool) -> None:
        if has_begun:
            self._writer.put(PacketsStep(side, item))
        elif len(log.waiting) + len(item) <= MAX_WAITING_BYTES:
            log.waiting += item

    def _end(self, side: Side, values: dict[str, Any], log: PacketLog | None, begin: dict[str, Any]) -> None:
        source = self._station.get("id") if side is Side.SAID else values.get("source")
        learnt = {} if log is None else log.values()
        if log is not None:
            told = {key: values.get(key) for key in ("source", "expected", "lost", "late", "snr_db")}
            self._writer.put(
                PacketsStep(side, end_item({key: value for key, value in told.items() if value is not None}))
            )
        talker = None if source is None else {"id": source, "name": self._name_of(source)}
        facts = {"side": side.value, "station": self._station, "talker": talker, **begin, **values, **learnt}
        self._writer.put(EndStep(side, values, {**facts, "config": self._excerpt}))

    def _sound(self, side: Side, at_sample: int, pcm: FloatArray) -> None:
        self._writer.put(SoundStep(side, at_sample, to_int16(pcm).astype("<i2").tobytes()))

    def _line(self, event: Event, **values: Any) -> None:
        at_s, wall_s = round(self._clock.now(), 4), round(self._wall(), 4)
        self._writer.put(LineStep(line_of(event, mono_s=at_s, wall_s=wall_s, **values)))


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
    section: RecordSection,
    station: str,
    station_id: int,
    clock: Clock,
    say: Callable[[str], None],
    *,
    excerpt: Mapping[str, Any] | None = None,
    name_of: Callable[[int], str] = str,
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
    problem = None
    try:
        shelf.open()
    except BlockingIOError as error:
        raise GatewayError(f"{section.folder}: another station records into this folder; each needs its own") from error
    except OSError as error:
        # The voice goes first: each over tries again.
        problem = error.strerror or str(error)
        say(f"not recording: {section.folder}: {problem}")
    recorder = Recorder(
        shelf, said=section.said, heard=section.heard, clock=clock, say=say, excerpt=excerpt, name_of=name_of
    )
    recorder.note_problem(problem)
    recorder.start(station, station_id, machine_id())
    return recorder
