"""Echoes of shallow water by the method of images: every way by surface and bottom is a straight line from an image.

Rule: geometry and reflection coefficients, nothing random. Water of one depth and one sound speed (Jensen, Kuperman,
Porter and Schmidt, Computational Ocean Acoustics, 2nd ed., 2.4.4): an image lies as far above the surface as the source
lies below it, and so on in both mirrors. Depths count downwards from the surface.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

DB_PER_WAVELENGTH = 40 * math.pi * math.log10(math.e)
"""What a sound speed with an imaginary part of 1 absorbs in each wavelength."""
MIN_POWER = 1e-5
"""Rays weaker than this, against the strongest, are left out."""


class Bottom(StrEnum):
    """What lies under the water: the materials of Jensen et al., table 1.3."""

    CLAY = "clay"
    SILT = "silt"
    SAND = "sand"
    GRAVEL = "gravel"
    LIMESTONE = "limestone"


_MATERIALS = {
    Bottom.CLAY: (1.5, 1500.0, 0.2),
    Bottom.SILT: (1.7, 1575.0, 1.0),
    Bottom.SAND: (1.9, 1650.0, 0.8),
    Bottom.GRAVEL: (2.0, 1800.0, 0.6),
    Bottom.LIMESTONE: (2.4, 3000.0, 0.1),
}
"""Density against water, sound speed in m/s in water of 1500, absorption in dB a wavelength."""


@dataclass(frozen=True, slots=True)
class Ray:
    """One way of the sound: its length, bounces, grazing angle (radians), and amplitude at 1 m / amplitude here.

    `gain` has spreading and reflections in it, with their signs and phases, and no absorption.
    """

    length_m: float
    surface_bounces: int
    bottom_bounces: int
    grazing: float
    gain: complex

    @property
    def is_direct(self) -> bool:
        """Straight from source to receiver."""
        return not self.surface_bounces and not self.bottom_bounces

    @property
    def power(self) -> float:
        """|gain|^2."""
        return abs(self.gain) ** 2


def bottom_reflection(bottom: Bottom, grazing: float) -> complex:
    """Reflection of a plane wave by a fluid bottom (Rayleigh; Jensen et al., 1.6.1): pressure back over pressure in."""
    density, speed_m_s, absorbed_db = _MATERIALS[bottom]
    index = 1500.0 / speed_m_s * (1 + 1j * absorbed_db / DB_PER_WAVELENGTH)
    below = cmath.sqrt(index**2 - math.cos(grazing) ** 2)
    return (density * math.sin(grazing) - below) / (density * math.sin(grazing) + below)


def rays(
    range_m: float,
    source_depth_m: float,
    receiver_depth_m: float,
    water_depth_m: float,
    bottom: Bottom = Bottom.SAND,
    surface_loss_db: float = 1.0,
    max_bounces: int = 24,
) -> tuple[Ray, ...]:
    """All ways with up to `max_bounces`, the shortest first; `range_m` is horizontal.

    The surface turns the sign and takes `surface_loss_db` at each bounce: of a rough one the energy goes on, scattered,
    but for what bubbles take. Raises ValueError unless both depths lie in the water.
    """
    for name, depth in (("source_depth_m", source_depth_m), ("receiver_depth_m", receiver_depth_m)):
        if not 0 < depth < water_depth_m:
            raise ValueError(f"{name}: got {depth:g}; needed: within the {water_depth_m:g} m of water")
    found = []
    for surface, bottoms, rise_m in _images(source_depth_m, receiver_depth_m, water_depth_m, max_bounces):
        length_m = math.hypot(range_m, rise_m)
        grazing = math.atan2(abs(rise_m), range_m)
        reflected = (-(10 ** (-surface_loss_db / 20))) ** surface * bottom_reflection(bottom, grazing) ** bottoms
        found.append(Ray(length_m, surface, bottoms, grazing, reflected / max(length_m, 1.0)))
    loudest = max(ray.power for ray in found)
    return tuple(sorted((ray for ray in found if ray.power >= MIN_POWER * loudest), key=lambda ray: ray.length_m))


def _images(source_m: float, receiver_m: float, depth_m: float, most: int) -> Iterable[tuple[int, int, float]]:
    """(surface bounces, bottom bounces, height of the image over the receiver) of each image."""
    for turn in range(most // 2 + 1):
        whole = 2 * depth_m * turn
        images = (
            (turn, turn, whole - source_m + receiver_m),
            (turn, turn + 1, whole + 2 * depth_m - source_m - receiver_m),
            (turn + 1, turn, whole + source_m + receiver_m),
            (turn + 1, turn + 1, whole + 2 * depth_m + source_m - receiver_m),
        )
        yield from (image for image in images if image[0] + image[1] <= most)


def delay_spread_s(delays_s: Iterable[float], powers: Iterable[float]) -> float:
    """Root mean square of a power delay profile; its inverse over 5 is the band over which fading is alike (half)."""
    pairs = list(zip(delays_s, powers, strict=True))
    total = sum(power for _, power in pairs)
    mean = sum(delay * power for delay, power in pairs) / total
    return math.sqrt(max(0.0, sum((delay - mean) ** 2 * power for delay, power in pairs) / total))


def wave_height_m(wind_m_s: float) -> float:
    """Significant height of a wind sea that is fully developed: 4 sqrt(m0) of Pierson and Moskowitz (JGR 69, 1964)."""
    return 4 * math.sqrt(0.0081 / (4 * 0.74)) * wind_m_s**2 / 9.81


def surface_speed_m_s(wind_m_s: float) -> float:
    """Root mean square speed of that sea's surface up and down: sqrt(m2) of the same spectrum, 0.065 of the wind's."""
    return math.sqrt(0.0081 / 4 * math.sqrt(math.pi / 0.74)) * wind_m_s
