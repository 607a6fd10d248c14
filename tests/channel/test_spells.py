"""States in turn and slow drift are functions of time."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gateway.channel.spells import Drift, Spells


def three() -> Spells[str]:
    return Spells(iter(itertools.cycle([("a", 1.0), ("b", 2.0), ("c", 0.5)])), 10.0)


def test_states_begin_and_end_on_time() -> None:
    spells = three()
    assert [spells.at(at_s) for at_s in (10.0, 10.999, 11.0, 12.9, 13.0, 13.5, 20.5)] == list("aabbcaa")


def test_all_states_of_a_span_are_found() -> None:
    assert three().during(10.5, 10.9) == ["a"]
    assert three().during(10.5, 11.0) == ["a", "b"]
    assert three().during(10.0, 14.0) == ["a", "b", "c", "a"]


def test_drift_is_normal_and_forgets_as_it_should() -> None:
    values = []
    pairs = []
    for seed in range(400):
        drift = Drift(np.random.default_rng(seed), 8.0, 100.0)
        at = [drift.at(100.0 + 0.8 * 10 * i) for i in range(20)]  # on the grid, one correlation time apart
        values.append(at[::10])
        pairs += list(itertools.pairwise(at))
    assert stats.kstest(np.ravel(values), stats.norm.cdf).pvalue > 0.01
    before, after = np.array(pairs).T
    assert np.mean(before * after) == pytest.approx(math.exp(-1), abs=0.05)


def test_drift_between_its_points_is_nearly_as_wide() -> None:
    drift = Drift(np.random.default_rng(2), 1.0, 0.0)
    assert np.std([drift.at(0.37 * i) for i in range(20_000)]) == pytest.approx(0.984, abs=0.03)


def test_drift_does_not_depend_on_who_asks() -> None:
    often, once = (Drift(np.random.default_rng(1), 8.0, 0.0) for _ in range(2))
    for at_s in np.linspace(0, 5000, 3000):
        often.at(float(at_s))
    assert often.at(5000.0) == once.at(5000.0)


def test_drift_goes_on_after_years() -> None:
    drift = Drift(np.random.default_rng(1), 0.5, 0.0)
    values = [drift.at(1e8 + 0.001 * i) for i in range(200_000)]
    assert np.std(values) == pytest.approx(1, abs=0.2)
    assert max(abs(after - before) for before, after in itertools.pairwise(values)) < 0.1  # no jump between blocks
