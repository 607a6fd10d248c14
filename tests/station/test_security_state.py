"""Counters against crashes at every step of a write, full disks, damaged files and clocks that jump."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import SecurityError
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import NetKey, SecurityMode, Suite, Use
from gateway.station.security_state import EPOCH_S, RESERVE, Disk, SecurityState

NOW_S = EPOCH_S + 1000.0


class Crash(BaseException):
    """The power is gone: nothing may catch it."""


class FailingDisk(Disk):
    """Works for `steps` steps; then it fails: a write leaves a part of the file, and nothing else happens."""

    def __init__(self, steps: int, failure: BaseException, torn: float = 0.5) -> None:
        self.left, self._failure, self._torn = steps, failure, torn

    def _step(self) -> None:
        if self.left <= 0:
            raise self._failure
        self.left -= 1

    def write(self, path: Path, data: bytes) -> None:
        try:
            self._step()
        except BaseException:
            path.write_bytes(data[: int(self._torn * len(data))])
            raise
        path.write_bytes(data)

    def replace(self, source: Path, target: Path) -> None:
        self._step()
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        self._step()


def no_warning(line: str) -> None:
    raise AssertionError(f"warned: {line}")


def state(path: Path, calendar_s: float = NOW_S, disk: Disk | None = None) -> SecurityState:
    return SecurityState(path, calendar_s=calendar_s, warn=no_warning, disk=disk)


def test_counters_go_up_and_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state"
    first = state(path)
    taken = [first.take() for _ in range(1000)]
    first.close()
    second = state(path)
    taken += [second.take() for _ in range(1000)]
    second.close()
    assert taken == sorted(set(taken))
    assert taken[0] == 1000
    assert taken[-1] < 1000 + 2000 + 2 * RESERVE


def test_the_memory_of_what_was_heard_survives(tmp_path: Path) -> None:
    path = tmp_path / "state"
    first = state(path)
    assert first.highest(Use.OVER, 5, 9) == -1
    first.remember(Use.OVER, 5, 9, 77)
    first.remember(Use.ALONE, 5, 9, 99)
    first.remember(Use.OVER, 5, 10, 2**32 - 1)
    first.close()
    second = state(path)
    assert [second.highest(Use.OVER, 5, 9), second.highest(Use.ALONE, 5, 9)] == [77, 99]
    assert [second.highest(Use.OVER, 5, 10), second.highest(Use.OVER, 6, 9)] == [2**32 - 1, -1]
    second.close()


@pytest.mark.parametrize("torn", [0.0, 0.5, 1.0])
def test_no_nonce_twice_whichever_step_of_a_write_the_power_fails_at(tmp_path: Path, torn: float) -> None:
    """Station after station on the same file, each with a crash one step later; the clock jumps back each time."""
    path = tmp_path / "state"
    suite, key = Suite(SecurityMode.AUTHENTICATE_ENCRYPT), NetKey(1, bytes(32))
    counters: list[int] = []
    sealed: set[bytes] = set()
    for steps in range(60):
        calendar_s = NOW_S - 100 * steps
        try:
            crashing = state(path, calendar_s, FailingDisk(steps % 30, Crash(), torn))
        except Crash:
            continue
        try:
            # The salt is the same each time: the counters alone must do it.
            sealer = Sealer(suite, key, source=1, counters=crashing, random_bytes=bytes)
            for _ in range(3 * RESERVE):
                counters.append(crashing.take())
                sealer.begin_over()
                sealed.add(sealer.seal(bytes((0x58, 0x40, 0, 1, 1, 0x11))))
                if len(counters) % 100 == 0:
                    crashing.remember(Use.OVER, 2, 1, len(counters))
        except Crash:
            pass
        finally:
            crashing.close()
    assert len(counters) > 1000
    assert len(set(counters)) == len(counters)
    assert len(sealed) >= len(counters) - 60


def test_what_was_heard_is_never_forgotten_by_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "state"
    safe = -1
    for steps in range(40):
        try:
            crashing = state(path, disk=FailingDisk(steps, Crash()))
        except Crash:
            continue
        assert crashing.highest(Use.OVER, 5, 9) >= safe
        counter = crashing.highest(Use.OVER, 5, 9)
        try:
            while True:
                counter += 1
                crashing.remember(Use.OVER, 5, 9, counter)
                safe = counter
        except Crash:
            pass
        finally:
            crashing.close()
    assert safe > 50


def test_a_full_disk_stops_nobody_until_the_reserve_is_used_up(tmp_path: Path) -> None:
    path, told = tmp_path / "state", list[str]()
    disk = FailingDisk(10**6, OSError(28, "No space left on device"))
    station = SecurityState(path, calendar_s=NOW_S, warn=told.append, disk=disk)
    taken = [station.take() for _ in range(10)]
    disk.left = 0
    taken += [station.take() for _ in range(RESERVE - 10)]
    with pytest.raises(SecurityError, match="No space left on device"):
        station.take()
    assert len(told) == 1  # not once per over
    station.remember(Use.OVER, 5, 9, 3)
    assert station.highest(Use.OVER, 5, 9) == 3
    disk.left = 10**6
    taken.append(station.take())
    station.close()
    again = state(path)
    taken.append(again.take())
    again.close()
    assert taken == sorted(set(taken))


def test_nothing_can_be_written_from_the_start(tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match="cannot write"):
        state(tmp_path / "no-such-folder" / "state")
    with pytest.raises(SecurityError, match="Read-only"):
        state(tmp_path / "state", disk=FailingDisk(0, OSError(30, "Read-only file system")))


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_a_damaged_file_is_replaced_by_the_one_before(tmp_path: Path, damage: str) -> None:
    path, told = tmp_path / "state", list[str]()
    first = state(path)
    taken = [first.take() for _ in range(400)]
    first.remember(Use.OVER, 5, 9, 3)
    first.remember(Use.OVER, 5, 9, 4)
    first.close()
    whole = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(whole[:-5])
        case "flip":
            path.write_bytes(whole[:20] + bytes((whole[20] ^ 1,)) + whole[21:])
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
    again = SecurityState(path, calendar_s=0.0, warn=told.append)
    taken += [again.take() for _ in range(10)]
    assert taken == sorted(set(taken))
    assert again.highest(Use.OVER, 5, 9) == 3
    assert len(told) == (damage != "gone")
    again.close()


def test_with_both_files_damaged_counting_goes_on_from_the_calendar(tmp_path: Path) -> None:
    path, told = tmp_path / "state", list[str]()
    first = state(path)
    first.take()
    first.close()
    for name in ("state", "state.old"):
        (tmp_path / name).write_bytes(b"\xff{}\n")
    again = SecurityState(path, calendar_s=NOW_S + 5000, warn=told.append)
    assert again.take() == 6000
    assert len(told) == 1
    again.close()


@pytest.mark.parametrize("calendar_s", [-1e9, 0.0, 1e18])
def test_a_senseless_clock_leaves_counters_to_go_on_with(tmp_path: Path, calendar_s: float) -> None:
    station = state(tmp_path / "state", calendar_s)
    assert 0 <= station.take() <= 2**31
    station.close()


def test_used_up_counters_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "state"
    station = state(path)
    station._next = station._reserved = 2**32 - 10  # as after four thousand million overs
    with pytest.raises(SecurityError, match="used up"):
        station.take()
    station.close()


def test_two_stations_cannot_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    first = state(path)
    with pytest.raises(SecurityError, match="in use by another station"):
        state(path)
    first.close()
    first.close()
    state(path).close()


def test_the_files_are_for_their_owner(tmp_path: Path) -> None:
    state(tmp_path / "state").close()
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


@given(st.binary(max_size=200))
@settings(max_examples=60)
def test_any_file_is_read_or_replaced(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "state"
    path.write_bytes(data)
    told: list[str] = []
    station = SecurityState(path, calendar_s=NOW_S, warn=told.append)
    assert station.take() == 1000
    assert len(told) == 1
    station.close()


@given(st.lists(st.tuples(st.integers(0, 12), st.floats(0, 1)), max_size=12), st.integers(0, 2**32))
@settings(max_examples=40)
def test_any_run_of_crashes_keeps_counters_apart(
    tmp_path_factory: pytest.TempPathFactory, crashes: list[tuple[int, float]], seed: int
) -> None:
    path, rng = tmp_path_factory.mktemp("crashes") / "state", random.Random(seed)
    taken: list[int] = []
    for steps, torn in crashes:
        try:
            station = state(path, NOW_S * rng.random(), FailingDisk(steps, Crash(), torn))
        except Crash:
            continue
        try:
            for _ in range(rng.randrange(2 * RESERVE)):
                taken.append(station.take())
        except Crash:
            pass
        finally:
            station.close()
    assert len(set(taken)) == len(taken)


def test_a_full_disk_and_a_damaged_file_together_give_no_counter_twice(tmp_path: Path) -> None:
    """The file before is then behind what was given out: counting goes on beyond the longest reserve."""
    path = tmp_path / "state"
    disk = FailingDisk(10**6, OSError(28, "No space left on device"))
    station = SecurityState(path, calendar_s=NOW_S, warn=lambda _: None, disk=disk)
    taken = [station.take() for _ in range(400)]
    disk.left = 0
    with contextlib.suppress(SecurityError):
        while True:
            taken.append(station.take())
    station.close()
    path.write_bytes(b"")
    again = SecurityState(path, calendar_s=NOW_S, warn=lambda _: None)
    assert again.take() > max(taken)
    again.close()
