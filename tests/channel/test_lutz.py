"""The land-mobile model against the figures of Lutz 1991."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from gateway.channel.lutz import LutzModel, LutzPath
from gateway.channel.spec_file import load_channel

CITY = LutzModel(speed_m_s=10.0)
HIGHWAY = LutzModel(speed_m_s=30.0, good_m=90, bad_m=29, rice_db=11.9, mu_db=-7.7, sigma_db=6.0)


def path_of(model: LutzModel, seed: int) -> LutzPath:
    path = model.start(np.random.default_rng(seed), 50.0)
    assert isinstance(path, LutzPath)
    return path


def in_shadow(model: LutzModel, seed: int, hours: float, step_s: float) -> np.ndarray:
    path = path_of(model, seed)
    return np.array([path.shadow_at(50.0 + at_s) is not None for at_s in np.arange(0, 3600 * hours, step_s)])


@pytest.mark.parametrize(("model", "published"), [(CITY, 0.66), (HIGHWAY, 0.25)])
def test_time_share_of_shadow(model: LutzModel, published: float) -> None:
    share = np.mean([in_shadow(model, seed, 4.0, 0.48).mean() for seed in range(4)])
    assert share == pytest.approx(model.shadowed_share, rel=0.03)
    assert share == pytest.approx(published, rel=0.03)


@pytest.mark.parametrize("model", [CITY, HIGHWAY])
def test_mean_lengths_of_view_and_shadow(model: LutzModel) -> None:
    step_s = 0.25 / model.speed_m_s
    shadow = in_shadow(model, 9, 100 / model.speed_m_s, step_s)
    runs = [(is_bad, len(list(run)) * step_s * model.speed_m_s) for is_bad, run in itertools.groupby(shadow)][1:-1]
    for is_bad, mean_m in ((False, model.good_m), (True, model.bad_m)):
        lengths = np.array([length for state, length in runs if state == is_bad])
        assert np.mean(lengths) == pytest.approx(mean_m, rel=0.06)
        assert np.std(lengths) == pytest.approx(mean_m, rel=0.12)  # exponential


def test_half_the_speed_twice_the_time() -> None:
    fast, slow = path_of(CITY, 3), path_of(LutzModel(speed_m_s=5.0), 3)
    for at_s in np.arange(0, 2000, 0.7):
        assert (fast.shadow_at(50 + at_s) is None) == (slow.shadow_at(50 + 2 * at_s) is None)


@pytest.mark.parametrize("model", [CITY, HIGHWAY])
def test_envelope_fits_its_theory(model: LutzModel) -> None:
    found = []
    for seed in range(150):
        path = path_of(model, seed)
        found += [path.conditions(1, 50 + 40.0 * i, 50 + 40.0 * i).snr_db for i in range(20)]
    assert stats.kstest(found, model.snr_cdf).pvalue > 0.01
    other = LutzModel(good_m=60, bad_m=60, mu_db=-14)
    assert stats.kstest(found, other.snr_cdf).pvalue < 1e-6


def test_shadows_differ_by_their_lognormal() -> None:
    means_db: dict[float, None] = {}
    for seed in range(20):
        path = path_of(HIGHWAY, seed)
        for at_s in np.arange(0, 400, 0.1):
            shadow = path.shadow_at(50.0 + at_s)
            if shadow is not None:
                means_db[10 * np.log10(shadow)] = None
    assert stats.kstest(list(means_db), stats.norm(-7.7, 6.0).cdf).pvalue > 0.01


def test_loss_is_told_apart_by_its_cause() -> None:
    path = path_of(CITY, 1)
    for at_s in np.arange(50, 300, 0.48):
        begin_s = float(at_s)
        found = path.conditions(22, begin_s, begin_s)
        assert (found.cause == "shadowed") == (path.shadow_at(begin_s) is not None)


@pytest.mark.parametrize(("name", "model"), [("lutz-city", CITY), ("lutz-highway", HIGHWAY)])
def test_presets_hold_the_published_figures(name: str, model: LutzModel) -> None:
    preset = load_channel(name).model
    assert isinstance(preset, LutzModel)
    for figure in ("good_m", "bad_m", "rice_db", "mu_db", "sigma_db", "speed_m_s"):
        assert getattr(preset, figure) == getattr(model, figure)


def test_a_parked_car_has_no_states() -> None:
    with pytest.raises(ValueError, match="speed_m_s: got 0"):
        LutzModel(speed_m_s=0)
