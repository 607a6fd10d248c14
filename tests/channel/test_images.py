"""Images: delays and gains worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.images import (
    Bottom,
    bottom_reflection,
    delay_spread_s,
    rays,
    surface_speed_m_s,
    wave_height_m,
)


def test_lengths_of_the_first_ways_by_hand() -> None:
    """Range 80 m, source at 15 m, receiver at 45 m, water 75 m: triangles 3-4-5 and their like.

    Direct: 30 down. Surface: 15 + 45 = 60, so 100 m. Bottom: 60 + 30 = 90. Surface, then bottom: 15 + 75 + 30 = 120.
    Bottom, then surface: 60 + 75 + 45 = 180, so 196.98 m. The angles are those of the same triangles.
    """
    found = {(ray.surface_bounces, ray.bottom_bounces, round(ray.length_m, 2)) for ray in rays(80, 15, 45, 75)}
    assert {
        (0, 0, round(math.hypot(80, 30), 2)),
        (1, 0, 100.0),
        (0, 1, round(math.hypot(80, 90), 2)),
        (1, 1, round(math.hypot(80, 120), 2)),
        (1, 1, 196.98),
    } <= found
    surface = next(ray for ray in rays(80, 15, 45, 75) if (ray.surface_bounces, ray.bottom_bounces) == (1, 0))
    assert math.tan(surface.grazing) == pytest.approx(60 / 80)


def test_gains_by_hand() -> None:
    """Straight: 1 / r. By the surface: sign turned, 1 dB less. Straight up and down: the bottom's impedance alone."""
    direct, *others = rays(80, 30, 30, 60)
    assert direct.is_direct
    assert direct.gain == pytest.approx(1 / 80)
    surface = next(ray for ray in others if not ray.bottom_bounces)
    assert surface.gain == pytest.approx(-(10 ** (-1 / 20)) / 100)
    sand = 1.9 * 1650 / 1500
    assert abs(bottom_reflection(Bottom.SAND, math.pi / 2)) == pytest.approx((sand - 1) / (sand + 1), abs=0.002)


def test_the_bottom_reflects_all_below_its_critical_angle() -> None:
    """acos(1500 / 1650) is 24.6 degrees for sand; only absorption takes something. Clay has none, and lets most in."""
    assert abs(bottom_reflection(Bottom.SAND, math.radians(5))) > 0.9
    assert abs(bottom_reflection(Bottom.SAND, math.radians(40))) < 0.5
    assert abs(bottom_reflection(Bottom.CLAY, math.radians(20))) < 0.3
    for bottom in Bottom:
        assert bottom_reflection(bottom, 0.0) == pytest.approx(-1)


@given(st.sampled_from(Bottom), st.floats(0, math.pi / 2))
def test_nothing_comes_back_louder(bottom: Bottom, grazing: float) -> None:
    assert abs(bottom_reflection(bottom, grazing)) <= 1 + 1e-12


@given(st.floats(20, 3000), st.floats(1, 39), st.floats(1, 39))
def test_ways_are_the_same_in_both_directions(range_m: float, a_m: float, b_m: float) -> None:
    there, back = rays(range_m, a_m, b_m, 40), rays(range_m, b_m, a_m, 40)
    assert [ray.length_m for ray in there] == pytest.approx([ray.length_m for ray in back])
    assert sum(ray.power for ray in there) == pytest.approx(sum(ray.power for ray in back))


def test_far_away_a_perfect_duct_spreads_as_a_cylinder() -> None:
    """With mirrors that take nothing, energy falls by 10 log r where the range is many depths: the images do it."""

    def level_db(range_m: float) -> float:
        found = rays(range_m, 10, 10, 20, Bottom.LIMESTONE, surface_loss_db=0.0, max_bounces=400)
        return 10 * math.log10(sum(ray.power for ray in found))

    assert level_db(500) - level_db(1000) == pytest.approx(3, abs=0.5)
    assert level_db(2) - level_db(4) > 4.5  # near by it is a sphere


def test_delay_spread_by_hand() -> None:
    assert delay_spread_s([0, 0.01], [1, 1]) == pytest.approx(0.005)
    assert delay_spread_s([0.7], [3]) == pytest.approx(0, abs=1e-9)
    assert delay_spread_s([0, 0.01], [3, 1]) == pytest.approx(0.01 * math.sqrt(3) / 4)


def test_shallower_water_spreads_less_over_the_same_range() -> None:
    def spread(depth_m: float) -> float:
        found = rays(1000, depth_m / 2, depth_m / 2, depth_m)
        return delay_spread_s([ray.length_m / 1500 for ray in found], [ray.power for ray in found])

    assert 0.0001 < spread(10) < spread(30) < spread(100) < 0.05


def test_the_sea_of_pierson_and_moskowitz() -> None:
    """Their paper's own figure: 0.21 U^2 / g; 10 m/s raise waves of 2.1 m."""
    assert wave_height_m(10) == pytest.approx(0.21 * 100 / 9.81, rel=0.02)
    assert surface_speed_m_s(10) == pytest.approx(0.646, abs=0.005)


@pytest.mark.parametrize(("source", "receiver", "key"), [(0, 5, "source_depth_m"), (5, 20, "receiver_depth_m")])
def test_depths_lie_in_the_water(source: float, receiver: float, key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}: got .* within the 20 m of water"):
        rays(100, source, receiver, 20)
