"""VHF paths: the budget, shadowing and fading on top of each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gateway.channel.impairments import Channel
from gateway.channel.radio import RadioPath
from gateway.channel.spec_file import load_channel
from gateway.channel.vhf import NEAREST_KM, Motion, VhfModel


def snrs(model: VhfModel, step_s: float = 30.0, seeds: int = 300, each: int = 5) -> np.ndarray:
    found = []
    for seed in range(seeds):
        path = model.start(np.random.default_rng(seed), 3.0)
        found += [path.conditions(22, 3 + step_s * i, 3 + step_s * i).snr_db for i in range(each)]
    return np.array(found, float)


@pytest.mark.parametrize(
    "motion",
    [Motion(10, rice_db=None), Motion(10, rice_db=8.0), Motion(10, speed_m_s=14, shadow_db=6.0, shadow_m=20)],
)
def test_snr_fits_its_theory(motion: Motion) -> None:
    model = VhfModel(motion=motion)
    assert stats.kstest(snrs(model), model.snr_cdf).pvalue > 0.01
    farther = VhfModel(motion=Motion(12))
    assert stats.kstest(snrs(model), farther.snr_cdf).pvalue < 1e-6


def test_mean_follows_the_distance() -> None:
    model = VhfModel(motion=Motion(10, away_m_s=20.0, rice_db=40.0))
    path = model.start(np.random.default_rng(1), 0.0)
    for at_s in (0.0, 500.0, 3000.0):
        found = path.conditions(22, at_s, at_s)
        assert found.snr_db == pytest.approx(model.radio.snr_db(10 + at_s / 50), abs=0.5)
        assert found.delay_s == pytest.approx((10 + at_s / 50) / 299_792.458)
        assert found.doppler_hz == pytest.approx(-20 / 299_792_458 * 160e6)
    assert model.snr_cdf(np.zeros(1)) is None, "no steady state while the distance grows"


def test_stations_that_meet_stay_beside_each_other() -> None:
    assert Motion(1, away_m_s=-10).distance_at(1e6) == NEAREST_KM


def test_who_stands_still_keeps_what_was_drawn() -> None:
    model = VhfModel(motion=Motion(10, speed_m_s=0, shadow_db=6))
    path = model.start(np.random.default_rng(1), 0.0)
    assert len({path.conditions(22, at_s, at_s).snr_db for at_s in (0.0, 10.0, 1e4)}) == 1
    others = {model.start(np.random.default_rng(seed), 0.0).conditions(22, 0, 0).snr_db for seed in range(9)}
    assert len(others) == 9


def test_the_boat_that_sails_away_is_lost() -> None:
    channel = Channel(load_channel("vhf-out-of-range"), np.random.default_rng(1))
    arrived = [bool(channel.send(bytes(22), 0.48 * i)) for i in range(7500)]
    assert np.mean(arrived[:500]) > 0.95
    assert np.mean(arrived[-500:]) < 0.2
    assert channel.causes["faded"] > 1000


def test_shadow_stays_alike_over_its_length() -> None:
    radio = RadioPath()
    model = VhfModel(radio, Motion(10, speed_m_s=10, rice_db=60, shadow_db=6, shadow_m=50))
    pairs = []
    for seed in range(400):
        path = model.start(np.random.default_rng(seed), 0.0)
        pairs.append([path.conditions(22, at_s, at_s).snr_db for at_s in (100.0, 105.0)])
    assert np.corrcoef(np.array(pairs, float).T)[0, 1] == pytest.approx(np.exp(-1), abs=0.12)
