"""A station's memory on disk: whole or the one before, read back, and never in the way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.config import StateSection
from gateway.control.hub import ControlHub
from gateway.control.kept import Kept
from gateway.control.snapshot import HeardView, OverView, Snapshot, StationView
from gateway.service.state import StateKeeper
from gateway.telling import Level

HEARD = (HeardView(2, "bravo", 1e9),)


@pytest.fixture
def hub() -> ControlHub:
    return ControlHub(ManualClock())


@pytest.fixture
def told() -> list[str]:
    return []


def keeper(path: Path, hub: ControlHub, told: list[str], every_s: float = 60.0) -> StateKeeper:
    return StateKeeper(StateSection(file=path, every_s=every_s), hub, lambda line, level: told.append(line))


def test_what_a_run_leaves_the_next_one_finds(tmp_path: Path, hub: ControlHub, told: list[str]) -> None:
    path = tmp_path / "new" / "alpha.json"
    first = keeper(path, hub, told)
    assert first.load() == Kept()
    first.start()
    hub.publish(
        Snapshot(
            StationView("alpha", 1, 1), last_heard=HEARD, overs=(OverView("heard", "bravo", 2, 1e9, 2.0, index=1),)
        )
    )
    first.stop()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keeper(path, hub, told).load() == Kept(HEARD, overs=(OverView("heard", "bravo", 2, 1e9, 2.0),))
    assert told == []


def test_changes_are_written_while_it_runs(tmp_path: Path, hub: ControlHub, told: list[str]) -> None:
    path = tmp_path / "alpha.json"
    running = keeper(path, hub, told, every_s=0.5)
    running.load()
    running.start()
    hub.publish(Snapshot(StationView("alpha", 1, 1), last_heard=HEARD))
    for _ in range(200):
        if path.exists():
            break
        running._stop.wait(0.1)
    assert keeper(path, hub, told).load().last_heard == HEARD
    running.stop()


def test_nothing_new_is_not_written_again(tmp_path: Path, hub: ControlHub, told: list[str]) -> None:
    path = tmp_path / "alpha.json"
    one = keeper(path, hub, told)
    one.write()
    assert not path.exists(), "there was no snapshot yet"
    hub.publish(Snapshot(StationView("alpha", 1, 1), last_heard=HEARD))
    one.write()
    path.unlink()
    hub.publish(Snapshot(StationView("alpha", 1, 1), number=2, last_heard=HEARD))
    one.write()
    assert not path.exists()


def test_a_damaged_file_is_put_aside(tmp_path: Path, hub: ControlHub, told: list[str]) -> None:
    path = tmp_path / "alpha.json"
    path.write_bytes(b'{"format": 1, "last_he\xff')
    assert keeper(path, hub, told).load() == Kept()
    assert not path.exists()
    assert (tmp_path / "alpha.json.damaged").exists()
    assert "damaged" in told[0]


def test_a_disk_that_takes_nothing_is_told_of_once(tmp_path: Path, hub: ControlHub, told: list[str]) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    one = keeper(tmp_path / "file" / "alpha.json", hub, told)
    assert one.load() == Kept()
    hub.publish(Snapshot(StationView("alpha", 1, 1), last_heard=HEARD))
    one.write()
    one.write()
    assert len([line for line in told if "not kept" in line]) == 1


def test_trouble_is_a_warning(tmp_path: Path, hub: ControlHub) -> None:
    (tmp_path / "alpha.json").write_text("?")
    levels: list[Level] = []
    StateKeeper(StateSection(file=tmp_path / "alpha.json"), hub, lambda line, level: levels.append(level)).load()
    assert levels == [Level.WARNING]
