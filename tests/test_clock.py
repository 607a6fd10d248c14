"""Clocks never go back; the manual one moves only when told."""

from __future__ import annotations

import datetime

from gateway.clock import ManualClock, SystemClock, calendar_s


def test_manual_clock_moves_by_sleeping_and_jumping_forward() -> None:
    clock = ManualClock(5.0)
    clock.sleep(1.5)
    clock.sleep(-3.0)
    clock.advance_to(2.0)
    assert clock.now() == 6.5
    clock.advance_to(7.0)
    assert clock.now() == 7.0


def test_system_clock_sleeps_at_least_as_long_as_told() -> None:
    clock = SystemClock()
    before = clock.now()
    clock.sleep(-1.0)
    clock.sleep(0.01)
    assert clock.now() - before >= 0.01


def test_the_calendar_is_that_of_this_century() -> None:
    assert datetime.date(2025, 1, 1) <= datetime.date.fromtimestamp(calendar_s()) < datetime.date(2100, 1, 1)
