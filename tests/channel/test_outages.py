"""Outages: once, again and again, and from a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.channel.outages import Outages, parse_schedule


def test_a_packet_is_lost_if_any_of_it_meets_a_window() -> None:
    once = Outages([(10, 20), (15, 22), (30, 31)])
    meets = [once.meet(*span) for span in ((0, 9.9), (0, 10), (21, 21.5), (22, 23), (25, 40), (31, 99))]
    assert meets == [False, True, True, False, True, False]
    assert not Outages([]).meet(0, 1e9)


def test_windows_come_back_with_the_period() -> None:
    """A ferry that passes every ten minutes for one, and each time takes the link with it."""
    spec = ChannelSpec("x", outages_s=((60, 120),), outages_period_s=600)
    channel = Channel(spec, np.random.default_rng(0), start_s=1000)
    lost = [second for second in range(0, 2400, 10) if not channel.send(b"x", 1000 + second)]
    assert lost == [turn + second for turn in (0, 600, 1200, 1800) for second in range(60, 120, 10)]
    assert channel.stats.outage_lost == len(lost)


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 10)), max_size=5), st.integers(0, 900), st.integers(0, 120)
)
def test_repetition_is_the_same_as_writing_all_windows_out(
    given_windows: list[tuple[int, int]], begin: int, length: int
) -> None:
    windows = [(start, start + long) for start, long in given_windows]
    every = [(start + turn * 100, end + turn * 100) for turn in range(-2, 12) for start, end in windows]
    expected = any(start <= begin + length and begin < end for start, end in every)
    assert Outages(windows, 100).meet(begin, begin + length) == expected


def test_a_schedule_is_read_with_or_without_a_head() -> None:
    text = "start_s,end_s\n# the ferry\n60, 120\n\n600,660.5\n"
    assert parse_schedule(text) == ((60, 120), (600, 660.5))
    assert parse_schedule("1,2") == ((1, 2),)
    assert parse_schedule("") == ()


@pytest.mark.parametrize(("text", "row"), [("1,2\n5,4", 2), ("1,2\nx,4", 2), ("1", 1), ("1,2,3", 1), ("0,inf", 1)])
def test_a_wrong_row_is_named(text: str, row: int) -> None:
    with pytest.raises(ValueError, match=f"^row {row}: got .*; needed: start,end"):
        parse_schedule(text)


@given(st.text(alphabet="0123456789.,-#e \nabinf\"'", max_size=80) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_schedule(text)
    except ValueError:
        return
    assert all(0 <= start < end for start, end in found)


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"outages_s": ((5, 4),)}, r"outages_s: got \[5, 4\]"),
        (
            {"outages_s": ((5, 40),), "outages_period_s": 30},
            r"outages_s: got \[5, 40\]; needed: within outages_period_s",
        ),
        ({"outages_period_s": 30}, "outages_period_s: needs outages_s"),
        ({"outages_s": ((0, 1),), "outages_period_s": 0}, "outages_period_s: got 0"),
    ],
)
def test_figures_are_checked(figures: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChannelSpec("x", **figures)  # type: ignore[arg-type]
