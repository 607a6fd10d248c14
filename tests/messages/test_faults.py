"""The faulty disk's faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.messages.faults import Crash, FaultyDisk


def test_a_step_is_done_by_half_and_nothing_after_it(tmp_path: Path) -> None:
    disk = FaultyDisk(crash_at=1)
    disk.write(tmp_path / "a", b"whole")
    with pytest.raises(Crash):
        disk.append(tmp_path / "a", b"1234")
    assert (tmp_path / "a").read_bytes() == b"whole12"
    with pytest.raises(Crash):
        disk.remove(tmp_path / "a")
    with pytest.raises(Crash):
        disk.write(tmp_path / "b", b"1234")
    assert not (tmp_path / "b").exists()
    assert disk.steps == 4


def test_a_full_disk_takes_what_fits(tmp_path: Path) -> None:
    disk = FaultyDisk()
    disk.room = 6
    disk.write(tmp_path / "a", b"1234")
    with pytest.raises(OSError, match="No space left"):
        disk.append(tmp_path / "a", b"5678")
    assert (tmp_path / "a").read_bytes() == b"123456"
    assert disk.free(tmp_path) > 0
    disk.knows_room = True
    assert disk.free(tmp_path) == 0
