"""Link budgets against published and hand-worked figures."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from gateway.channel.radio import (
    Noise,
    RadioPath,
    Terrain,
    diffraction_db,
    free_space_db,
    hata_db,
    noise_dbm,
    plane_earth_db,
)


def test_free_space_by_the_rule_of_thumb() -> None:
    """32.44 + 20 log f(MHz) + 20 log d(km)."""
    assert free_space_db(160e6, 10) == pytest.approx(32.44 + 44.08 + 20, abs=0.05)


def test_hata_by_hand() -> None:
    """900 MHz, 30 m and 1.5 m, 1 km: 126.4 dB in a town, 9.9 less in suburbs, 28.5 less in the open."""
    town = hata_db(Terrain.TOWN, 900e6, 1, 30, 1.5)
    assert town == pytest.approx(126.4, abs=0.1)
    assert town - hata_db(Terrain.SUBURB, 900e6, 1, 30, 1.5) == pytest.approx(9.9, abs=0.1)
    assert town - hata_db(Terrain.OPEN, 900e6, 1, 30, 1.5) == pytest.approx(28.5, abs=0.1)
    assert hata_db(Terrain.TOWN, 900e6, 10, 30, 1.5) - town == pytest.approx(35.2, abs=0.1)


def test_plane_earth_is_12_db_a_doubling() -> None:
    assert plane_earth_db(20, 8, 4) - plane_earth_db(10, 8, 4) == pytest.approx(12.04, abs=0.01)
    assert plane_earth_db(10, 8, 4) == pytest.approx(160 - 20 * math.log10(32))


def test_behind_the_horizon_the_loss_grows_by_the_kilometre() -> None:
    """P.526: 17.6 dB per unit of X, which at 157 MHz is 35 km: about half a dB a kilometre, less 10 log X."""
    near, far = diffraction_db(157e6, 60, 8, 4), diffraction_db(157e6, 100, 8, 4)
    x = 2.188 * 157 ** (1 / 3) * 8500 ** (-2 / 3)
    assert far - near == pytest.approx(17.6 * 40 * x - 10 * math.log10(100 / 60), abs=0.01)
    assert 0.4 < (far - near) / 40 < 0.6


def test_loss_at_sea_has_no_cliff() -> None:
    radio = RadioPath(157e6, heights_m=(8, 4), terrain=Terrain.SEA)
    assert radio.horizon_km == pytest.approx(4.12 * (math.sqrt(8) + 2), rel=0.01)
    losses = [radio.loss_db(0.1 * step) for step in range(1, 1000)]
    steps = [after - before for before, after in pairwise(losses)]
    assert min(steps) >= 0
    assert max(steps[10:]) < 4


def test_noise() -> None:
    assert noise_dbm(1.0, 160e6, 0.0, Noise.NONE) == pytest.approx(-174, abs=0.01)
    assert noise_dbm(12_500, 160e6, 6.0, Noise.NONE) == pytest.approx(-174 + 40.97 + 6, abs=0.01)
    # City at 160 MHz: 76.8 - 27.7 log 160 = 15.7 dB, together with the 6 dB of the receiver 16.1 dB.
    assert noise_dbm(12_500, 160e6, 6.0, Noise.CITY) == pytest.approx(-174 + 40.97 + 16.1, abs=0.1)


def test_marine_vhf_reaches_as_far_as_sailors_say() -> None:
    """25 W between two boats: 12 dB of SNR (a clear FM voice) at some 15 to 20 nautical miles."""
    radio = RadioPath(157e6, 44, 4, (8, 4), Terrain.SEA, noise=Noise.RURAL)
    reach_km = next(km for km in range(1, 200) if radio.snr_db(km) < 12)
    assert 22 < reach_km < 45


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"terrain": Terrain.TOWN}, "heights_m: got 10; needed: 30 to 200"),
        ({"terrain": Terrain.OPEN, "frequency_hz": 2.4e9, "heights_m": (30, 2)}, "frequency_hz: got 2.4e"),
        ({"heights_m": (0, 1)}, "heights_m: got 0"),
        ({"bandwidth_hz": 0}, "bandwidth_hz: got 0"),
    ],
)
def test_formulas_keep_to_their_ground(figures: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RadioPath(**figures)  # type: ignore[arg-type]
