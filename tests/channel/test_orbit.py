"""Geometry of orbits against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway.channel.orbit import EARTH_M, GEO_M, Constellation, Sky, seen_from, slant_range_m

IRIDIUM = Constellation(780e3, 90.0)


def test_period_of_known_orbits() -> None:
    assert IRIDIUM.period_s / 60 == pytest.approx(100.4, abs=0.1)
    assert Constellation(550e3, 53.0).period_s / 60 == pytest.approx(95.5, abs=0.2)
    sidereal_day_s = 86_164.1
    assert Constellation(GEO_M - EARTH_M, 0.0).period_s == pytest.approx(sidereal_day_s, rel=1e-4)


def test_slant_range_by_hand() -> None:
    assert slant_range_m(EARTH_M + 780e3, 90) == pytest.approx(780e3)
    # At the horizon a right angle: sqrt(7151^2 - 6371^2) = 3247.6 km.
    assert slant_range_m(EARTH_M + 780e3, 0) == pytest.approx(3247.6e3, rel=1e-4)
    # At 8.2 degrees sqrt(7151^2 - 6305.87^2) - 6371 sin 8.2 = 3372.6 - 908.7 = 2463.9 km, as Iridium publishes (2460).
    assert slant_range_m(EARTH_M + 780e3, 8.2) == pytest.approx(2463.9e3, rel=1e-3)


def test_geostationary_satellite_by_hand() -> None:
    assert seen_from(0, 10, 10) == pytest.approx((35_793_172, 90))
    distance_m, elevation_deg = seen_from(0, 0, 81.31)  # cos 81.31 is Earth's radius over that of the orbit
    assert elevation_deg == pytest.approx(0, abs=0.02)
    assert distance_m == pytest.approx(41_680e3, rel=1e-3)
    # Frankfurt (50 N 8 E) and 13 E: published pointing tables say 32.6 degrees.
    assert seen_from(50, 8, 13)[1] == pytest.approx(32.5, abs=0.2)


def test_a_pass_overhead_from_the_pole() -> None:
    """The pole does not turn away, so that everything is a formula: range rate = R w cos(elevation)."""
    sky = Sky(IRIDIUM, 90.0, 0.0)
    over_s = IRIDIUM.period_s / 4
    times = over_s + np.linspace(-400, 400, 161)
    elevations = sky.elevations(times)[:, 0]
    assert elevations.max() == pytest.approx(90, abs=0.01)
    for at_s, elevation_deg in zip(times.tolist(), elevations.tolist(), strict=True):
        distance_m, change_m_s = sky.view(at_s, 0)
        assert distance_m == pytest.approx(slant_range_m(IRIDIUM.radius_m, elevation_deg), rel=1e-6)
        closing = EARTH_M * IRIDIUM.rate * math.cos(math.radians(elevation_deg))
        assert change_m_s == pytest.approx(math.copysign(closing, at_s - over_s), abs=0.5)


def test_doppler_of_iridium_at_horizon_and_overhead() -> None:
    """6371 km x 1.0426e-3 = 6645 m/s at the horizon: 36 kHz at 1626 MHz; none overhead."""
    sky = Sky(IRIDIUM, 90.0, 0.0)
    over_s = IRIDIUM.period_s / 4
    horizon_s = over_s - math.acos(EARTH_M / IRIDIUM.radius_m) / IRIDIUM.rate
    assert sky.elevations(np.array([horizon_s]))[0, 0] == pytest.approx(0, abs=0.01)
    assert -sky.view(horizon_s, 0)[1] / 299_792_458 * 1626e6 == pytest.approx(36.0e3, rel=0.01)
    assert sky.view(over_s, 0)[1] == pytest.approx(0, abs=0.5)


def test_range_rate_is_the_change_of_the_range() -> None:
    sky = Sky(Constellation(550e3, 53.0, 3, 4, phasing=1), 48.0, 11.0)
    for satellite in range(12):
        for at_s in (0.0, 777.0, 5e4):
            (before, _), (_, change), (after, _) = (sky.view(at_s + step, satellite) for step in (-0.5, 0, 0.5))
            assert after - before == pytest.approx(change, abs=0.01)


def test_elevation_agrees_with_distance() -> None:
    orbits = Constellation(800e3, 56.0, 4, 5, phasing=1)
    sky = Sky(orbits, 45.0, 20.0)
    elevations = sky.elevations(np.array([1234.5]))[0]
    assert elevations.shape == (20,)
    for satellite, elevation_deg in enumerate(elevations.tolist()):
        expected_m = slant_range_m(orbits.radius_m, elevation_deg) if elevation_deg > 0 else None
        if expected_m is not None:
            assert sky.view(1234.5, satellite)[0] == pytest.approx(expected_m, rel=1e-6)
        one = sky.elevations(np.array([1234.5]), satellite)
        assert one[0, 0] == pytest.approx(elevation_deg)
    assert (elevations > 0).any()


def test_a_geostationary_orbit_stands_still() -> None:
    sky = Sky(Constellation(GEO_M - EARTH_M, 0.0, node_deg=13.0), 50.0, 8.0)
    day = sky.elevations(np.linspace(0, 86_164, 50))[:, 0]
    assert day == pytest.approx(np.full(50, seen_from(50, 8, 13)[1]), abs=0.05)
