"""A recorded link does what the link does, and the trace says so, whatever happens to the recorder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.channel.spec_file import load_channel
from gateway.clock import ManualClock, SystemClock
from gateway.config import StationConfig
from gateway.errors import LinkClosed, LocalProtocolError
from gateway.links.base import Received
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import MemoryHub, memory_pair
from gateway.links.recorded import LinkRecording, RecordedLink, label_of
from gateway.metrics import Metrics
from gateway.protocol.checksum import with_crc
from gateway.protocol.packets import AckPacket, SessionBlock, TextPacket, VoicePacket
from gateway.station.link import build_link
from gateway.traces import Direction, Outcome, TraceHeader, TraceReader, TraceRecord
from gateway.traces.recorder import TraceRecorder, trace_path

FRAMES = (b"abc", b"def")


class Sheet:
    """A sink that keeps."""

    path = Path("sheet")
    problem = None

    def __init__(self) -> None:
        self.rows: list[TraceRecord] = []

    def put(self, record: TraceRecord) -> None:
        self.rows.append(record)

    def flush(self) -> None:
        pass

    def packets(self) -> list[TraceRecord]:
        return [row for row in self.rows if row.outcome is not Outcome.EVENT]


def voice(over: int, sequence: int, source: int | None = None) -> bytes:
    session = None if source is None else SessionBlock(source, 1, 1, 1)
    return VoicePacket(over, sequence % 64, False, FRAMES, session).to_bytes(crc=False)


def recording(clock: ManualClock | SystemClock, sheet: Sheet, station: str = "alpha") -> LinkRecording:
    names = {1: "alpha", 2: "bravo"}
    return LinkRecording(sheet, station, clock, name_of=lambda n: names.get(n, f"station {n}"), calendar=lambda: 5000.0)


def pair() -> tuple[ManualClock, RecordedLink, RecordedLink, Sheet, Sheet]:
    clock, sheets = ManualClock(100.0), (Sheet(), Sheet())
    a, b = memory_pair(clock)
    return (
        clock,
        RecordedLink(a, recording(clock, sheets[0])),
        RecordedLink(b, recording(clock, sheets[1], "bravo")),
        *sheets,
    )


def test_both_sides_record_the_same_packet() -> None:
    clock, a, b, at_a, at_b = pair()
    with a, b:
        for sequence in range(3):
            a.send(voice(7, sequence, 1 if sequence == 1 else None))
            received = b.receive(0.1)
            assert received is not None
            clock.sleep(0.5)
    data = voice(7, 1, 1)
    sent, heard = at_a.packets()[1], at_b.packets()[1]
    assert (sent.direction, sent.outcome, sent.source) == (Direction.TX, Outcome.SENT, "alpha")
    assert (heard.direction, heard.outcome, heard.destination) == (Direction.RX, Outcome.DELIVERED, "bravo")
    assert [row.source for row in at_b.packets()] == ["", "alpha", "alpha"]
    for row in (sent, heard):
        assert (row.over, row.sequence, row.size, row.kind) == (7, 1, len(data), "voice")
        assert row.digest == zlib.crc32(data)
        assert row.wall_s == pytest.approx(5000.0)
    assert [row.kind for row in at_a.rows if row.outcome is Outcome.EVENT] == ["opened", "closed"]


def test_the_link_below_counts_once_and_alone() -> None:
    _, a, b, *_ = pair()
    with a, b:
        a.send(b"x")
        b.receive(0.1)
        assert a.metrics.counter("link.tx_packets") == 1
        assert b.metrics.counter("link.rx_packets") == 1
        assert a.info.mtu_bytes == 1024
        assert a.ready()


def test_numbers_go_on_beyond_63_and_start_anew_with_an_over() -> None:
    clock, a, b, at_a, _ = pair()
    with a, b:
        for sequence in (*range(130), 0):
            if sequence == 0:
                clock.sleep(60)
            a.send(voice(3, sequence))
            clock.sleep(0.4)
        a.send(b"\x00")
        a.send(b"")
    assert [row.sequence for row in at_a.packets()] == [*range(130), 0, 0, 1]
    assert at_a.packets()[-1].over is None


def test_what_the_link_refuses_is_recorded_with_the_reason() -> None:
    clock, sheet = ManualClock(), Sheet()
    link = RecordedLink(MemoryHub(clock).station("alone"), recording(clock, sheet))
    with link:
        link.send(b"x")
        with pytest.raises(LocalProtocolError):
            link.send(bytes(2000))
    with pytest.raises(LinkClosed):
        link.send(b"x")
    assert [(row.outcome, row.status.split()[0]) for row in sheet.packets()] == [
        (Outcome.REFUSED, "no_peer"),
        (Outcome.REFUSED, "a"),
        (Outcome.REFUSED, "link"),
    ]


def test_outages_and_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, a, _, at_a, _ = pair()
    with a:
        for outage in (None, "modem silent", "modem silent", None):
            monkeypatch.setattr(a.inner, "outage", lambda found=outage: found)
            assert a.outage() == outage
            clock.sleep(6)
    events = [(row.kind, row.status) for row in at_a.rows]
    assert events[1:-1] == [("outage", "modem silent"), ("outage over", "")] or ("alive", "") in events
    assert [kind for kind, _ in events if kind.startswith("outage")] == ["outage", "outage over"]


def test_a_figure_goes_with_the_next_packet_or_stands_alone() -> None:
    sheet = Sheet()
    notes = recording(ManualClock(10.0), sheet)
    notes.measured("doppler_hz", 1.5)
    notes.measured("battery_v", 12.25)
    notes.heard(Received(b"x", 9.5, 14.0))
    notes.heard(Received(b"y", 9.75))
    event, first, second = sheet.rows
    assert (event.kind, event.status) == ("figure", "battery_v=12.25")
    assert (first.at_s, first.doppler_hz, first.snr_db, first.wall_s) == (9.5, 1.5, 14.0, 4999.5)
    assert (second.doppler_hz, second.snr_db) == (None, None)


def test_damaged_packets_are_marked_where_there_is_a_checksum() -> None:
    sheet = Sheet()
    notes = recording(ManualClock(), sheet)
    notes.has_crc = True
    good = with_crc(voice(1, 5))
    notes.heard(Received(good, 0.0))
    notes.heard(Received(good[:-1] + b"?", 0.0))
    assert [(row.kind, row.over, row.status) for row in sheet.rows] == [("voice", 1, ""), ("damaged", None, "damaged")]


def test_labels() -> None:
    text = TextPacket(513, 1, 2, 0, True, False, "hi").to_bytes(crc=False)
    assert (label_of(text).kind, label_of(text).source) == ("text", 513)
    assert label_of(AckPacket(4, 5, 6, 0).to_bytes(crc=False)).kind == "ack"
    assert label_of(voice(31, 63, 9)).source == 9
    assert label_of(b"\xff\xff\xff").kind == label_of(b"").kind == ""


def test_an_emulated_channel_tells_the_fate_and_the_trace_replays_it(tmp_path: Path) -> None:
    clock = ManualClock(50.0)
    a, b = memory_pair(clock)
    spec = ChannelSpec("x", delay_ms=300, jitter_ms=30, loss=0.3, mean_burst=2, duplicate=0.1, ordered=False)
    recorder = TraceRecorder(tmp_path / "run.trace", TraceHeader("alpha", clock.now()))
    link = RecordedLink(EmulatedLink(a, spec, np.random.default_rng(4), clock), LinkRecording(recorder, "alpha", clock))
    heard: list[tuple[float, bytes]] = []

    def listen(until_s: float) -> None:
        # As often as simulated time allows: what is due is handed on by the sending side.
        while clock.now() < until_s:
            clock.advance_to(clock.now() + 0.001)
            link.receive(0.0)
            while (received := b.receive(0.0)) is not None:
                heard.append((received.at_s, received.data))

    times = []
    with link, b:
        for number in range(60):
            times.append(clock.now())
            link.send(voice(number // 20, number % 20))
            listen(clock.now() + 0.25)
        listen(clock.now() + 1)
    recorder.close()
    toml = tmp_path / "replay.toml"
    toml.write_text('[model]\nkind = "trace"\nfile = "run.trace"\n', encoding="utf-8")
    replayed = Channel(load_channel(toml), np.random.default_rng(99), times[0])
    again = sorted(
        (delivery.at_s, delivery.data)
        for number, at_s in enumerate(times)
        for delivery in replayed.send(voice(number // 20, number % 20), at_s)
    )
    assert 20 < len(heard) < 60
    assert [data for _, data in again] == [data for _, data in heard]
    assert [at_s for at_s, _ in again] == pytest.approx([at_s for at_s, _ in heard], abs=0.0011)


RECORDING_PROGRAM = """
import sys, time
from pathlib import Path
from gateway.clock import SystemClock
from gateway.links.memory import memory_pair
from gateway.links.recorded import LinkRecording, RecordedLink
from gateway.traces import TraceHeader
from gateway.traces.recorder import TraceRecorder
clock = SystemClock()
a, b = memory_pair(clock)
link = RecordedLink(a, LinkRecording(TraceRecorder(Path(sys.argv[1]), TraceHeader("alpha")), "alpha", clock))
link.open(), b.open()
for number in range(10**6):
    link.send(b"%d" % number)
    print(clock.now(), flush=True)
    time.sleep(0.002)
"""


def test_a_killed_recorder_leaves_a_trace_up_to_its_last_second(tmp_path: Path) -> None:
    path = tmp_path / "killed.trace"
    program = subprocess.Popen(
        [sys.executable, "-c", RECORDING_PROGRAM, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert program.stdout is not None
    first = float(program.stdout.readline())
    time.sleep(2.0)
    program.send_signal(signal.SIGKILL)
    last = [first, *(float(line) for line in program.stdout.read().split("\n")[:-1])][-1]
    program.wait()
    program.stdout.close()
    reader = TraceReader(path)
    rows = list(reader)
    assert last - first > 1
    assert rows[-1].at_s > last - 1
    assert [row.sequence for row in rows if row.outcome is Outcome.SENT] == list(range(len(rows) - 1))
    assert reader.damages <= 1


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = SystemClock(), list[str]()
    a, b = memory_pair(clock)
    recorder = TraceRecorder(tmp_path / "full.trace", TraceHeader("alpha"), say=said.append)
    link, written = RecordedLink(a, LinkRecording(recorder, "alpha", clock)), 0
    real = os.write

    def small_disk(file: int, data: bytes) -> int:
        nonlocal written
        written += len(data)
        if written > 500:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", small_disk)
    heard = 0
    with link, b:
        for number in range(50):
            link.send(b"%d" % number)
            heard += b.receive(1.0) is not None
    recorder.close()
    assert heard == 50
    assert said == [f"trace {recorder.path}: no more is recorded: No space left on device"]
    assert 2 < len(list(TraceReader(recorder.path))) < 20
    assert recorder.dropped > 30


def station(tmp_path: Path, **trace: object) -> StationConfig:
    return StationConfig.model_validate(
        {
            "station": {"name": "alpha one", "id": 1},
            "link": {"kind": "memory", "mode": "loopback"},
            "trace": {"record": tmp_path / "traces", **trace},
        }
    )


def test_a_station_records_as_its_file_says(tmp_path: Path) -> None:
    said: list[str] = []
    link = build_link(station(tmp_path), SystemClock(), Metrics(), said.append)
    with link:
        link.send(voice(1, 0))
        assert link.receive(1.0) is not None
    [path] = (tmp_path / "traces").iterdir()
    assert path.name.startswith("alpha-one-20")
    assert said == [f"recording a trace: {path}"]
    reader = TraceReader(path)
    assert [row.outcome.value for row in reader] == ["event", "sent", "delivered", "event"]
    assert reader.header.notes["link"] == "memory"
    assert reader.header.wall_s is not None


def test_a_file_is_a_file_and_a_folder_a_folder(tmp_path: Path) -> None:
    assert trace_path(tmp_path / "my.trace", "x") == tmp_path / "my.trace"
    assert trace_path(tmp_path, "a/b").name.startswith("a-b-")
    assert replace(TraceHeader("x"), station="y").station == "y"
