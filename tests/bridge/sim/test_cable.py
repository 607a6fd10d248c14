"""The line's rate holds however unevenly it is served; faults do what they say."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.sim.cable import Faults, PacedLine, misread


@given(st.lists(st.floats(1e-5, 0.5), min_size=1, max_size=60), st.sampled_from([120.0, 960.0, 92_160.0]))
def test_never_faster_than_the_line_and_nothing_lost_or_swapped(steps: list[float], rate: float) -> None:
    line, now, came = PacedLine(rate), 10.0, bytearray()
    said = bytes(index % 251 for index in range(3000))
    line.put(said, now)
    for step in steps:
        now += step
        came += line.take(now)
        assert len(came) <= (now - 10.0) * rate + 1
    assert said.startswith(bytes(came))
    assert len(came) >= min(len(said), int((now - 10.0) * rate) - 1)  # late is made up for


def test_served_when_due_it_is_as_fast_as_the_line() -> None:
    for rate in (120.0, 92_160.0):
        line, now = PacedLine(rate), 0.0
        line.put(bytes(2000), now)
        while (due := line.next_due()) is not None:
            assert due > now
            now = due
            line.take(now)
        assert now == pytest.approx(2000 / rate, rel=1e-3)


def test_a_line_that_was_idle_has_saved_nothing_up() -> None:
    line = PacedLine(1000.0)
    line.put(b"ab", 1.0)
    assert line.take(50.0) == b"ab"
    line.put(bytes(500), 100.0)
    assert len(line.take(100.1)) == 100


def test_room_is_a_quarter_second_and_what_is_cleared_is_counted() -> None:
    line = PacedLine(1000.0)
    assert line.room == 250
    line.put(bytes(300), 0.0)
    assert line.room == -50
    assert line.clear() == 300
    assert line.next_due() is None


def test_half_of_what_is_said_and_then_silence() -> None:
    faults = Faults(halve_next=5.0)
    assert faults.said(b"", 1.0) == b""
    assert faults.said(b"12345678", 1.0) == b"1234"
    assert faults.said(b"more", 5.9) == b""
    assert not faults.hears_host(5.9)
    assert faults.said(b"back", 6.0) == b"back"


def test_mute_says_nothing_and_the_faults_have_names() -> None:
    faults = Faults(mute=True, echo=True)
    assert faults.said(b"x", 0.0) == b""
    assert faults.names(0.0) == ["mute", "echo"]
    assert Faults().names(0.0) == []


@given(st.binary(min_size=1, max_size=50))
def test_at_another_rate_no_byte_is_what_was_sent(data: bytes) -> None:
    assert all(a != b for a, b in zip(data, misread(data, Random(1)), strict=True))
