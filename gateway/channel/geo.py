"""A geostationary satellite: the delay of the geometry, and a margin that rain and scintillation eat into.

Rule: two stations, one satellite; the delay is up and down, exact for a round Earth.

Rain after ITU-R P.1853: attenuation in dB is log-normal in time and its logarithm an Ornstein-Uhlenbeck process with a
rate of 2e-4 a second. The two figures that a planner has (P.618), what is exceeded in 1 % and in 0.1 % of the time, fix
the distribution. Scintillation: normal in dB, slower than 0.1 Hz (P.1853, P.618 2.4.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.figures import LIGHT_M_S, check_range
from gateway.channel.modem_curve import Gives, ModemCurve
from gateway.channel.orbit import seen_from
from gateway.channel.spells import Drift

RAIN_CORRELATION_S = 5000.0
SCINTILLATION_CORRELATION_S = 3.0
_AT_1_PERCENT, _AT_01_PERCENT = NormalDist().inv_cdf(0.99), NormalDist().inv_cdf(0.999)


@dataclass(frozen=True, slots=True)
class GeoModel(PathModel):
    """From one place to another (degrees north, degrees east) by way of a satellite over `satellite_deg` east.

    `snr_db` is that of a clear sky; `rain_1pct_db` and `rain_01pct_db` are the attenuations exceeded in 1 % and 0.1 %
    of the time on both ways together (0: no rain), `scintillation_db` a deviation. Raises ValueError for a satellite
    below a station's horizon.
    """

    from_north_deg: float = 50.0
    from_east_deg: float = 8.0
    to_north_deg: float = 50.0
    to_east_deg: float = 8.0
    satellite_deg: float = 13.0
    processing_ms: float = 0.0
    snr_db: float = 12.0
    rain_1pct_db: float = 0.0
    rain_01pct_db: float = 0.0
    scintillation_db: float = 0.0
    modem: ModemCurve = field(default_factory=ModemCurve)

    def __post_init__(self) -> None:
        for end in ("from", "to"):
            north_deg, east_deg = self._place(end)
            check_range(f"{end}_north_deg", north_deg, -90, 90)
            check_range(f"{end}_east_deg", east_deg, -180, 360)
            elevation_deg = seen_from(north_deg, east_deg, self.satellite_deg)[1]
            if elevation_deg < 0:
                raise ValueError(
                    f"satellite_deg: {-elevation_deg:.1f} degrees below the horizon of the `{end}` station"
                )
        check_range("satellite_deg", self.satellite_deg, -180, 360)
        check_range("processing_ms", self.processing_ms, 0, 60_000)
        check_range("snr_db", self.snr_db, -60, 100)
        check_range("rain_1pct_db", self.rain_1pct_db, 0, 100)
        check_range("rain_01pct_db", self.rain_01pct_db, 0, 200)
        check_range("scintillation_db", self.scintillation_db, 0, 10)
        if (self.rain_1pct_db > 0) != (self.rain_01pct_db > 0) or self.rain_01pct_db < self.rain_1pct_db:
            raise ValueError("rain_01pct_db: needs rain_1pct_db, and to be no less: rarer rain is heavier")

    def _place(self, end: str) -> tuple[float, float]:
        return getattr(self, f"{end}_north_deg"), getattr(self, f"{end}_east_deg")

    @property
    def usual_delay_s(self) -> float:
        """Station to satellite to station."""
        up_m = seen_from(*self._place("from"), self.satellite_deg)[0]
        down_m = seen_from(*self._place("to"), self.satellite_deg)[0]
        return (up_m + down_m) / LIGHT_M_S + self.processing_ms / 1000

    @property
    def rain(self) -> tuple[float, float] | None:
        """Mean and deviation of the natural logarithm of the attenuation in dB; None without rain."""
        if not self.rain_1pct_db:
            return None
        sigma = math.log(self.rain_01pct_db / self.rain_1pct_db) / (_AT_01_PERCENT - _AT_1_PERCENT)
        return math.log(self.rain_1pct_db) - sigma * _AT_1_PERCENT, sigma

    @property
    def damages_bits(self) -> bool:
        return self.modem.gives is Gives.BITS

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return _GeoPath(self, rng, start_s)

    def snr_cdf(self, snr_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of time at or below each `snr_db`, by theory: rain and scintillation."""
        if self.rain is None and not self.scintillation_db:
            return np.asarray((snr_db >= self.snr_db).astype(float))
        nodes, weights = np.polynomial.hermite_e.hermegauss(48)
        shift = self.scintillation_db * nodes
        return np.asarray(self._rain_share(self.snr_db + shift[None, :] - snr_db[:, None]) @ (weights / weights.sum()))

    def _rain_share(self, faded_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of time in which rain takes `faded_db` or more."""
        if self.rain is None:
            return np.asarray((faded_db <= 0).astype(float))
        mean, sigma = self.rain
        places = ((np.log(np.maximum(faded_db, 1e-9)) - mean) / max(sigma, 1e-9) / math.sqrt(2)).ravel().tolist()
        share = np.array([0.5 * math.erfc(place) for place in places]).reshape(faded_db.shape)
        return np.where(faded_db <= 0, 1.0, share)


class _GeoPath(Path):
    def __init__(self, model: GeoModel, rng: np.random.Generator, start_s: float) -> None:
        rain_rng, twinkle_rng = rng.spawn(2)
        self._model = model
        self._delay_s = model.usual_delay_s
        self._figures = model.rain
        self._rain = None if model.rain is None else Drift(rain_rng, RAIN_CORRELATION_S, start_s)
        has_twinkle = model.scintillation_db > 0
        self._twinkle = Drift(twinkle_rng, SCINTILLATION_CORRELATION_S, start_s) if has_twinkle else None

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        snr_db = self._model.snr_db
        if self._rain is not None and self._figures is not None:
            mean, sigma = self._figures
            snr_db -= math.exp(mean + sigma * self._rain.at(begin_s))
        if self._twinkle is not None:
            snr_db += self._model.scintillation_db * self._twinkle.at(begin_s)
        snr_db = max(snr_db, -100.0)
        loss, wrong = self._model.modem.outcome(np.array([snr_db]), n_bytes)
        cause = "scintillation" if self._rain is None else "rain"
        return Conditions(self._delay_s, loss, wrong, snr_db, cause=cause)
