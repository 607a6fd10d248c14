"""Recordings: where sound lands in a file, what a crash and a full disk leave, bounds, and the index read back."""

from __future__ import annotations

import errno
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.files import read_audio
from gateway.clock import ManualClock
from gateway.config import RecordSection
from gateway.errors import AudioError, GatewayError
from gateway.protocol.jitter import JitterConfig
from gateway.protocol.packets import SessionBlock, VoicePacket
from gateway.protocol.report import Reception
from gateway.recording import Recorder, Side, read_recordings
from gateway.recording.entry import read_line
from gateway.recording.facts import MAX_WAITING_BYTES
from gateway.recording.packets import read_over
from gateway.recording.reader import read_recording
from gateway.recording.recorder import open_recorder
from gateway.recording.shelf import Shelf
from gateway.recording.writer import QUEUE_STEPS

FRAME = np.full(1280, 0.25, np.float32)


class Desk:
    """A recorder without a thread on a clock of the test's."""

    def __init__(self, folder: Path, max_bytes: int = 10_000_000, max_age_s: float = 1e9, least_free: int = 0) -> None:
        self.clock = ManualClock(50.0)
        self.told: list[str] = []
        self.shelf = Shelf(folder, max_bytes=max_bytes, max_age_s=max_age_s, least_free_bytes=least_free)
        self.shelf.open()
        self.recorder = Recorder(
            self.shelf,
            said=True,
            heard=True,
            clock=self.clock,
            say=self.told.append,
            wall=lambda: 1_000_000.0 + self.clock.now(),
        )
        self.recorder.opened("alpha", 7, "boot")

    def say(self, seconds: float, over_id: int = 3, level: float = 0.5) -> None:
        self.recorder.said_begins(over_id)
        for _ in range(round(seconds / 0.02)):
            self.clock.sleep(0.02)
            self.recorder.said(np.full(320, level, np.float32))
        self.recorder.said_ends()

    def hear(self, frames: list[int], concealed: tuple[int, ...] = (), over_id: int = 5) -> None:
        for frame in frames:
            self.recorder.heard(over_id, frame, FRAME, concealed=frame in concealed, queued_s=0.0)
            self.clock.sleep(0.08)


def test_an_over_said_and_one_heard_come_back_with_their_times(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.clock.sleep(1.0)
    desk.say(0.6)
    desk.recorder.talker(2)
    desk.clock.sleep(0.4)
    desk.hear([0, 1, 2, 5], concealed=(2,))
    desk.recorder.heard_ends(Reception(5, expected=9, lost=2, bursts=1, longest_burst=2, late=1, snr_db=11.5))
    desk.recorder.close()
    found = read_recordings(tmp_path)
    assert found.problems == []
    assert [(o.station, o.station_id, o.machine) for o in found.openings] == [("alpha", 7, "boot")]
    said, heard = found.overs
    assert (said.side, said.over_id, said.source, said.is_complete) == (Side.SAID, 3, 7, True)
    assert (said.key_s, said.start_s, said.wall_s) == pytest.approx((51.0, 51.0, 1_000_051.0))
    assert said.samples == 9600
    assert (heard.side, heard.over_id, heard.source) == (Side.HEARD, 5, 2)
    assert heard.start_s == pytest.approx(52.0)
    assert (heard.first_frame, heard.end_frame, heard.concealed, heard.absent) == (0, 6, ((2, 3),), ((3, 5),))
    assert (heard.expected, heard.lost, heard.late, heard.snr_db) == (9, 2, 1, 11.5)
    assert np.allclose(read_audio(said.path), 0.5, atol=1e-4)
    assert len(read_audio(heard.path)) == 4 * 1280


def test_a_pause_of_the_speaker_is_silence_in_the_file_and_jitter_of_the_loop_is_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.recorder.heard(5, 0, FRAME, concealed=False, queued_s=0.04)
    desk.clock.sleep(0.095)
    desk.recorder.heard(5, 1, FRAME, concealed=False, queued_s=0.04)
    desk.clock.sleep(0.065 + 0.5)
    desk.recorder.heard(5, 2, FRAME, concealed=False, queued_s=0.04)
    desk.recorder.close()
    heard = read_recordings(tmp_path).overs[0]
    pcm = read_audio(heard.path)
    assert heard.start_s == pytest.approx(50.04)
    assert len(pcm) == 3 * 1280 + 8000
    assert np.flatnonzero(pcm == 0).tolist() == list(range(2560, 2560 + 8000))


def test_the_end_of_an_over_that_made_room_does_not_begin_a_recording(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.hear([0, 1])
    desk.recorder.heard_ends()
    desk.hear([2])  # what was left in the decoder
    desk.hear([0], over_id=6)
    desk.recorder.close()
    assert [(o.over_id, o.end_frame) for o in read_recordings(tmp_path).overs] == [(5, 2), (6, 1)]


def test_only_the_sides_asked_for(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, max_bytes=1_000_000, max_age_s=1e9, least_free_bytes=0)
    shelf.open()
    recorder = Recorder(shelf, said=False, heard=True, clock=ManualClock(), say=print)
    recorder.said_begins(1)
    recorder.said(FRAME)
    recorder.heard(2, 0, FRAME, concealed=False, queued_s=0.0)
    recorder.close()
    assert [over.side for over in read_recordings(tmp_path).overs] == [Side.HEARD]


def test_a_killed_station_leaves_what_was_written_and_its_index(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.hear(list(range(20)))
    desk.recorder.work()
    # Killed now: header and samples are in the file; more samples may follow that no header tells of.
    path = next(tmp_path.glob("*.wav"))
    assert len(read_audio(path)) == 20 * 1280
    with path.open("ab") as file:
        file.write(b"\x01\x00" * 100 + b"\x07")
    with (tmp_path / "index.jsonl").open("ab") as file:
        file.write(b'{"event": "end", "fi')
    desk.shelf.close()
    found = read_recordings(tmp_path)
    assert len(read_recording(path)) == 20 * 1280 + 100
    assert not found.overs[0].is_complete
    assert found.problems == [f"{tmp_path / 'index.jsonl'}: 1 lines cannot be read (cut or damaged); skipped"]
    # The next start goes on in the same index, behind the line that was cut.
    again = Desk(tmp_path)
    again.say(0.1)
    again.recorder.close()
    assert [over.is_complete for over in read_recordings(tmp_path).overs] == [False, True]


def test_a_full_disk_is_told_once_and_recording_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    real = os.pwrite
    room = {"left": 20_000}

    def pwrite(descriptor: int, data: memoryview, at: int) -> int:
        if room["left"] < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room["left"] -= len(data)
        return real(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    for _ in range(3):
        desk.say(0.4)
        desk.recorder.work()
    assert len(desk.told) == 1
    assert desk.told[0].startswith("not recording: ")
    assert "No space left on device" in desk.told[0]
    room["left"] = 1_000_000
    desk.say(0.4, over_id=9)
    desk.recorder.close()
    assert desk.told[1:] == ["recording again"]
    overs = read_recordings(tmp_path).overs
    assert overs[0].is_complete
    assert (overs[-1].over_id, overs[-1].is_complete) == (9, True)
    assert len(read_audio(overs[-1].path)) == 6400


def test_other_things_on_the_disk_need_room_more(tmp_path: Path) -> None:
    desk = Desk(tmp_path, least_free=1 << 60)
    desk.say(0.2)
    desk.say(0.2)
    desk.recorder.close()
    assert len(desk.told) == 1
    assert list(tmp_path.glob("*.wav")) == []


def test_the_oldest_make_room_and_nothing_else_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine.wav").write_bytes(b"x" * 500_000)
    desk = Desk(tmp_path, max_bytes=100_000)
    for over in range(8):
        desk.say(1.0, over_id=over)
        desk.recorder.work()
    desk.recorder.close()
    found = read_recordings(tmp_path)
    assert [over.over_id for over in found.overs] == [4, 5, 6, 7]
    assert found.problems == []
    assert (tmp_path / "mine.wav").is_file()


def test_recordings_older_than_allowed_go(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_age_s=3600)
    desk.say(0.1, over_id=1)
    desk.recorder.work()
    path = next(tmp_path.glob("*.wav"))
    os.utime(path, (1_000_000, 1_000_000))
    desk.clock.sleep(7200)
    desk.say(0.1, over_id=2)
    desk.recorder.close()
    assert [over.over_id for over in read_recordings(tmp_path).overs] == [2]


def test_what_waits_for_a_disk_that_hangs_is_bounded_and_the_rest_keeps_its_place(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    block = np.full(32, 0.5, np.float32)
    desk.recorder.said_begins(1)
    for _ in range(QUEUE_STEPS + 500):
        desk.recorder.said(block)  # returns, though nobody takes them
    assert desk.recorder.dropped == 503  # the opening, the beginning and the packets' header took three places
    desk.recorder.work()
    desk.recorder.said(block)
    desk.recorder.close()
    pcm = read_audio(next(tmp_path.glob("*.wav")))
    assert len(pcm) == (QUEUE_STEPS + 501) * 32
    assert np.count_nonzero(pcm == 0) == 503 * 32


def test_two_stations_cannot_share_a_folder(tmp_path: Path) -> None:
    section = RecordSection(folder=tmp_path)
    first = open_recorder(section, "alpha", 1, ManualClock(), print)
    with pytest.raises(GatewayError, match="another station records into this folder"):
        open_recorder(section, "bravo", 2, ManualClock(), print)
    first.close()
    open_recorder(section, "bravo", 2, ManualClock(), print).close()
    assert [opening.station for opening in read_recordings(tmp_path).openings] == ["alpha", "bravo"]


def test_a_folder_that_cannot_be_made_costs_recordings_not_the_station(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told: list[str] = []
    recorder = open_recorder(RecordSection(folder=tmp_path / "file"), "alpha", 1, ManualClock(), told.append)
    recorder.said_begins(1)
    recorder.said(FRAME)
    recorder.close()
    assert told[0].startswith(f"not recording: {tmp_path / 'file'}: ")


def test_written_by_its_own_thread(tmp_path: Path) -> None:
    recorder = open_recorder(
        RecordSection(folder=tmp_path / "new", least_free_bytes=0), "alpha", 1, ManualClock(), print
    )
    assert any(thread.name == "recorder" for thread in threading.enumerate())
    recorder.said_begins(1)
    recorder.said(FRAME)
    recorder.note("link lost")
    recorder.close()
    found = read_recordings(tmp_path / "new")
    assert [over.samples for over in found.overs] == [1280]
    assert [note.text for note in found.notes] == ["link lost"]


def test_a_folder_without_an_index_is_refused_and_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no index\.jsonl"):
        read_recordings(tmp_path)
    desk = Desk(tmp_path)
    desk.say(0.1)
    desk.recorder.close()
    path = next(tmp_path.glob("*.wav"))
    path.unlink()
    assert read_recordings(tmp_path).problems == [f"{path}: missing, though the index names it"]


@given(st.binary(max_size=300))
def test_no_line_raises(line: bytes) -> None:
    values = read_line(line)
    assert values is None or isinstance(values["event"], str)


@given(
    st.dictionaries(
        st.sampled_from(["side", "file", "mono_s", "wall_s", "over_id", "concealed", "files", "text", "samples", "id"]),
        st.sampled_from(
            [None, True, 0, -1, 1 << 70, 1.5, float("nan"), float("inf"), "", "a.wav", "said", [], [1], [[1, 2]], {}]
        ),
    ),
    st.sampled_from(["opened", "begin", "end", "note", "removed", "later"]),
)
def test_no_index_raises(tmp_path_factory: pytest.TempPathFactory, values: dict[str, object], event: str) -> None:
    folder = tmp_path_factory.mktemp("index")
    line = json.dumps({**values, "event": event}) + "\n"
    begin = json.dumps({"event": "begin", "side": "said", "file": "a.wav", "mono_s": 1, "wall_s": 2}) + "\n"
    (folder / "index.jsonl").write_text(begin + line)
    read_recordings(folder)


VOICE = VoicePacket(5, 0, False, (b"abc",) * 6, SessionBlock(2, 1, 1, 1))
JITTER = JitterConfig(0.48, 0.2, 1.5)


def test_packets_lie_beside_the_sound_with_the_facts(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    recorder, clock = desk.recorder, desk.clock
    recorder.said_begins(3)
    recorder.said(FRAME)
    recorder.said_packet(replace(VOICE, over_id=3), 26)
    recorder.said_ends()
    recorder.heard_begins(1, 5, clock.now(), JITTER, 0.0)
    recorder.heard_packet(1, VOICE, clock.now(), 11.5, 24)
    recorder.talker(2)
    clock.sleep(0.2)
    desk.hear([0, 1, 2])
    recorder.heard_packet(1, replace(VOICE, sequence=1, session=None), clock.now(), None, 22)
    desk.hear([3, 4])
    recorder.heard_ends(Reception(5, expected=2, lost=0, bursts=0, longest_burst=0, snr_db=11.5))
    recorder.close()
    said, heard = read_recordings(tmp_path).overs
    assert (said.number, heard.number) == (1, 2)
    mine = read_over(said.path.with_suffix(".packets"))
    assert [(one.packet.over_id, one.air_bytes) for one in mine.packets] == [(3, 26)]
    assert mine.is_complete
    over = read_over(heard.path.with_suffix(".packets"))
    assert [one.at_s for one in over.packets] == pytest.approx([50.0, 50.44])
    assert [(one.snr_db, one.air_bytes) for one in over.packets] == [(11.5, 24), (None, 22)]
    assert over.packets[0].packet == VOICE
    assert (over.header.packet_ms, over.header.cushion_ms, over.header.cap_ms) == (480, 200, 1500)
    facts = json.loads(heard.path.with_suffix(".json").read_text())
    assert facts["talker"] == {"id": 2, "name": "2"}
    assert (facts["packets"], facts["packet_ms"], facts["expected"], facts["side"]) == (2, 480, 2, "heard")
    assert facts["duration_s"] == pytest.approx(5 * 0.08)


def test_an_over_that_nobody_could_hear_is_kept_as_packets(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.recorder.heard_begins(1, 5, 50.0, JITTER, 0.0)
    desk.recorder.heard_packet(1, VOICE, 50.0, None, 24)
    desk.recorder.heard_ends(Reception(5, expected=1, lost=0, bursts=0, longest_burst=0))
    desk.recorder.close()
    (heard,) = read_recordings(tmp_path).overs
    assert not heard.was_played
    assert len(read_over(heard.path.with_suffix(".packets")).packets) == 1


def test_packets_of_the_over_that_waits_are_not_those_of_the_one_that_plays(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.recorder.heard_begins(1, 5, 50.0, JITTER, 0.0)
    desk.recorder.heard_packet(1, VOICE, 50.0, None, 24)
    desk.hear([0])
    desk.recorder.heard_begins(2, 6, desk.clock.now(), JITTER, 0.0)
    desk.recorder.heard_packet(2, replace(VOICE, over_id=6), desk.clock.now(), None, 24)
    desk.hear([1])
    desk.recorder.heard_ends(Reception(5, expected=1, lost=0, bursts=0, longest_burst=0))
    desk.hear([0], over_id=6)
    desk.recorder.heard_ends(Reception(6, expected=1, lost=0, bursts=0, longest_burst=0))
    desk.recorder.close()
    kept = [read_over(over.path.with_suffix(".packets")).packets for over in read_recordings(tmp_path).overs]
    assert [[one.packet.over_id for one in packets] for packets in kept] == [[5], [6]]


def test_a_killed_station_leaves_the_packets_that_were_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.recorder.heard_begins(1, 5, 50.0, JITTER, 0.0)
    desk.recorder.heard_packet(1, VOICE, 50.0, None, 24)
    desk.hear([0])
    desk.recorder.work()
    path = next(tmp_path.glob("*.packets"))
    with path.open("ab") as file:
        file.write(b"\x92\xce\x00")
    over = read_over(path)
    assert (len(over.packets), over.is_complete) == (1, False)
    assert over.damage == "3 damaged bytes in 1 places skipped"
    assert list(tmp_path.glob("*.json")) == []
    desk.shelf.close()


def test_all_files_of_a_recording_go_together_and_count_together(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_bytes=100_000)
    for over in range(8):
        desk.recorder.said_begins(over)
        desk.recorder.said(np.full(12_000, 0.5, np.float32))
        for _ in range(200):
            desk.recorder.said_packet(VOICE, 24)
        desk.recorder.said_ends()
        desk.recorder.work()
    desk.recorder.close()
    left = {path.name.split("-")[1] for path in tmp_path.iterdir() if path.suffix != ".jsonl"}
    assert left == {over.path.name.split("-")[1] for over in read_recordings(tmp_path).overs}
    assert len(left) == 3
    assert len([path for path in tmp_path.iterdir() if path.suffix in (".wav", ".packets", ".json")]) == 3 * len(left)
    # The next start counts them as well.
    again = Desk(tmp_path, max_bytes=100_000)
    again.say(1.0)
    again.recorder.close()
    assert len(read_recordings(tmp_path).overs) == 3


def test_packets_beyond_what_may_wait_are_left_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.recorder.heard_begins(1, 5, 50.0, JITTER, 0.0)
    for _ in range(MAX_WAITING_BYTES // 30):
        desk.recorder.heard_packet(1, VOICE, 50.0, None, 24)
    desk.recorder.heard_ends(Reception(5, expected=1, lost=0, bursts=0, longest_burst=0))
    desk.recorder.close()
    (path,) = tmp_path.glob("*.packets")
    assert 0.9 * MAX_WAITING_BYTES < path.stat().st_size <= MAX_WAITING_BYTES + 200


def test_where_frames_do_not_follow_each_other_is_in_the_index(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.hear([0, 1, 2, 5, 6])
    desk.clock.sleep(0.5)
    desk.hear([7, 7])
    desk.recorder.heard_ends()
    desk.recorder.close()
    (heard,) = read_recordings(tmp_path).overs
    assert heard.sequence == ((0, 0), (5, 3 * 1280), (7, 5 * 1280 + 8000), (7, 6 * 1280 + 8000))
