"""Figures as an operator reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.format import ago, binned, chart, clock_time, decibels, duration, level_bar, percent
from gateway.console.spans import PLAIN, RICH

VALUES = st.lists(st.none() | st.floats())


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0:00"), (7.9, "0:07"), (754, "12:34"), (3723, "1:02:03"), (-1, "0:00"), (float("nan"), "-")],
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "now"), (12, "12 s"), (300, "5 min"), (10800, "3 h"), (400000, "5 d"), (-9, "now")]
)
def test_ages(seconds: float, told: str) -> None:
    assert ago(seconds) == told


@pytest.mark.parametrize(
    ("share", "told"), [(0.0, "0 %"), (0.004, "0.4 %"), (0.08, "8 %"), (1.0, "100 %"), (float("inf"), "-")]
)
def test_shares(share: float, told: str) -> None:
    assert percent(share) == told


def test_levels() -> None:
    assert decibels(-100.0) == "silent"
    assert decibels(-11.6) == "-12 dB"
    assert level_bar(-30.0, -15.0, 8, PLAIN) == "####.|.."
    assert level_bar(0.0, 0.0, 8, RICH) == "█" * 8


def test_a_time_that_no_calendar_has() -> None:
    assert clock_time(1e300) == "--:--"
    assert clock_time(float("nan")) == "--:--"


@given(VALUES, st.integers(0, 20))
def test_bins_keep_the_worst(values: list[float | None], width: int) -> None:
    bins = binned(values, width)
    assert len(bins) <= width
    known = [value for value in values if value is not None]
    if width and known and not any(value != value for value in known):
        assert max(value for value in bins if value is not None) == max(known)


@given(VALUES, st.integers(0, 20), st.integers(1, 4), st.floats())
def test_charts_fit(values: list[float | None], width: int, height: int, top: float) -> None:
    rows = chart(values, width, height, top, PLAIN)
    assert len(rows) == height
    assert {len(row) for row in rows} <= {min(width, len(values))}
    assert all(row.isascii() for row in rows)


def test_a_chart_grows_from_the_bottom_and_tells_nothing_from_zero() -> None:
    assert chart([None, 0.0, 0.5, 1.0, 2.0], 5, 2, 1.0, RICH) == ["   ██", " ▁███"]
