"""Where a satellite stands in the sky: geometry of circular orbits over a round, turning Earth.

Rule: closed formulas of time, no propagator; good to a fraction of a degree, which a link model needs, not to an orbit
determination. Maral & Bousquet, Satellite Communications Systems, ch. 2 (geometry of a link, period, coverage).

Angles in radians inside, in degrees at the edges; metres, seconds; x and y of the inertial frame in the equator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EARTH_M = 6_371_000.0
"""Mean radius."""
EARTH_MU = 3.986004418e14
EARTH_TURN = 7.2921159e-5
"""Radians a second against the stars."""
GEO_M = 42_164_172.0
"""Radius of the geostationary orbit."""


def slant_range_m(radius_m: float, elevation_deg: float) -> float:
    """Distance to a satellite `radius_m` from the Earth's centre that stands `elevation_deg` above the horizon."""
    elevation = math.radians(elevation_deg)
    return math.sqrt(radius_m**2 - (EARTH_M * math.cos(elevation)) ** 2) - EARTH_M * math.sin(elevation)


def seen_from(latitude_deg: float, longitude_deg: float, satellite_deg: float) -> tuple[float, float]:
    """(distance in m, elevation in degrees) of the geostationary satellite over the longitude `satellite_deg`."""
    apart = math.cos(math.radians(latitude_deg)) * math.cos(math.radians(longitude_deg - satellite_deg))
    distance_m = math.sqrt(EARTH_M**2 + GEO_M**2 - 2 * EARTH_M * GEO_M * apart)
    return distance_m, math.degrees(math.asin((GEO_M * apart - EARTH_M) / distance_m))


@dataclass(frozen=True, slots=True)
class Constellation:
    """Satellites in circular orbits: `planes` spread over `spread_deg` of ascending nodes, `per_plane` evenly in each.

    `phasing` shifts neighbouring planes against each other, in parts of a full turn over all satellites (Walker's F).
    At time 0 the first satellite is at `anomaly_deg` of its orbit, whose node is over the longitude `node_deg`.
    """

    altitude_m: float
    inclination_deg: float
    planes: int = 1
    per_plane: int = 1
    spread_deg: float = 360.0
    phasing: float = 0.0
    node_deg: float = 0.0
    anomaly_deg: float = 0.0

    @property
    def radius_m(self) -> float:
        """From the Earth's centre."""
        return EARTH_M + self.altitude_m

    @property
    def rate(self) -> float:
        """Radians a second along the orbit (Kepler's third law)."""
        return math.sqrt(EARTH_MU / self.radius_m**3)

    @property
    def period_s(self) -> float:
        """One turn."""
        return 2 * math.pi / self.rate

    def phases(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(nodes, anomalies at time 0) of all satellites (satellites,), in radians."""
        plane, place = np.divmod(np.arange(self.planes * self.per_plane), self.per_plane)
        nodes = math.radians(self.node_deg) + plane * math.radians(self.spread_deg) / self.planes
        shift = plane * self.phasing / (self.planes * self.per_plane)
        anomalies = math.radians(self.anomaly_deg) + 2 * math.pi * (place / self.per_plane + shift)
        return nodes, anomalies


class Sky:
    """A constellation as a station at (`latitude_deg`, `longitude_deg`) sees it."""

    def __init__(self, constellation: Constellation, latitude_deg: float, longitude_deg: float) -> None:
        self._orbits = constellation
        nodes, self._anomalies = constellation.phases()
        tilt = math.radians(constellation.inclination_deg)
        # Unit vectors of each plane: towards the node, and a quarter of a turn further on.
        self._toward = np.stack((np.cos(nodes), np.sin(nodes), np.zeros_like(nodes)))
        self._ahead = np.stack(
            (-np.sin(nodes) * math.cos(tilt), np.cos(nodes) * math.cos(tilt), np.full_like(nodes, math.sin(tilt)))
        )
        self._height = math.sin(math.radians(latitude_deg))
        self._width = math.cos(math.radians(latitude_deg))
        self._longitude = math.radians(longitude_deg)

    def elevations(self, at_s: NDArray[np.float64], satellite: int | None = None) -> NDArray[np.float64]:
        """Degrees above the horizon of all satellites (or one): (times, satellites)."""
        chosen = slice(None) if satellite is None else slice(satellite, satellite + 1)
        turned = np.multiply.outer(at_s, np.full(len(self._anomalies[chosen]), self._orbits.rate))
        turned += self._anomalies[chosen]
        hour = self._longitude + EARTH_TURN * at_s
        up = np.stack((self._width * np.cos(hour), self._width * np.sin(hour), np.full_like(hour, self._height)))
        high = (up.T @ self._toward[:, chosen]) * np.cos(turned) + (up.T @ self._ahead[:, chosen]) * np.sin(turned)
        radius = self._orbits.radius_m  # `high` is the cosine of the angle at the Earth's centre
        distance = np.sqrt(EARTH_M**2 + radius**2 - 2 * EARTH_M * radius * high)
        return np.asarray(np.degrees(np.arcsin((radius * high - EARTH_M) / distance)))

    def view(self, at_s: float, satellite: int) -> tuple[float, float]:
        """(distance in m, its change in m/s) of one satellite; the change is negative while it comes nearer."""
        turned = self._orbits.rate * at_s + float(self._anomalies[satellite])
        cosine, sine = math.cos(turned), math.sin(turned)
        hour = self._longitude + EARTH_TURN * at_s
        station = (EARTH_M * self._width * math.cos(hour), EARTH_M * self._width * math.sin(hour))
        radius, speed = self._orbits.radius_m, self._orbits.radius_m * self._orbits.rate
        squared = dotted = 0.0
        places = (*station, EARTH_M * self._height)
        speeds = (-EARTH_TURN * station[1], EARTH_TURN * station[0], 0.0)
        toward, ahead = self._toward[:, satellite].tolist(), self._ahead[:, satellite].tolist()
        for axis in range(3):
            away = radius * (cosine * toward[axis] + sine * ahead[axis]) - places[axis]
            moving = speed * (cosine * ahead[axis] - sine * toward[axis]) - speeds[axis]
            squared += away * away
            dotted += away * moving
        distance = math.sqrt(squared)
        return distance, dotted / distance
