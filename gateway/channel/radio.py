"""Radio on the ground: path loss, noise, and the link budget of a VHF or LoRa path.

Rule: each formula keeps to the ground it was measured on and says so when asked for more.

Plane earth with antennas low over the water: Parsons, The Mobile Radio Propagation Channel, 2.3. Behind the horizon:
ITU-R P.526, diffraction over a round Earth of 4/3 radius (first term). Towns: Okumura-Hata (Hata, IEEE Trans. Veh.
Technol. 29(3), 1980). Noise of a receiver and of the place: ITU-R P.372, man-made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from gateway.channel.figures import LIGHT_M_S, check_range, decibels

EFFECTIVE_EARTH_KM = 8500.0
THERMAL_DBM_HZ = -174.0


class Terrain(StrEnum):
    """The ground between two stations."""

    FREE_SPACE = "free-space"
    SEA = "sea"
    OPEN = "open"
    SUBURB = "suburb"
    TOWN = "town"


_HATA = {Terrain.OPEN, Terrain.SUBURB, Terrain.TOWN}


class Noise(StrEnum):
    """The place of the receiver, by what it adds to the noise (P.372, median man-made noise)."""

    NONE = "none"
    QUIET = "quiet"
    RURAL = "rural"
    RESIDENTIAL = "residential"
    CITY = "city"


_MAN_MADE = {
    Noise.QUIET: (53.6, 28.6),
    Noise.RURAL: (67.2, 27.7),
    Noise.RESIDENTIAL: (72.5, 27.7),
    Noise.CITY: (76.8, 27.7),
}


def free_space_db(frequency_hz: float, distance_km: float) -> float:
    """Loss between isotropic antennas (ITU-R P.525)."""
    return 20 * math.log10(4 * math.pi * 1000 * distance_km * frequency_hz / LIGHT_M_S)


def plane_earth_db(distance_km: float, high_m: float, low_m: float) -> float:
    """Loss over flat ground far beyond the last maximum of the two rays."""
    return 40 * math.log10(1000 * distance_km) - 20 * math.log10(high_m * low_m)


def diffraction_db(frequency_hz: float, distance_km: float, high_m: float, low_m: float) -> float:
    """Loss on top of that of free space around the round Earth (P.526 3.1.1, beta 1)."""
    frequency_mhz = frequency_hz / 1e6
    x = 2.188 * math.pow(frequency_mhz, 1 / 3) * math.pow(EFFECTIVE_EARTH_KM, -2 / 3) * distance_km
    along = 11 + 10 * math.log10(x) - 17.6 * x if x >= 1.6 else -20 * math.log10(x) - 5.6488 * math.pow(x, 1.425)
    return -(along + _height_gain(frequency_mhz, high_m) + _height_gain(frequency_mhz, low_m))


def _height_gain(frequency_mhz: float, height_m: float) -> float:
    y = 9.575e-3 * math.pow(frequency_mhz, 2 / 3) * math.pow(EFFECTIVE_EARTH_KM, -1 / 3) * height_m
    if y > 2:
        return 17.6 * math.sqrt(y - 1.1) - 5 * math.log10(y - 1.1) - 8
    return 20 * math.log10(y + 0.1 * y**3)


def hata_db(terrain: Terrain, frequency_hz: float, distance_km: float, base_m: float, mobile_m: float) -> float:
    """Median loss between a base and a mobile station; 150 to 1500 MHz, base 30 to 200 m, mobile 1 to 10 m."""
    log_f = math.log10(frequency_hz / 1e6)
    mobile = (1.1 * log_f - 0.7) * mobile_m - (1.56 * log_f - 0.8)
    loss = 69.55 + 26.16 * log_f - 13.82 * math.log10(base_m) - mobile
    loss += (44.9 - 6.55 * math.log10(base_m)) * math.log10(distance_km)
    if terrain is Terrain.SUBURB:
        loss -= 2 * (log_f - math.log10(28)) ** 2 + 5.4
    elif terrain is Terrain.OPEN:
        loss -= 4.78 * log_f**2 - 18.33 * log_f + 40.94
    return loss


def noise_dbm(bandwidth_hz: float, frequency_hz: float, noise_figure_db: float, place: Noise) -> float:
    """Noise power in `bandwidth_hz`: of the receiver, and of the place."""
    factor = 10.0 ** (noise_figure_db / 10)
    if place is not Noise.NONE:
        at_1_mhz, slope = _MAN_MADE[place]
        factor += 10.0 ** ((at_1_mhz - slope * math.log10(frequency_hz / 1e6)) / 10)
    return THERMAL_DBM_HZ + decibels(bandwidth_hz) + decibels(factor)


@dataclass(frozen=True, slots=True)
class RadioPath:
    """The keys of a `[model.radio]` table: transmitter, ground, and receiver. Raises ValueError naming the key."""

    frequency_hz: float = 160e6
    power_dbm: float = 43.0
    antennas_dbi: float = 4.0
    """Gain of both antennas less losses in cables."""
    heights_m: tuple[float, float] = (10.0, 4.0)
    terrain: Terrain = Terrain.SEA
    more_loss_db: float = 0.0
    bandwidth_hz: float = 12_500.0
    noise_figure_db: float = 6.0
    noise: Noise = Noise.QUIET

    def __post_init__(self) -> None:
        check_range("frequency_hz", self.frequency_hz, 1e7, 1e11)
        check_range("power_dbm", self.power_dbm, -60, 80)
        check_range("antennas_dbi", self.antennas_dbi, -60, 100)
        for height_m in self.heights_m:
            check_range("heights_m", height_m, 0.5, 10_000)
        check_range("more_loss_db", self.more_loss_db, -50, 200)
        check_range("bandwidth_hz", self.bandwidth_hz, 1, 1e9)
        check_range("noise_figure_db", self.noise_figure_db, 0, 60)
        if self.terrain in _HATA:
            check_range("frequency_hz", self.frequency_hz, 150e6, 1500e6)
            check_range("heights_m", max(self.heights_m), 30, 200)
            check_range("heights_m", min(self.heights_m), 1, 10)

    def loss_db(self, distance_km: float) -> float:
        """Median path loss; never less than that of free space."""
        high_m, low_m = max(self.heights_m), min(self.heights_m)
        free = free_space_db(self.frequency_hz, distance_km)
        loss = free
        if self.terrain is Terrain.SEA:
            behind = free + diffraction_db(self.frequency_hz, distance_km, high_m, low_m)
            loss = max(plane_earth_db(distance_km, high_m, low_m), behind if distance_km > self.horizon_km else free)
        elif self.terrain in _HATA:
            loss = hata_db(self.terrain, self.frequency_hz, distance_km, high_m, low_m)
        return max(free, loss) + self.more_loss_db

    @property
    def horizon_km(self) -> float:
        """How far the antennas see each other over a round Earth of 4/3 radius."""
        return sum(math.sqrt(2 * EFFECTIVE_EARTH_KM * height_m / 1000) for height_m in self.heights_m)

    @property
    def noise_dbm(self) -> float:
        """Noise in the receiver's bandwidth."""
        return noise_dbm(self.bandwidth_hz, self.frequency_hz, self.noise_figure_db, self.noise)

    def snr_db(self, distance_km: float) -> float:
        """Median ratio of signal to noise in the receiver's bandwidth."""
        return self.power_dbm + self.antennas_dbi - self.loss_db(distance_km) - self.noise_dbm
