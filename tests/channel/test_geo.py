"""The geostationary satellite: delay by hand, rain and scintillation by their distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gateway.channel.geo import GeoModel
from gateway.channel.spec_file import load_channel

RAINY = GeoModel(rain_1pct_db=1.5, rain_01pct_db=5.0, scintillation_db=0.3)


def test_delay_from_overhead_to_the_horizon() -> None:
    """2 x 35 793 km and 2 x 41 680 km at the speed of light: the 240 to 280 ms of the books."""
    overhead = GeoModel(0, 13, 0, 13, satellite_deg=13)
    assert 1000 * overhead.usual_delay_s == pytest.approx(238.8, abs=0.1)
    horizon = GeoModel(0, 0, 0, 0, satellite_deg=81.2)
    assert 1000 * horizon.usual_delay_s == pytest.approx(278.0, abs=0.3)
    assert GeoModel(processing_ms=20).usual_delay_s == pytest.approx(GeoModel().usual_delay_s + 0.02)
    path = overhead.start(np.random.default_rng(1), 0.0)
    assert path.conditions(22, 1.0, 1.1).delay_s == overhead.usual_delay_s


@pytest.mark.parametrize("name", ["geo-ku-rain", "geo-ka-storm", "geo-far-north"])
def test_presets_have_the_delay_of_the_books(name: str) -> None:
    spec = load_channel(name)
    assert isinstance(spec.model, GeoModel)
    assert 0.24 <= spec.usual_delay_s <= 0.30


def test_a_satellite_below_the_horizon_is_refused() -> None:
    with pytest.raises(ValueError, match=r"satellite_deg: .* below the horizon of the `to` station"):
        GeoModel(to_north_deg=85.0)


def moments(model: GeoModel) -> np.ndarray:
    """SNR at moments hours apart, from several makings."""
    found = []
    for seed in range(60):
        path = model.start(np.random.default_rng(seed), 0.0)
        found += [path.conditions(22, at_s, at_s).snr_db for at_s in np.arange(1, 80) * 15_000.0]
    return np.array(found, float)


def test_rain_takes_what_the_planner_says() -> None:
    model = GeoModel(snr_db=12.0, rain_1pct_db=1.5, rain_01pct_db=5.0)
    taken = 12.0 - moments(model)
    assert np.mean(taken > 1.5) == pytest.approx(0.01, rel=0.35)
    assert stats.kstest(12.0 - taken, model.snr_cdf).pvalue > 0.01


def test_rain_and_scintillation_together_fit_theory() -> None:
    paths = [RAINY.start(np.random.default_rng(seed), 0.0) for seed in range(3000)]
    found = [path.conditions(22, 30.0, 30.0).snr_db for path in paths]
    assert stats.kstest(found, RAINY.snr_cdf).pvalue > 0.01
    assert stats.kstest(found, GeoModel(scintillation_db=0.6).snr_cdf).pvalue < 1e-6
    assert RAINY.snr_cdf(np.array([12.0 - 5.0]))[0] == pytest.approx(0.001, rel=0.1)


def test_a_storm_lasts_for_minutes() -> None:
    model = GeoModel(snr_db=14.0, rain_1pct_db=5.0, rain_01pct_db=16.0)
    path = model.start(np.random.default_rng(0), 0.0)
    taken = np.array([14.0 - float(path.conditions(22, at_s, at_s).snr_db or 0) for at_s in np.arange(0, 3e6, 60.0)])
    deep = taken > 5.0
    begins = np.count_nonzero(deep[1:] & ~deep[:-1])
    assert begins > 3
    assert 60 * np.count_nonzero(deep) / begins > 180


def test_clear_sky_stays_clear() -> None:
    path = GeoModel(snr_db=12.0).start(np.random.default_rng(0), 0.0)
    assert {path.conditions(22, at_s, at_s).snr_db for at_s in (0.0, 1e4, 1e6)} == {12.0}


def test_rarer_rain_is_heavier() -> None:
    with pytest.raises(ValueError, match="rain_01pct_db: needs"):
        GeoModel(rain_1pct_db=3.0, rain_01pct_db=2.0)
