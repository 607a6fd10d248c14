"""Folders, packages, clock and memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.checkup.findings import Findings, Level
from gateway.checkup.machine import EARLIEST_S, check_folder, check_machine, check_package, human_bytes
from gateway.checkup.surroundings import Surroundings

NOW = EARLIEST_S + 1e6


def looked(folder: Path, needed: int = 1000, free: int = 10**9) -> tuple[Level, str]:
    findings = Findings(Path("x.toml"))
    check_folder(findings, "record.folder", folder, needed, Surroundings(free=lambda _: free))
    (found,) = findings.all
    return found.level, found.text


def test_a_folder_that_is_there(tmp_path: Path) -> None:
    assert looked(tmp_path) == (Level.OK, f"{tmp_path}, 1.0 GB free")
    assert list(tmp_path.iterdir()) == []


def test_one_that_will_be_made(tmp_path: Path) -> None:
    assert looked(tmp_path / "a" / "b") == (Level.OK, f"{tmp_path}/a/b (will be made), 1.0 GB free")
    assert list(tmp_path.iterdir()) == []


def test_no_room(tmp_path: Path) -> None:
    level, text = looked(tmp_path, needed=2 * 10**9)
    assert level is Level.WARNING
    assert "1.0 GB free on its disk, 2.0 GB may be needed" in text


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    level, text = looked(tmp_path / "a" / "b")
    assert (level, text) == (Level.PROBLEM, f"{tmp_path}/a is in the way: not a folder")


def test_a_folder_that_takes_no_files() -> None:
    level, text = looked(Path("/proc/clarilink/x"))
    assert level is Level.PROBLEM
    assert "/proc takes no new files" in text


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_another_users_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert looked(tmp_path)[0] is Level.PROBLEM


def test_packages() -> None:
    findings = Findings(Path("x.toml"))
    assert check_package(findings, "web", "aiohttp", Surroundings(installed=lambda _: True), "the web console")
    assert findings.all == []
    assert not check_package(findings, "web", "aiohttp", Surroundings(installed=lambda _: False), "the web console")
    assert "pip install 'clarilink[web]'" in findings.all[0].todo


def machine(now: float, memory: int | None = 10**9, files: tuple[Path, ...] = ()) -> list[tuple[Level, str]]:
    findings = Findings(Path("this machine"))
    check_machine(findings, files, Surroundings(calendar=lambda: now, memory=lambda: memory))
    return [(one.level, one.key) for one in findings.all]


def test_the_clock(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.touch()
    os.utime(file, (NOW, NOW))
    assert machine(0.0) == [(Level.WARNING, "clock")]
    assert machine(-1e12) == [(Level.WARNING, "clock")]
    assert machine(NOW - 1e5, files=(file, tmp_path / "none")) == [(Level.WARNING, "clock")]


def test_little_memory() -> None:
    assert machine(NOW, memory=10**8)[1:] == [(Level.WARNING, "memory")]
    assert machine(NOW, memory=None)[1:] == []


@pytest.mark.parametrize(("count", "shown"), [(450_000_000, "450 MB"), (2_000_000_000, "2.0 GB")])
def test_bytes_for_people(count: int, shown: str) -> None:
    assert human_bytes(count) == shown
