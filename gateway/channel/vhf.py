"""A VHF or UHF radio path between stations that may move: distance, shadowing, fading.

Rule: three things on top of each other, each on its own scale: the median of the link budget changes with the distance,
hills and houses (log-normal, alike over `shadow_m` of way: Gudmundson, Electronics Letters 27(23), 1991), and the
multipath that a moving antenna drives through (Rice or Rayleigh).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.fading import RiceFader, part_times, rice_power_cdf
from gateway.channel.figures import LIGHT_M_S, check_range, ratio_of
from gateway.channel.modem_curve import Gives, ModemCurve
from gateway.channel.radio import RadioPath
from gateway.channel.rice import faded
from gateway.channel.spells import Drift

NEAREST_KM = 0.02


@dataclass(frozen=True, slots=True)
class Motion:
    """Where two stations are and how they move; the keys of a `[model.motion]` table."""

    distance_km: float = 10.0
    away_m_s: float = 0.0
    """How fast the distance grows; below 0 it shrinks, down to nearby."""
    speed_m_s: float = 5.0
    """Of an antenna through its surroundings: gives the Doppler spread; 0 freezes the fading as it was drawn."""
    rice_db: float | None = None
    """Direct path over scattered ones, None for Rayleigh fading."""
    shadow_db: float = 0.0
    shadow_m: float = 50.0

    def __post_init__(self) -> None:
        check_range("distance_km", self.distance_km, NEAREST_KM, 2000)
        check_range("away_m_s", self.away_m_s, -1000, 1000)
        check_range("speed_m_s", self.speed_m_s, 0, 1000)
        check_range("shadow_db", self.shadow_db, 0, 30)
        check_range("shadow_m", self.shadow_m, 0.1, 1e6)
        if self.rice_db is not None:
            check_range("rice_db", self.rice_db, -30, 60)

    @property
    def k(self) -> float:
        """The Rice factor as a ratio; 0 is Rayleigh."""
        return 0.0 if self.rice_db is None else ratio_of(self.rice_db)

    def distance_at(self, after_s: float) -> float:
        """Kilometres after so many seconds."""
        return max(NEAREST_KM, self.distance_km + self.away_m_s * after_s / 1000)


class MovingRadio:
    """Delay, SNR and fading of a radio path in motion at any time since `start_s`."""

    def __init__(self, radio: RadioPath, motion: Motion, rng: np.random.Generator, start_s: float) -> None:
        fading_rng, shadow_rng = rng.spawn(2)
        self._radio, self._motion, self._start_s = radio, motion, start_s
        self._doppler_hz = motion.speed_m_s * radio.frequency_hz / LIGHT_M_S
        self._fader = RiceFader(fading_rng, self._doppler_hz, motion.k)
        is_shadowed = motion.shadow_db > 0 and motion.speed_m_s > 0
        # Standing still, the shadow stays as it was drawn.
        self._shadow = Drift(shadow_rng, motion.shadow_m / motion.speed_m_s, 0.0) if is_shadowed else None
        self._still_db = 0.0 if is_shadowed else motion.shadow_db * float(shadow_rng.standard_normal())

    def snr_db(self, at_s: float) -> float:
        """The local mean: budget and shadow, without fading."""
        after_s = at_s - self._start_s
        shadow_db = self._still_db
        if self._shadow is not None:
            shadow_db = self._motion.shadow_db * self._shadow.at(after_s)
        return self._radio.snr_db(self._motion.distance_at(after_s)) + shadow_db

    def power(self, begin_s: float, end_s: float) -> NDArray[np.float64]:
        """Fading about the local mean over the parts of a packet (parts,)."""
        return self._fader.power(part_times(begin_s - self._start_s, end_s - self._start_s, self._doppler_hz))

    def delay_s(self, at_s: float) -> float:
        """Of light over the distance."""
        return 1000 * self._motion.distance_at(at_s - self._start_s) / LIGHT_M_S

    def doppler_hz(self) -> float:
        """Shift of the direct path by the growing distance."""
        return 0.0 - self._motion.away_m_s / LIGHT_M_S * self._radio.frequency_hz


def moving_snr_cdf(radio: RadioPath, motion: Motion, snr_db: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Share of time at or below each `snr_db`, by theory; None while the distance changes or nothing moves."""
    if motion.away_m_s or not motion.speed_m_s:
        return None
    nodes, weights = np.polynomial.hermite_e.hermegauss(32)
    median_db = radio.snr_db(motion.distance_km) + motion.shadow_db * nodes
    over = 10.0 ** (np.subtract.outer(snr_db, median_db) / 10)
    share = rice_power_cdf(over.ravel(), motion.k).reshape(over.shape)
    return np.asarray(share @ (weights / weights.sum()))


@dataclass(frozen=True, slots=True)
class VhfModel(PathModel):
    """A link budget (`[model.radio]`), motion and fading (`[model.motion]`) and a modem (`[model.modem]`)."""

    radio: RadioPath = field(default_factory=RadioPath)
    motion: Motion = field(default_factory=Motion)
    modem: ModemCurve = field(default_factory=ModemCurve)

    @property
    def damages_bits(self) -> bool:
        return self.modem.gives is Gives.BITS

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return _VhfPath(self, MovingRadio(self.radio, self.motion, rng, start_s))

    def snr_cdf(self, snr_db: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Share of time at or below each `snr_db`, by theory; None where it has no steady answer."""
        return moving_snr_cdf(self.radio, self.motion, snr_db)


class _VhfPath(Path):
    def __init__(self, model: VhfModel, moving: MovingRadio) -> None:
        self._model, self._moving = model, moving

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        moving = self._moving
        found = faded(moving.power(begin_s, end_s), moving.snr_db(begin_s), self._model.modem, n_bytes)
        return Conditions(moving.delay_s(begin_s), found.loss, found.bit_error_rate, found.snr_db, moving.doppler_hz())
