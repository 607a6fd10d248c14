"""Eventful minutes: everything happens, everything adds up, and what does not is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.channel.spec_file import load_channel
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.keys import make_keys
from gateway.links.memory import MemoryHub
from gateway.tools import soak
from gateway.tools.soak import HOUR_S, Hour, Seat, SoakReport, find_problems, run_soak


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day's events within minutes."""
    often = {kind: every_s / (24 if every_s >= HOUR_S else 6) for kind, every_s in soak.EVERY_S.items()}
    monkeypatch.setattr(soak, "EVERY_S", often)
    monkeypatch.setattr(soak, "RESTART_S", 300.0)


def test_eventful_minutes_add_up(small_codec: Codec, tmp_path: Path, often: None) -> None:
    report = run_soak(small_codec, load_channel("lossy-satellite"), tmp_path / "soak", 0.15, seed=7)
    assert report.problems == []
    assert set(report.happened) == {*soak.EVERY_S, "restart"}
    assert report.simulated_s == pytest.approx(540, abs=1)
    for name in ("alpha", "bravo"):
        counters = report.counters[name]
        assert counters["link.lost"] > 0, "a link was torn out"
        assert counters["rx.overs"] > 10
        assert counters["rx.frames_concealed"] > 0
        assert (tmp_path / "soak" / f"record-{name}" / "index.jsonl").is_file()


def test_the_same_seed_is_the_same_day(small_codec: Codec, tmp_path: Path, often: None) -> None:
    first, second = (
        run_soak(small_codec, load_channel("lossy-satellite"), tmp_path / name, 0.02, seed=3) for name in ("a", "b")
    )
    assert first.happened == second.happened
    assert first.counters["alpha"]["tx.overs"] > 0
    assert first.counters["alpha"]["tx.overs"] == second.counters["alpha"]["tx.overs"]


def test_what_does_not_add_up_is_told(small_codec: Codec, tmp_path: Path) -> None:
    seats: list[Seat] = []
    run_seats = soak.find_problems

    def look(found: list[Seat], report: SoakReport) -> list[str]:
        seats.extend(found)
        return run_seats(found, report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soak, "find_problems", look)
        report = run_soak(small_codec, load_channel("clean"), tmp_path / "soak", 0.03)
    seats[0].totals["ptt.key_up"] += 1
    seats[1].channel["sent"] += 1
    seats[1].totals["rx.dropped.bad_tag"] = 4
    told = find_problems(seats, report)
    assert any("alpha: keyed" in line for line in told)
    assert any("bravo" in line and "accounted for" in line for line in told)
    assert any("4 packets of its own net refused" in line for line in told)


def test_the_rest_of_an_over_that_a_restart_cut_may_be_refused(small_codec: Codec, tmp_path: Path) -> None:
    make_keys(tmp_path / "net.key")
    clock = ManualClock(1000.0)
    net = MemoryHub(clock)
    seats = [Seat(n, i, small_codec, clock, net, load_channel("clean"), tmp_path) for i, n in ((1, "a"), (2, "b"))]
    for seat in seats:
        seat.stop()
    before = find_problems(seats, SoakReport())
    seats[0].totals["rx.dropped.replayed"] = 3
    assert set(find_problems(seats, SoakReport())) - set(before) == {"a: 3 packets of its own net refused"}
    seats[0].cut_overs = 1
    assert find_problems(seats, SoakReport()) == before


def test_growth_is_told() -> None:
    flat = [Hour(100.0, 3, 12 + hour % 3) for hour in range(12)]
    assert find_problems([], SoakReport(hours=flat)) == []
    grown = [Hour(100.0 + 1.1 * hour, 3, 12 + hour) for hour in range(16)]
    told = find_problems([], SoakReport(hours=grown))
    assert told == ["memory grew by 8.8 MB", "files grew from 16 to 24"]
