"""LEO passes: begin and end by hand, hand-overs, gaps, what a packet meets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from gateway.channel.conditions import Conditions, Path
from gateway.channel.leo_pass import HANDOVER, NO_SATELLITE, LeoPassModel
from gateway.channel.orbit import EARTH_M, slant_range_m
from gateway.channel.spec_file import load_channel

POLAR = LeoPassModel(780.0, 90.0, latitude_deg=90.0, longitude_deg=0.0, min_elevation_deg=10.0)


def walk(model: LeoPassModel, seconds: float, step_s: float, seed: int = 1) -> list[Conditions]:
    path: Path = model.start(np.random.default_rng(seed), 1000.0)
    return [path.conditions(22, 1000 + at_s, 1000 + at_s) for at_s in np.arange(0, seconds, step_s).tolist()]


def runs(found: list[Conditions]) -> list[tuple[str, int]]:
    words = [one.cause if one.loss == 1.0 else "up" for one in found]
    return [(word, len(list(run))) for word, run in itertools.groupby(words)]


def test_pass_begins_and_ends_where_geometry_says() -> None:
    """Half the arc above 10 degrees: acos(R cos e / r) - e = 18.67 degrees, 625 s of pass out of 6025 s."""
    half = math.acos(EARTH_M * math.cos(math.radians(10)) / (EARTH_M + 780e3)) - math.radians(10)
    rate = POLAR.constellation.rate
    found = runs(walk(POLAR, 9000, 0.5))
    (before, wait), (up, length), (after, _) = found[:3]
    assert (before, up, after) == (NO_SATELLITE, "up", NO_SATELLITE)
    assert wait * 0.5 == pytest.approx((math.pi / 2 - half) / rate, abs=1.0)
    assert length * 0.5 == pytest.approx(2 * half / rate, abs=1.0)
    assert length * 0.5 == pytest.approx(625, abs=3)


def test_delay_doppler_and_snr_over_a_pass() -> None:
    model = LeoPassModel(780.0, 90.0, latitude_deg=90.0, longitude_deg=0.0, snr_db=20.0, frequency_hz=1626e6)
    found = [one for one in walk(model, 4000, 1.0) if one.loss < 1]
    delays = np.array([one.delay_s for one in found])
    dopplers = np.array([one.doppler_hz for one in found], float)
    snrs = np.array([one.snr_db for one in found], float)
    assert 1000 * delays.min() == pytest.approx(2 * 780e3 / 299_792.458, abs=0.01)  # 5.2 ms, up and down
    edge_m = slant_range_m(EARTH_M + 780e3, 10)
    assert 1000 * delays.max() == pytest.approx(2 * edge_m / 299_792.458, abs=0.05)
    assert dopplers[0] == pytest.approx(36.0e3 * math.cos(math.radians(10)), rel=0.01)
    assert dopplers[-1] == pytest.approx(-dopplers[0], rel=0.01)
    assert abs(dopplers[int(np.argmin(delays))]) < 250
    assert np.all(np.diff(dopplers) < 0)
    assert snrs.max() == pytest.approx(20, abs=0.01)
    assert snrs.min() == pytest.approx(20 - 20 * math.log10(edge_m / 780e3), abs=0.03)


def test_iridium_covers_always_and_changes_every_few_minutes() -> None:
    model = load_channel("leo-iridium").model
    assert isinstance(model, LeoPassModel)
    found = runs(walk(model, 2 * 3600, 0.1))
    assert NO_SATELLITE not in dict(found)
    changes = [count for word, count in found if word == HANDOVER]
    assert all(abs(count - 3) <= 1 for count in changes)  # 0.3 s each
    assert 3 * 60 < 2 * 3600 / len(changes) < 11 * 60  # Iridium says 9 minutes of view


def test_a_lone_satellite_leaves_hours_between_groups_of_passes() -> None:
    model = load_channel("leo-cubesat").model
    assert isinstance(model, LeoPassModel)
    found = runs(walk(model, 24 * 3600, 10.0))
    gaps_s = [10 * count for word, count in found if word == NO_SATELLITE][:-1]
    passes_s = [10 * count for word, count in found if word != NO_SATELLITE]
    assert found[0][0] != NO_SATELLITE, "the preset begins with a pass"
    assert max(gaps_s) > 4 * 3600
    assert min(gaps_s) > 80 * 60
    assert 240 < passes_s[0] < 720


def test_stations_change_together_every_dwell() -> None:
    model = LeoPassModel(
        550.0, 53.0, 24, 22, phasing=7, latitude_deg=40.0, min_elevation_deg=25.0, dwell_s=15.0, handover_s=0.2
    )
    words = [one.cause if one.loss == 1 else "up" for one in walk(model, 600, 0.1)]
    begins = [i for i in range(1, len(words)) if words[i] == HANDOVER and words[i - 1] != HANDOVER]
    assert len(begins) > 5
    on_the_clock = [i for i in begins if abs((i + 75) % 150 - 75) <= 1]
    assert len(on_the_clock) > 0.7 * len(begins)  # the others set in between


def test_a_packet_across_the_end_of_a_pass_is_lost() -> None:
    path = POLAR.start(np.random.default_rng(1), 0.0)
    half = math.acos(EARTH_M * math.cos(math.radians(10)) / (EARTH_M + 780e3)) - math.radians(10)
    sets_s = (math.pi / 2 + half) / POLAR.constellation.rate
    assert path.conditions(22, sets_s - 1.0, sets_s - 0.5).loss == 0
    assert path.conditions(22, sets_s - 0.2, sets_s + 0.2).cause == NO_SATELLITE


def test_a_station_that_is_never_covered_waits_for_ever() -> None:
    model = LeoPassModel(500.0, 10.0, latitude_deg=80.0)
    path = model.start(np.random.default_rng(1), 0.0)
    assert path.conditions(22, 3e5, 3e5).cause == NO_SATELLITE


def test_the_hour_is_drawn_unless_the_longitude_is_given() -> None:
    model = LeoPassModel(planes=6, per_plane=11, spread_deg=189.6)
    assert len({walk(model, 1, 1, seed)[0].delay_s for seed in range(8)}) == 8
    fixed = LeoPassModel(latitude_deg=20.0, per_plane=9, longitude_deg=5.0)
    assert walk(fixed, 100, 5, 1) == walk(fixed, 100, 5, 2)


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"altitude_km": 10}, "altitude_km: got 10"),
        ({"planes": 500, "per_plane": 500}, "per_plane: got 250000"),
        ({"rice_db": 3}, "snr_db: missing"),
        ({"dwell_s": 0.5}, "dwell_s: got 0.5"),
    ],
)
def test_figures_that_make_no_sense(figures: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LeoPassModel(**figures)  # type: ignore[arg-type]
