"""The schedule of reports: in the gaps, not together, not too often, not for nothing."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.report import LinkReport, Reception
from gateway.protocol.reporting import ReportRules, ReportSchedule

RULES = ReportRules()


def reception(source: int | None = 1, expected: int = 20, lost: int = 2, over_id: int = 3) -> Reception:
    return Reception(over_id, expected, lost, min(lost, 1), lost, source=source)


def schedule(station: int = 2, seed: int = 1, rules: ReportRules = RULES) -> ReportSchedule:
    return ReportSchedule(station, rules, random.Random(seed))


def sent_at(reports: ReportSchedule, start_s: float, until_s: float, busy_until_s: float = 0.0) -> float | None:
    """When the report goes out, looked for every 10 ms."""
    for tick in range(round((until_s - start_s) / 0.01)):
        now_s = start_s + tick * 0.01
        if reports.due(now_s, now_s < busy_until_s) is not None:
            return now_s
    return None


@given(st.integers(0, 10**6))
def test_a_report_waits_within_its_bounds(seed: int) -> None:
    reports = schedule(seed=seed)
    reports.over_ended(reception(), 5.0)
    at_s = sent_at(reports, 5.0, 30.0)
    assert at_s is not None
    assert RULES.least_s <= at_s - 5.0 <= RULES.least_s + RULES.spread_s + 0.011
    assert reports.due(at_s + 1, False) is None  # once


def test_what_it_tells() -> None:
    reports = schedule()
    reports.over_ended(reception(lost=4), 0.0)
    assert reports.due(10.0, False) == LinkReport(2, 1, 3, 20, 4, 4.0, 4)
    assert reports.counters() == {"sent": 1}


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (reception(source=None), "unknown"),
        (reception(source=0), "unknown"),
        (reception(source=2), "unknown"),  # one's own over, from a parrot
        (reception(expected=3, lost=0), "short"),
    ],
)
def test_nothing_to_tell(what: Reception, reason: str) -> None:
    reports = schedule()
    reports.over_ended(what, 0.0)
    assert reports.due(10.0, False) is None
    assert reports.counters() == {reason: 1}


def test_a_talker_is_told_at_most_once_in_a_while_and_each_talker_for_himself() -> None:
    reports, told = schedule(), []
    for over in range(120):  # an over every second
        reports.over_ended(reception(over_id=over % 32), float(over))
        if reports.due(over + 0.9, False) is not None:
            told.append(over)
    gaps = [b - a for a, b in pairwise(told)]
    assert gaps
    assert min(gaps) >= RULES.every_s - 1
    reports.over_ended(reception(source=77), 119.5)
    assert sent_at(reports, 119.5, 125.0) is not None


def test_a_busy_channel_is_waited_for_and_the_wait_stays_random() -> None:
    after_s = []
    for seed in range(40):
        reports = schedule(seed=seed)
        reports.over_ended(reception(), 0.0)
        at_s = sent_at(reports, 0.0, 14.0, busy_until_s=6.0)
        assert at_s is not None
        after_s.append(at_s - 6.0)
    assert min(after_s) >= RULES.least_s - 0.02
    assert max(after_s) <= RULES.least_s + RULES.spread_s + 0.02
    assert max(after_s) - min(after_s) > RULES.spread_s / 2


def test_a_report_that_found_no_gap_expires() -> None:
    reports = schedule()
    reports.over_ended(reception(), 0.0)
    assert sent_at(reports, 0.0, 30.0, busy_until_s=RULES.expire_s) is None
    assert reports.counters() == {"expired": 1}


def test_another_one_who_told_no_less_loss_is_enough() -> None:
    ours, theirs = LinkReport(2, 1, 3, 20, 2, 2.0, 2), {"source": 5, "about": 1, "over_id": 3, "expected": 20}
    worse = LinkReport(**theirs, lost=2, mean_burst=1.0, longest_burst=1)
    better = LinkReport(**theirs, lost=1, mean_burst=1.0, longest_burst=1)
    other = LinkReport(5, 1, 4, 20, 9, 9.0, 9)
    for heard, is_sent in ((worse, False), (better, True), (other, True)):
        reports = schedule()
        reports.over_ended(reception(), 0.0)
        reports.heard(heard)
        assert (reports.due(10.0, False) == ours) is is_sent
        assert reports.counters() == {"sent" if is_sent else "suppressed": 1}
    schedule().heard(worse)  # nothing waits: nothing happens


def test_members_of_a_group_seldom_collide() -> None:
    """Ten members who all hear each other: a report of 0.2 s, heard by the others when it is over."""
    collided = told = 0
    for over in range(200):
        members = [schedule(station, seed=1000 * over + station) for station in range(2, 12)]
        for member in members:
            member.over_ended(reception(lost=2), 0.0)
        on_air: list[tuple[float, LinkReport]] = []
        for tick in range(300):
            now_s = tick * 0.01
            for member in members:
                for begun_s, report in on_air:
                    if abs(now_s - begun_s - 0.2) < 0.005:
                        member.heard(report)
                busy = any(begun_s + 0.02 < now_s < begun_s + 0.2 for begun_s, _ in on_air)
                due = member.due(now_s, busy)
                if due is not None:
                    on_air.append((now_s, due))
        told += 1
        collided += len(on_air) > 1
    assert told == 200
    assert collided / told < 0.25  # sensed within 20 ms: few begin together


def test_rules_are_checked() -> None:
    with pytest.raises(LocalProtocolError, match="expires before"):
        ReportRules(spread_s=20.0)
    with pytest.raises(LocalProtocolError, match="negative"):
        ReportRules(least_s=-1.0)
