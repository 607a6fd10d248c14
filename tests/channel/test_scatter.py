"""Fading by sums of sinusoids: its distribution and its memory."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gateway.channel.scatter import GaussianScatter, Swell


def test_the_envelope_is_rayleighs() -> None:
    """Kolmogorov-Smirnov over many processes at one time: what one of them does is a draw from this."""
    drawn = np.abs(GaussianScatter(2000, np.random.default_rng(1)).at(np.array([7.0]), np.ones(2000))[:, 0])
    assert stats.kstest(drawn, "rayleigh", args=(0, np.sqrt(0.5))).pvalue > 0.05
    assert stats.kstest(drawn, "rayleigh", args=(0, 0.8)).pvalue < 0.001


def test_it_forgets_as_its_spread_says() -> None:
    times = np.linspace(0, 0.5, 26)
    found = GaussianScatter(4000, np.random.default_rng(2)).at(times, np.full(4000, 0.7))
    memory = (found * found[:, :1].conj()).mean(axis=0).real
    assert memory == pytest.approx(np.exp(-((2 * np.pi * 0.7 * times) ** 2) / 2), abs=0.05)


def test_processes_are_independent_and_a_function_of_time() -> None:
    scatter = GaussianScatter(2, np.random.default_rng(3))
    times = np.arange(0, 2000, 0.9)
    a, b = scatter.at(times, np.ones(2))
    assert abs(np.mean(a * b.conj())) < 0.1
    assert np.mean(np.abs(a) ** 2) == pytest.approx(1, abs=0.1)
    assert scatter.at(times[5:6], np.ones(2))[:, 0] == pytest.approx(scatter.at(times, np.ones(2))[:, 5])


def test_swell_is_normal_and_slow() -> None:
    drawn = np.array([[swell.at(t) for t in (0.0, 30.0, 400.0)] for swell in _swells(2000)])
    assert stats.kstest(drawn[:, 0], "norm").pvalue > 0.05
    assert np.corrcoef(drawn.T)[0] == pytest.approx([1, np.exp(-0.5), 0], abs=0.06)


def _swells(count: int) -> list[Swell]:
    return [Swell(30, rng) for rng in np.random.default_rng(4).spawn(count)]
