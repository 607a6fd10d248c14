"""The learnt cushion: covers the lateness there is, keeps still on steady links, stays in its bounds, ignores drift."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.cushion import AdaptiveCushion, CushionRules, expected_cushion_s

RULES = CushionRules(least_s=0.06, most_s=1.0)
PACKET_S = 0.48


def over(
    cushion: AdaptiveCushion, rng: np.random.Generator, jitter_s: float, packets: int = 0, drift: float = 0.0
) -> list[float]:
    """One over through exponential jitter without overtaking; how late each packet was against a steady clock."""
    late, last_s = [], 0.0
    start_s = float(rng.uniform(0, 1000))
    for n in range(packets or int(rng.integers(6, 40))):
        steady_s = start_s + (n + 1) * PACKET_S * (1 + drift)
        last_s = max(last_s, steady_s + float(rng.exponential(jitter_s) if jitter_s else 0.0))
        late.append(last_s - steady_s)
        cushion.arrived(6 * n, 6, last_s)
    cushion.over_ended()
    return late


def run(jitter_s: float, seed: int, overs: int = 100) -> list[float]:
    cushion, rng = AdaptiveCushion(RULES), np.random.default_rng(seed)
    got = []
    for _ in range(overs):
        over(cushion, rng, jitter_s)
        got.append(cushion.cushion_s)
    return got


def test_a_link_without_jitter_keeps_the_least() -> None:
    assert set(run(0.0, 1)) == {0.06}
    assert set(run(0.005, 1)) == {0.06}


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.5), st.integers(0, 10**6))
def test_no_oscillation_on_steady_links(jitter_s: float, seed: int) -> None:
    settled = run(jitter_s, seed)[20:]
    assert sum(a != b for a, b in pairwise(settled)) <= 6
    assert max(settled) <= 2 * min(settled)


@pytest.mark.parametrize("jitter_s", [0.02, 0.04, 0.1, 0.2])
def test_covers_the_lateness_of_the_overs_that_follow(jitter_s: float) -> None:
    cushion, rng = AdaptiveCushion(RULES), np.random.default_rng(3)
    for _ in range(5):
        over(cushion, rng, jitter_s)
    covered = total = 0
    for _ in range(60):
        waited_s = cushion.cushion_s
        late = over(cushion, rng, jitter_s)
        # The first packet sets the clock: later ones may be later than it by the cushion.
        covered += sum(at - late[0] <= waited_s for at in late)
        total += len(late)
    assert covered / total > 0.95
    assert cushion.cushion_s < 7 * jitter_s + 0.06  # and costs no more delay than it must


def test_rises_within_an_over_and_falls_slowly() -> None:
    cushion, rng = AdaptiveCushion(RULES), np.random.default_rng(5)
    over(cushion, rng, 0.1, packets=40)
    assert cushion.cushion_s > 0.2
    falling = []
    for _ in range(40):
        over(cushion, rng, 0.0, packets=20)
        falling.append(cushion.cushion_s)
    assert falling[1] == falling[0]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < 0.12


@given(st.lists(st.lists(st.floats(0, 1e4), max_size=50), max_size=10))
def test_any_arrivals_stay_within_the_bounds(overs: list[list[float]]) -> None:
    cushion = AdaptiveCushion(RULES)
    for arrivals in overs:
        for n, at_s in enumerate(sorted(arrivals)):
            cushion.arrived(6 * n, 6, at_s)
        cushion.over_ended()
        assert RULES.least_s <= cushion.cushion_s <= RULES.most_s


@pytest.mark.parametrize("ppm", [200, -200, 1000])
def test_drift_of_clocks_is_no_jitter(ppm: int) -> None:
    cushion, rng = AdaptiveCushion(RULES), np.random.default_rng(7)
    over(cushion, rng, 0.0, packets=7500, drift=ppm * 1e-6)
    assert cushion.cushion_s == 0.06


def test_the_short_last_packet_is_left_out() -> None:
    """On a slow link it comes early; the others are not late because of it."""
    cushion = AdaptiveCushion(RULES)
    for n in range(20):
        cushion.arrived(6 * n, 6, n * PACKET_S + 0.3)
    cushion.arrived(120, 1, 20 * PACKET_S - 0.3)
    assert not cushion.over_ended()
    assert cushion.cushion_s == 0.06


def test_an_over_of_one_packet_teaches_nothing() -> None:
    cushion = AdaptiveCushion(RULES)
    cushion.arrived(0, 6, 5.0)
    assert not cushion.over_ended()
    assert not cushion.over_ended()


def test_rules_are_checked() -> None:
    with pytest.raises(LocalProtocolError):
        CushionRules(least_s=0.5, most_s=0.1)
    with pytest.raises(LocalProtocolError):
        CushionRules(0.1, 0.5, memory_packets=0)


@pytest.mark.parametrize("jitter_s", [0.0, 0.04, 0.1])
def test_the_expected_cushion_is_about_the_one_learnt(jitter_s: float) -> None:
    learnt = float(np.mean([run(jitter_s, seed)[-1] for seed in range(10)]))
    assert expected_cushion_s(jitter_s, 0.06) == pytest.approx(learnt, rel=0.2)
