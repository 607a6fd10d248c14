"""An eventful hour: everything happens, everything adds up, and what does not is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.channel.spec_file import load_channel
from gateway.codec import Codec
from gateway.tools import soak
from gateway.tools.soak import Hour, Seat, SoakReport, find_problems, run_soak


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day's events within an hour or two."""
    monkeypatch.setattr(soak, "EVERY_S", {kind: every_s / 6 for kind, every_s in soak.EVERY_S.items()})
    monkeypatch.setattr(soak, "RESTART_S", 600.0)


def test_an_eventful_hour_adds_up(small_codec: Codec, tmp_path: Path, often: None) -> None:
    report = run_soak(small_codec, load_channel("lossy-satellite"), tmp_path / "soak", 0.6, seed=2)
    assert report.problems == []
    assert set(report.happened) == {*soak.EVERY_S, "restart"}
    assert report.simulated_s == pytest.approx(2160, abs=1)
    for name in ("alpha", "bravo"):
        counters = report.counters[name]
        assert counters["link.lost"] > 0, "a link was torn out"
        assert counters["rx.overs"] > 10
        assert counters["rx.frames_concealed"] > 0
        assert (tmp_path / "soak" / f"record-{name}" / "index.jsonl").is_file()


def test_the_same_seed_is_the_same_day(small_codec: Codec, tmp_path: Path, often: None) -> None:
    first, second = (
        run_soak(small_codec, load_channel("lossy-satellite"), tmp_path / name, 0.05, seed=3) for name in ("a", "b")
    )
    assert first.happened == second.happened
    assert first.counters["alpha"]["tx.overs"] == second.counters["alpha"]["tx.overs"]


def test_what_does_not_add_up_is_told(small_codec: Codec, tmp_path: Path) -> None:
    seats: list[Seat] = []
    run_seats = soak.find_problems

    def look(found: list[Seat], report: SoakReport) -> list[str]:
        seats.extend(found)
        return run_seats(found, report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soak, "find_problems", look)
        report = run_soak(small_codec, load_channel("clean"), tmp_path / "soak", 0.05)
    seats[0].totals["ptt.key_up"] += 1
    seats[1].channel["sent"] += 1
    seats[1].totals["rx.dropped.bad_tag"] = 4
    told = find_problems(seats, report)
    assert any("alpha: keyed" in line for line in told)
    assert any("bravo" in line and "accounted for" in line for line in told)
    assert any("4 packets of its own net refused" in line for line in told)


def test_growth_is_told() -> None:
    flat = [Hour(100.0, 3, 12 + hour % 3) for hour in range(12)]
    assert find_problems([], SoakReport(hours=flat)) == []
    grown = [Hour(100.0 + 1.1 * hour, 3, 12 + hour) for hour in range(16)]
    told = find_problems([], SoakReport(hours=grown))
    assert told == ["memory grew by 8.8 MB", "files grew from 16 to 24"]
