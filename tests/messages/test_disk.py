"""The disk's steps on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.messages.disk import RealDisk


def test_steps_and_what_they_leave(tmp_path: Path) -> None:
    disk = RealDisk()
    disk.make_folder(tmp_path / "a" / "b")
    disk.make_folder(tmp_path / "a" / "b")
    disk.write(tmp_path / "one", b"12345")
    disk.append(tmp_path / "one", b"678")
    disk.sync(tmp_path / "one")
    assert (disk.read(tmp_path / "one"), disk.size(tmp_path / "one")) == (b"12345678", 8)
    disk.truncate(tmp_path / "one", 3)
    disk.write(tmp_path / "two", b"")
    disk.rename(tmp_path / "one", tmp_path / "two")
    assert disk.read(tmp_path / "two") == b"123"
    assert disk.names(tmp_path) == ["a", "two"]
    disk.remove(tmp_path / "two")
    disk.remove(tmp_path / "two")
    assert disk.names(tmp_path) == ["a"]
    assert disk.names(tmp_path / "nowhere") == []
    assert disk.free(tmp_path) > 0


def test_a_deleted_file_does_not_come_back_by_appending(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RealDisk().append(tmp_path / "gone", b"x")
    assert not (tmp_path / "gone").exists()


def test_a_lock_is_held_until_closed(tmp_path: Path) -> None:
    first, second = RealDisk(), RealDisk()
    first.lock(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        second.lock(tmp_path / "lock")
    first.close()
    second.lock(tmp_path / "lock")
    second.close()
