"""Runs that can be repeated, and intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.waveform.figures import Coding
from gateway.waveform.trial import Plan, Tally, passages, share_interval
from gateway.waveform.water import Water

STILL = Water()


def test_the_same_run_again_and_a_longer_one_begins_alike() -> None:
    short, again, longer = (list(passages(STILL, Plan(20, Coding.NONE, packets), 4.0)) for packets in (3, 3, 5))
    for one, other, third in zip(short, again, longer[:3], strict=True):
        assert one.sent == other.sent == third.sent
        assert one.received == other.received == third.received
        assert np.array_equal(one.heard, third.heard)
    assert [p.number for p in longer] == list(range(5))
    assert longer[1].sent_s == pytest.approx(0.264)
    other_seed = next(iter(passages(STILL, Plan(20, Coding.NONE, 1, seed=2), 4.0)))
    assert other_seed.sent != short[0].sent


def test_packets_can_be_sent_at_an_interval() -> None:
    assert [p.sent_s for p in passages(STILL, Plan(5, Coding.NONE, 3, every_s=0.48), 20.0)] == [0, 0.48, 0.96]


def test_counts() -> None:
    plan = Plan(34, Coding.NONE, 20)
    tally = Tally(plan, 5.0)
    wrong = []
    for passage in passages(STILL, plan, 5.0):
        tally.add(passage)
        wrong.append(sum((a ^ b).bit_count() for a, b in zip(passage.sent, passage.received or b"", strict=True)))
    row = tally.row()
    assert (row.packets, row.missed, row.bits, row.bit_errors) == (20, 0, 20 * 272, sum(wrong))
    assert row.damaged == sum(1 for each in wrong if each)
    assert row.delivery == 1 - row.per == pytest.approx(1 - row.damaged / 20)
    assert row.ber_low <= row.ber <= row.ber_high
    assert row.per_low <= row.per <= row.per_high


def test_nothing_heard_is_counted_as_missed() -> None:
    plan = Plan(34, Coding.CONVOLUTIONAL, 4)
    tally = Tally(plan, -15.0)
    for passage in passages(STILL, plan, -15.0):
        assert passage.missed
        tally.add(passage)
    row = tally.row()
    assert (row.missed, row.per, row.bits) == (4, 1.0, 0)
    assert row.per_high == 1.0
    assert (row.ber_low, row.ber_high) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_intervals_hold_the_truth_nineteen_times_in_twenty(share: float) -> None:
    rng = np.random.default_rng(1)
    held = 0
    for count in rng.binomial(200, share, 1000):
        low, high = share_interval(int(count), 200)
        held += low <= share <= high
    assert 920 <= held <= 985
    assert share_interval(0, 0) == (0.0, 1.0)
    assert share_interval(0, 10)[0] == 0.0
    assert share_interval(10, 10)[1] == 1.0
