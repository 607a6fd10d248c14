"""Recordings as the web console lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.config import RecordSection
from gateway.recording.recorder import open_recorder
from gateway.web.shelf import MOST_LISTED, RecordingList
from tests.web.recordings import record_over


def test_nothing_recorded_is_an_empty_list(tmp_path: Path) -> None:
    assert RecordingList(None).listed() == []
    assert RecordingList(tmp_path).listed() == []
    assert RecordingList(tmp_path / "not-there").listed() == []


def test_the_newest_over_comes_first_and_new_ones_are_seen(tmp_path: Path) -> None:
    shelf = RecordingList(tmp_path)
    record_over(tmp_path, 1.0)
    (first,) = shelf.listed()
    assert first["side"] == "said"
    assert first["source"] == 1
    assert first["duration_s"] == pytest.approx(1.0)
    assert first["is_complete"]
    assert shelf.listed() is shelf.listed(), "read again though nothing has changed"
    record_over(tmp_path, 2.0)
    assert [round(one["duration_s"]) for one in shelf.listed()] == [2, 1]
    path = shelf.path(first["name"])
    assert path is not None
    assert path.read_bytes()[:4] == b"RIFF"


@pytest.mark.parametrize("name", ["index.jsonl", "../secret.wav", "a.wav", "20260101T000000-0001-said.wav", "", "."])
def test_only_recordings_are_files_here(tmp_path: Path, name: str) -> None:
    record_over(tmp_path / "shelf", 0.5)
    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    assert RecordingList(tmp_path / "shelf").path(name) is None
    assert RecordingList(None).path(name) is None


def test_a_link_out_of_the_folder_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    name = "20260101T000000-0001-said.wav"
    (tmp_path / "shelf" / name).symlink_to(tmp_path / "secret")
    assert RecordingList(tmp_path / "shelf").path(name) is None


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    record_over(tmp_path, 0.1)
    index = tmp_path / "index.jsonl"
    (wav,) = tmp_path.glob("*.wav")
    begin = next(line for line in index.read_text().splitlines() if '"begin"' in line)
    names = [f"20260101T000000-{n:04d}-said.wav" for n in range(2, MOST_LISTED + 5)]
    with index.open("a") as file:
        for name in names:
            (tmp_path / name).write_bytes(b"")
            file.write(begin.replace(wav.name, name) + "\n")
    listed = RecordingList(tmp_path).listed()
    assert len(listed) == MOST_LISTED
    assert listed[0]["name"] == names[-1]


def test_a_recorder_at_work_does_not_hide_its_list(tmp_path: Path) -> None:
    """The folder is claimed by the station; the list only reads."""
    record_over(tmp_path, 1.0)
    recorder = open_recorder(RecordSection(folder=tmp_path), "Boreas", 1, ManualClock(), print)
    try:
        assert len(RecordingList(tmp_path).listed()) == 1
    finally:
        recorder.close()
