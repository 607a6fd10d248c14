"""Fading against its theory: envelope by goodness of fit, correlation, crossings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from gateway.channel.fading import MAX_PARTS, ClarkeScatter, RiceFader, part_times, rice_power_cdf, rice_power_pdf

DOPPLER_HZ = 20.0
ONE_PERCENT = 0.01


def decorrelated(k: float, seeds: int = 40, each: int = 100) -> np.ndarray:
    """Power at moments many fades apart, from several makings of a path."""
    moments = np.arange(each) * 50.0 / DOPPLER_HZ
    faders = [RiceFader(np.random.default_rng(seed), DOPPLER_HZ, k) for seed in range(seeds)]
    return np.concatenate([fader.power(moments + 0.01 * seed) for seed, fader in enumerate(faders)])


def test_rayleigh_envelope_fits() -> None:
    envelope = np.sqrt(decorrelated(0.0))
    assert stats.kstest(envelope, stats.rayleigh(scale=math.sqrt(0.5)).cdf).pvalue > ONE_PERCENT


@pytest.mark.parametrize("rice_db", [0.0, 6.0, 11.9])
def test_rice_envelope_fits(rice_db: float) -> None:
    k = 10 ** (rice_db / 10)
    scale = math.sqrt(1 / (2 * (1 + k)))
    envelope = np.sqrt(decorrelated(k))
    assert stats.kstest(envelope, stats.rice(math.sqrt(2 * k), scale=scale).cdf).pvalue > ONE_PERCENT
    # The test would notice another Rice factor.
    other = 2 * k
    wrong = stats.rice(math.sqrt(2 * other), scale=math.sqrt(1 / (2 * (1 + other))))
    assert stats.kstest(envelope, wrong.cdf).pvalue < 1e-6


def test_one_path_alone_fits_nearly() -> None:
    power = ClarkeScatter(np.random.default_rng(5), DOPPLER_HZ).gain(np.arange(20_000) * 2.5)
    assert stats.kstest(np.abs(power) ** 2, stats.expon.cdf).statistic < 0.02


def test_correlation_is_that_of_clarke() -> None:
    lags = np.array([0.0, 0.2, 0.383, 0.6]) / DOPPLER_HZ
    found = np.zeros(len(lags), complex)
    for seed in range(300):
        scatter = ClarkeScatter(np.random.default_rng(seed), DOPPLER_HZ)
        moments = np.arange(40) * 1.7
        gain = scatter.gain(moments)
        found += [np.mean(np.conj(gain) * scatter.gain(moments + lag)) for lag in lags]
    assert found / 300 == pytest.approx(special.j0(2 * math.pi * DOPPLER_HZ * lags), abs=0.03)


def test_fades_come_as_often_as_rice_says() -> None:
    """Level crossing rate of a Rayleigh envelope: sqrt(2 pi) f_D rho exp(-rho^2), rho 0.3 of the rms (Rice 1948)."""
    crossings, span_s = 0, 0.0
    for seed in range(20):
        moments = np.arange(40_000) / (50 * DOPPLER_HZ)
        below = np.abs(ClarkeScatter(np.random.default_rng(seed), DOPPLER_HZ).gain(moments)) < 0.3
        crossings += int(np.count_nonzero(below[1:] & ~below[:-1]))
        span_s += moments[-1]
    expected = math.sqrt(2 * math.pi) * DOPPLER_HZ * 0.3 * math.exp(-0.09)
    assert crossings / span_s == pytest.approx(expected, rel=0.05)


def test_any_moment_can_be_asked_for() -> None:
    fader = RiceFader(np.random.default_rng(3), DOPPLER_HZ, 2.0)
    moments = np.array([5.0, 0.0, 1e6])
    assert fader.power(moments) == pytest.approx([fader.power(np.array([one]))[0] for one in moments], rel=1e-6)


@pytest.mark.parametrize("k", [0.0, 0.5, 4.0, 40.0, 1000.0])
def test_distribution_of_the_power(k: float) -> None:
    power = np.linspace(0.01, 4, 50)
    envelope = stats.rice(math.sqrt(2 * k), scale=math.sqrt(1 / (2 * (1 + k))))
    assert rice_power_cdf(power, k) == pytest.approx(envelope.cdf(np.sqrt(power)), abs=2e-4)
    assert rice_power_pdf(power, k) == pytest.approx(envelope.pdf(np.sqrt(power)) / (2 * np.sqrt(power)), abs=1e-3)


def test_a_packet_is_looked_at_where_it_fades() -> None:
    assert part_times(3.0, 3.0, 100.0).tolist() == [3.0]
    assert part_times(0.0, 0.1, 20.0) == pytest.approx([0.00625 + 0.0125 * i for i in range(8)])
    assert len(part_times(0.0, 10.0, 100.0)) == MAX_PARTS
