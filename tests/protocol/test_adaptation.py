"""Adaptation: converges within a few overs, keeps still on steady channels, obeys the budget, falls back in silence."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.adaptation import (
    CLEAN_LOSS,
    LEVELS,
    NO_GUARD,
    AdaptationPolicy,
    AdaptationRules,
    Budget,
    Cause,
    Level,
    Rung,
    ladder,
)
from gateway.protocol.live import CHECKSUM, NO_PROTECTION, Fit, LinkProfile, live_row
from gateway.protocol.report import LinkReport, Reception

FREE = LinkProfile("free")
RUNGS = ladder(FREE, Budget(), 6)
RULES = AdaptationRules()


def gilbert_elliott(loss: float, burst: float, rng: random.Random) -> Iterator[bool]:
    after_loss, after_good = 1 - 1 / burst, loss / (burst * (1 - loss))
    lost = rng.random() < loss
    while True:
        lost = rng.random() < (after_loss if lost else after_good)
        yield lost


def heard(losses: list[bool], over_id: int) -> Reception | None:
    """As a receiver counts: from the first to the last packet that came."""
    came = [n for n, lost in enumerate(losses) if not lost]
    if not came:
        return None
    inner = losses[came[0] : came[-1] + 1]
    runs = [sum(1 for _ in run) for lost, run in groupby(inner) if lost]
    return Reception(over_id, len(inner), sum(runs), len(runs), max(runs, default=0))


class Net:
    """A sender with its policy, and receivers behind channels of their own; reports are lost like packets."""

    def __init__(self, policy: AdaptationPolicy, channels: list[tuple[float, float]], seed: int) -> None:
        self.policy, self.rng = policy, random.Random(seed)
        self.channels = [gilbert_elliott(loss, burst, self.rng) for loss, burst in channels]
        self.losses = [loss for loss, _ in channels]
        self.over = 0
        self.places: list[int] = []

    def run(self, overs: int, reporting: bool = True) -> list[int]:
        """The rungs of so many overs of 8 to 40 packets."""
        places = []
        for _ in range(overs):
            choice = self.policy.next_over()
            places.append(RUNGS.index(choice.rung))
            self.over += 1
            self.policy.over_sent(self.over % 32)
            count = self.rng.randint(8, 40)
            for who, channel in enumerate(self.channels):
                reception = heard([next(channel) for _ in range(count)], self.over % 32)
                if reporting and reception is not None and self.rng.random() >= self.losses[who]:
                    self.policy.heard(LinkReport.of(reception, source=10 + who, about=1))
        self.places += places
        return places


def changes(places: list[int]) -> int:
    return sum(a != b for a, b in pairwise(places))


def test_the_ladder_of_a_free_link() -> None:
    assert [(rung.frames_per_packet, rung.level.protection.name) for rung in RUNGS] == [
        (6, "none"),
        (3, "none"),
        (3, "two-byte-repeat d=2"),
        (3, "reed-solomon (6,4) depth 2"),
    ]
    assert [rung.level.up_to_loss for rung in RUNGS] == [CLEAN_LOSS, 0.03, 0.08, 1.0]
    assert RUNGS[2].text == "240 ms packets, two-byte-repeat d=2"
    assert RUNGS[0].text == "480 ms packets, no protection"


@given(
    st.builds(
        LinkProfile,
        st.just("x"),
        st.none() | st.floats(100, 5000),
        st.integers(0, 30),
        mtu_bytes=st.none() | st.integers(20, 200),
    ),
    st.builds(
        Budget, st.floats(320, 1500), st.integers(1, 6), st.integers(6, 24), st.sampled_from([CHECKSUM, NO_PROTECTION])
    ),
    st.integers(1, 24),
)
def test_every_ladder_stays_within_the_budget(profile: LinkProfile, budget: Budget, frames: int) -> None:
    rungs = ladder(profile, budget, frames)
    assert (rungs[0].frames_per_packet, rungs[0].level.protection) == (frames, NO_PROTECTION)
    for rung in rungs[1:]:
        row = live_row(profile, rung.frames_per_packet, budget.always.with_(rung.level.protection))
        assert row.fit is Fit.LIVE
        assert row.on_air_bps == rung.on_air_bps <= budget.max_bps
        assert budget.shortest <= rung.frames_per_packet <= budget.longest
    limits = [rung.level.up_to_loss for rung in rungs]
    assert limits == sorted(limits)
    assert len({(rung.frames_per_packet, rung.level.protection) for rung in rungs}) == len(rungs)


@settings(max_examples=60, deadline=None)
@given(loss=st.floats(0, 0.4), burst=st.floats(1, 8), seed=st.integers(0, 10**6), receivers=st.integers(1, 3))
def test_no_oscillation_on_steady_channels(loss: float, burst: float, seed: int, receivers: int) -> None:
    burst = max(burst, loss / (1 - loss) + 1e-9, 1.0)
    net = Net(AdaptationPolicy(RUNGS), [(loss, burst)] * receivers, seed)
    net.run(60)
    settled = net.run(140)
    assert changes(settled) <= 8
    assert net.policy.changes == changes(net.places)


def test_changes_die_out_also_on_the_threshold() -> None:
    """Loss exactly between two levels is the worst case: two hundred overs, thirty seeds."""
    counts = []
    for seed in range(30):
        net = Net(AdaptationPolicy(RUNGS), [(0.08, 2.0)], seed)
        net.run(100)
        counts.append(changes(net.run(100)))
    assert sum(counts) / len(counts) < 1.5
    assert max(counts) <= 4


@pytest.mark.parametrize(
    ("loss", "burst", "least", "within"), [(0.4, 2.0, 3, 4), (0.2, 2.0, 2, 5), (0.1, 2.0, 2, 12), (0.2, 8.0, 1, 12)]
)
def test_converges_within_a_few_overs(loss: float, burst: float, least: int, within: int) -> None:
    """Nine of ten seeds have reached enough protection after so many overs, and those after it keep it."""
    reached = 0
    for seed in range(50):
        places = Net(AdaptationPolicy(RUNGS), [(loss, burst)], seed).run(within + 1)
        reached += places[-1] >= least
    assert reached >= 45


def test_a_clean_channel_is_left_alone() -> None:
    for seed in range(20):
        assert set(Net(AdaptationPolicy(RUNGS), [(0.0, 1.0)], seed).run(100)) == {0}


def test_comes_back_down_when_the_channel_clears() -> None:
    net = Net(AdaptationPolicy(RUNGS), [(0.25, 2.0)], 1)
    assert net.run(20)[-1] == 3
    net.channels, net.losses = [gilbert_elliott(0.0001, 1.0, net.rng)], [0.0]
    assert net.run(100)[-1] == 0
    assert net.places == sorted(net.places[:20]) + sorted(net.places[20:], reverse=True)


def test_the_worst_receiver_of_a_group_decides() -> None:
    for seed in range(10):
        places = Net(AdaptationPolicy(RUNGS), [(0.0, 1.0), (0.3, 2.0), (0.01, 1.0)], seed).run(12)
        assert places[-1] == 3


def test_falls_back_when_reports_stop() -> None:
    policy = AdaptationPolicy(RUNGS)
    net = Net(policy, [(0.3, 2.0)], 3)
    assert net.run(12)[-1] == 3
    silent = net.run(RULES.silent_overs + 2, reporting=False)
    assert silent[: RULES.silent_overs - 1] == [3] * (RULES.silent_overs - 1)
    assert silent[-1] == 0
    assert changes(silent) == 1


def test_falls_back_to_what_is_configured() -> None:
    policy = AdaptationPolicy(RUNGS, start=2)
    assert policy.next_over().rung == RUNGS[2]
    for over in range(60):
        policy.over_sent(over % 32)
        policy.heard(LinkReport(9, 1, over % 32, 40, 0, 0.0, 0))
        choice = policy.next_over()
    assert choice.rung == RUNGS[0]
    for _ in range(RULES.silent_overs + 2):
        choice = policy.next_over()
    assert choice.rung == RUNGS[2]


def test_the_causes_that_the_operator_is_told() -> None:
    policy = AdaptationPolicy(RUNGS)
    first = policy.next_over()
    assert (first.cause, first.is_news) == (Cause.START, False)
    policy.over_sent(4)
    assert policy.heard(LinkReport(9, 1, 4, 40, 20, 2.0, 5))
    up = policy.next_over()
    assert (up.cause, up.is_news, up.rung) == (Cause.LOSS, True, RUNGS[3])
    assert (up.loss, up.mean_burst) == (0.5, pytest.approx(2.0, abs=0.1))
    assert policy.next_over().cause is Cause.STEADY
    for _ in range(RULES.silent_overs):
        last = policy.next_over()
    assert (last.cause, last.is_news, last.loss) == (Cause.SILENCE, True, None)


def test_late_packets_count_as_lost() -> None:
    policy = AdaptationPolicy(RUNGS)
    policy.next_over()
    policy.over_sent(4)
    policy.heard(LinkReport(9, 1, 4, 40, 0, 0.0, 0, late=20))
    assert policy.next_over().rung == RUNGS[3]


def test_copies_and_reports_on_strange_overs_change_nothing() -> None:
    policy = AdaptationPolicy(RUNGS)
    policy.next_over()
    policy.over_sent(4)
    report = LinkReport(9, 1, 4, 40, 0, 0.0, 0)
    assert policy.heard(report)
    assert not policy.heard(report)
    assert not policy.heard(LinkReport(9, 1, 5, 40, 39, 39.0 - 8, 39))
    for _ in range(20):
        policy.next_over()
    assert not policy.heard(LinkReport(8, 1, 4, 40, 20, 2.0, 5))  # of an over long gone


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 31), st.integers(1, 60), st.booleans()), max_size=80))
def test_any_reports_leave_a_rung_of_the_ladder(told: list[tuple[int, int, int, bool]]) -> None:
    policy = AdaptationPolicy(RUNGS)
    for over, (source, over_id, expected, lossy) in enumerate(told):
        assert policy.next_over().rung in RUNGS
        policy.over_sent(over % 32)
        lost = expected - 1 if lossy else 0
        burst = min(float(lost), 31.0)
        policy.heard(LinkReport(source, 1, over_id, expected, lost, burst, lost))


def test_nonsense_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        ladder(FREE, Budget(), 6, ())
    with pytest.raises(LocalProtocolError):
        AdaptationPolicy(())
    with pytest.raises(LocalProtocolError):
        AdaptationPolicy(RUNGS, start=4)
    with pytest.raises(LocalProtocolError):
        Budget(shortest=9, longest=3)


def test_a_station_with_one_level_only_changes_its_packet_size() -> None:
    rungs = ladder(FREE, Budget(), 6, LEVELS[:1])
    assert [(rung.frames_per_packet, rung.level.protection) for rung in rungs] == [
        (6, NO_PROTECTION),
        (3, NO_PROTECTION),
    ]
    assert ladder(FREE, Budget(), 3, LEVELS[:1]) == (
        Rung(3, Level(NO_PROTECTION, 0.03, NO_GUARD), rungs[1].on_air_bps),
    )
