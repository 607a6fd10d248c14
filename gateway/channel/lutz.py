"""Land-mobile satellite: a vehicle drives through view and shadow of a satellite.

Rule: lengths of road, not of time; speed turns them into seconds, so a parked car stays in its shadow.

Lutz, Cygan, Dippold, Dolainsky, Papke, "The land mobile satellite communication channel", IEEE Trans. Veh. Technol.
40(2), 1991. Two states in turn, lengths exponential with means `good_m` and `bad_m`, so a share A = bad / (good + bad)
of the road is in shadow. Good: Rice, the direct path of power 1 and scattered ones of 1/c (c is `rice_db`). Bad:
Rayleigh about a mean power in dB that is normal (`mu_db`, `sigma_db`); drawn once for each shadow, which is
about as long as shadowing stays alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.fading import ClarkeScatter, part_times, rice_power_cdf
from gateway.channel.figures import LIGHT_M_S, check_range, ratio_of
from gateway.channel.modem_curve import Gives, ModemCurve
from gateway.channel.rice import faded
from gateway.channel.spells import Spells


@dataclass(frozen=True, slots=True)
class LutzModel(PathModel):
    """`snr_db` is that of the direct path alone, without shadow; the defaults are a town, satellite 24 degrees up."""

    snr_db: float = 12.0
    speed_m_s: float = 10.0
    frequency_hz: float = 1.54e9
    good_m: float = 27.0
    bad_m: float = 52.0
    rice_db: float = 6.0
    mu_db: float = -10.8
    sigma_db: float = 2.8
    modem: ModemCurve = field(default_factory=ModemCurve)

    def __post_init__(self) -> None:
        check_range("snr_db", self.snr_db, -60, 100)
        check_range("speed_m_s", self.speed_m_s, 0.1, 400)
        check_range("frequency_hz", self.frequency_hz, 1e6, 1e11)
        check_range("good_m", self.good_m, 0.1, 1e6)
        check_range("bad_m", self.bad_m, 0.1, 1e6)
        check_range("rice_db", self.rice_db, -30, 60)
        check_range("mu_db", self.mu_db, -60, 0)
        check_range("sigma_db", self.sigma_db, 0, 30)

    @property
    def shadowed_share(self) -> float:
        """A, the share of time in shadow."""
        return self.bad_m / (self.good_m + self.bad_m)

    @property
    def doppler_hz(self) -> float:
        """The greatest shift of a path."""
        return self.speed_m_s * self.frequency_hz / LIGHT_M_S

    @property
    def damages_bits(self) -> bool:
        return self.modem.gives is Gives.BITS

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return LutzPath(self, rng, start_s)

    def snr_cdf(self, snr_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of time at or below each `snr_db`, by theory: both states, weighted by A."""
        power = 10.0 ** ((snr_db - self.snr_db) / 10)
        k = ratio_of(self.rice_db)
        good = rice_power_cdf(power / (1 + 1 / k), k)
        nodes, weights = np.polynomial.hermite_e.hermegauss(32)
        means = 10.0 ** ((self.mu_db + self.sigma_db * nodes) / 10)
        bad = -np.expm1(-np.divide.outer(power, means)) @ (weights / weights.sum())
        return np.asarray((1 - self.shadowed_share) * good + self.shadowed_share * bad)


class LutzPath(Path):
    """`shadow_at` is the state: None in view, else the mean power (a ratio) of this shadow."""

    def __init__(self, model: LutzModel, rng: np.random.Generator, start_s: float) -> None:
        self._model = model
        self._start_s = start_s
        states_rng, fading_rng = rng.spawn(2)
        self._scatter = ClarkeScatter(fading_rng, model.doppler_hz)
        self._scattered = ratio_of(-model.rice_db) ** 0.5
        self._spells = Spells(_states(model, states_rng), 0.0)

    def shadow_at(self, at_s: float) -> float | None:
        """The state at `at_s`, on the clock of `start`."""
        return self._spells.at(at_s - self._start_s)

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        model = self._model
        times = part_times(begin_s - self._start_s, end_s - self._start_s, model.doppler_hz)
        shadows = [self._spells.at(at_s) for at_s in times.tolist()]
        direct = np.array([1.0 if shadow is None else 0.0 for shadow in shadows])
        scattered = np.array([self._scattered if shadow is None else shadow**0.5 for shadow in shadows])
        gain = direct + scattered * self._scatter.gain(times)
        found = faded(np.abs(gain) ** 2, model.snr_db, model.modem, n_bytes)
        if any(shadow is not None for shadow in shadows):
            return Conditions(found.delay_s, found.loss, found.bit_error_rate, found.snr_db, cause="shadowed")
        return found


def _states(model: LutzModel, rng: np.random.Generator) -> Iterator[tuple[float | None, float]]:
    good_s, bad_s = model.good_m / model.speed_m_s, model.bad_m / model.speed_m_s
    in_shadow = bool(rng.random() < model.shadowed_share)
    while True:
        if in_shadow:
            yield ratio_of(rng.normal(model.mu_db, model.sigma_db)), rng.exponential(bad_s)
        else:
            yield None, rng.exponential(good_s)
        in_shadow = not in_shadow
