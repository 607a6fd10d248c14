"""An underwater acoustic path: how loud a packet arrives, in which noise, how it fades, what a modem makes of it.

Rule: the parts are those of `water` (levels), `images` (echoes), `scatter` (fading) and `acoustic_modem` (outcome);
here they are put together, and results depend on time alone.

What is assumed where the books leave it open:
- The direct ray is steady; a reflected one fades as complex Gaussian noise of its mean power, for surface and vessels
  move by many wavelengths of 2 to 10 cm.
- The receiver tells rays apart that arrive 1 / bandwidth after each other ("taps"), and adds up the power of all within
  `window_ms` of the first. Of what arrives later a share disturbs, as noise does (its power, not its fading, counts):
  all of it from twice the window on, and between them 1 - ((2 T - t) / T)^2, as planners of single-frequency networks
  count echoes beyond the guard interval (ITU-R BT.2254).
- Doppler spread of a ray: each bounce at the surface moves with the wind sea (`images.surface_speed_m_s`) and adds
  2 v sin(grazing) f / c; `drift_m_s` is how a moored or drifting station sways, which every reflected ray sees.
- Without `water_depth_m` the water is open: one way with spreading of `spreading`, and a Rice factor of `rice_db`.
- `slow_db`, `slow_s`: log-normal swell of the level about its mean (Qarabaqi and Stojanovic, IEEE J. Oceanic Eng. 38,
  2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.channel.acoustic_modem import AcousticModem, ModemKind
from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.images import Bottom, Ray, rays, surface_speed_m_s
from gateway.channel.motion import check_motion, range_and_rate
from gateway.channel.scatter import GaussianScatter, Swell
from gateway.channel.water import (
    Noise,
    band,
    decibels,
    power,
    sound_speed_m_s,
    spreading_db,
    thorp_db_per_km,
)

MAX_TAPS = 8
"""Of more, the later ones are one: with so many the sum hardly fades."""
MAX_INSTANTS = 12
INSTANTS_A_TURN = 4
"""A packet is looked at so often while its fastest tap turns once, to `MAX_INSTANTS`: more changes no mean."""
RANGE_STEPS = 100
"""A sailing vessel's echoes are worked out anew each time its range has changed by one part in so many."""


@dataclass(frozen=True, slots=True)
class UnderwaterModel(PathModel):
    """Figures of one path; the keys of a [model] table of kind "underwater". Raises ValueError naming the figure.

    `source_level_db` re 1 uPa at 1 m over the whole band; `range_m` is horizontal in water of a depth, along the way in
    open water. With `until_m` a vessel sails between both ranges at `speed_m_s`. A modem loses every packet while the
    range changes faster than `most_speed_m_s`.
    """

    range_m: float = 1000.0
    until_m: float | None = None
    speed_m_s: float = 0.0
    most_speed_m_s: float | None = None
    frequency_khz: float = 25.0
    bandwidth_khz: float = 6.0
    source_level_db: float = 180.0
    wind_m_s: float = 5.0
    shipping: float = 0.5
    noise_db: float = 0.0
    """On top of Wenz, at this receiver."""
    temperature_c: float = 10.0
    salinity_ppt: float = 35.0
    water_depth_m: float | None = None
    source_depth_m: float = 10.0
    receiver_depth_m: float = 10.0
    bottom: Bottom = Bottom.SAND
    surface_loss_db: float = 1.0
    window_ms: float = 30.0
    drift_m_s: float = 0.02
    spreading: float = 1.5
    rice_db: float = 10.0
    slow_db: float = 0.0
    slow_s: float = 60.0
    modem: AcousticModem = field(default_factory=AcousticModem)

    def __post_init__(self) -> None:
        check_motion(self.range_m, self.until_m, self.speed_m_s)
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: got {value:g}; needed: {low:g} to {high:g}")
        if self.bandwidth_khz >= 2 * self.frequency_khz:
            raise ValueError(f"bandwidth_khz: got {self.bandwidth_khz:g}; the band must stay above 0 kHz")
        Noise(self.wind_m_s, self.shipping)
        if self.water_depth_m is not None:
            rays(self.range_m, self.source_depth_m, self.receiver_depth_m, self.water_depth_m)

    @property
    def sound_speed_m_s(self) -> float:
        """At the middle of both depths."""
        return sound_speed_m_s(self.temperature_c, self.salinity_ppt, (self.source_depth_m + self.receiver_depth_m) / 2)

    @property
    def usual_delay_s(self) -> float:
        """How long sound takes over `range_m`."""
        return self.range_m / self.sound_speed_m_s

    @property
    def damages_bits(self) -> bool:
        """Whether packets arrive with wrong bits in them."""
        return self.modem.kind is ModemKind.FSK_BITS

    def taps(self, range_m: float) -> Taps:
        """What arrives over `range_m`, against the noise."""
        if self.water_depth_m is None:
            return self._open_water(range_m)
        found = rays(
            range_m,
            self.source_depth_m,
            self.receiver_depth_m,
            self.water_depth_m,
            self.bottom,
            self.surface_loss_db,
        )
        powers = np.array([ray.power * self._absorbed(ray.length_m) for ray in found])
        delays_s = np.array([ray.length_m for ray in found]) / self.sound_speed_m_s
        spreads_hz = np.array([self._spread_hz(ray) for ray in found])
        steady = np.array([ray.is_direct for ray in found])
        late_s = delays_s - delays_s[0]
        window_s = max(self.window_ms / 1000, 1e-9)
        useful = np.clip((2 * window_s - late_s) / window_s, 0, 1) ** 2
        disturbing, powers = powers * (1 - useful), powers * useful
        window = useful > 0
        tap = np.minimum((late_s * 1000 * self.bandwidth_khz + 0.5).astype(int), 10**6)
        taps = [window & (tap == one) for one in np.unique(tap[window])]
        taps = taps[: MAX_TAPS - 1] + ([np.any(taps[MAX_TAPS - 1 :], axis=0)] if len(taps) >= MAX_TAPS else [])
        scattered = np.array([powers[one & ~steady].sum() for one in taps])
        squares = np.array([(powers * spreads_hz**2)[one & ~steady].sum() for one in taps])
        level = power(self.source_level_db - self._noise_db)
        return Taps(
            float(delays_s[0]),
            level * np.array([powers[one & steady].sum() for one in taps]),
            level * scattered,
            np.sqrt(squares / np.maximum(scattered, 1e-300)),
            level * float(disturbing.sum()),
        )

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return _UnderwaterPath(self, rng, start_s)

    @property
    def _noise_db(self) -> float:
        return (
            _band_noise_db(Noise(self.wind_m_s, self.shipping), self.frequency_khz, self.bandwidth_khz) + self.noise_db
        )

    def _open_water(self, range_m: float) -> Taps:
        level = power(self.source_level_db - self._noise_db - spreading_db(range_m, self.spreading))
        level *= self._absorbed(range_m)
        rice = power(self.rice_db)
        return Taps(
            range_m / self.sound_speed_m_s,
            np.array([level * rice / (1 + rice)]),
            np.array([level / (1 + rice)]),
            np.array([self._drift_hz]),
            0.0,
        )

    def _absorbed(self, length_m: float) -> float:
        """Share of the band's power that is left after `length_m`."""
        return float(np.mean(10 ** (-_absorption(self.frequency_khz, self.bandwidth_khz) * length_m / 10_000)))

    @property
    def _drift_hz(self) -> float:
        return self.drift_m_s * 1000 * self.frequency_khz / self.sound_speed_m_s

    def _spread_hz(self, ray: Ray) -> float:
        """Of one ray: bounces at the surface are independent, so their squares add up."""
        heave_m_s = 2 * surface_speed_m_s(self.wind_m_s) * math.sin(ray.grazing)
        return math.hypot(
            self._drift_hz,
            math.sqrt(ray.surface_bounces) * heave_m_s * 1000 * self.frequency_khz / self.sound_speed_m_s,
        )


@lru_cache(maxsize=256)
def _band_noise_db(noise: Noise, frequency_khz: float, bandwidth_khz: float) -> float:
    return noise.band_db(frequency_khz, bandwidth_khz)


@lru_cache(maxsize=256)
def _absorption(frequency_khz: float, bandwidth_khz: float) -> NDArray[np.float64]:
    """(slices,) of a band, in dB a kilometre."""
    slices, _ = band(frequency_khz, bandwidth_khz)
    return np.array([thorp_db_per_km(float(f)) for f in slices])


_LIMITS = (
    ("frequency_khz", 0.1, 500),
    ("bandwidth_khz", 0.01, 500),
    ("source_level_db", 60, 260),
    ("noise_db", -60, 100),
    ("temperature_c", -2, 40),
    ("salinity_ppt", 0, 45),
    ("surface_loss_db", 0, 40),
    ("window_ms", 0, 10_000),
    ("drift_m_s", 0, 10),
    ("spreading", 0.5, 3),
    ("rice_db", -60, 60),
    ("slow_db", 0, 30),
    ("slow_s", 0.1, 100_000),
)


@dataclass(frozen=True, slots=True)
class Taps:
    """Powers over the noise in the band: per tap (taps,) what is `steady` and what is `scattered`, the latter's Doppler
    spread; `late` is what comes after the receiver's window. `delay_s` is that of the first ray."""

    delay_s: float
    steady: NDArray[np.float64]
    scattered: NDArray[np.float64]
    spread_hz: NDArray[np.float64]
    late: float

    @property
    def mean_snr(self) -> float:
        """Power over noise and late echoes, faded neither way."""
        return float((self.steady.sum() + self.scattered.sum()) / (1 + self.late))

    def snr(self, gains: NDArray[np.complex128], swell: float) -> NDArray[np.float64]:
        """(instants,): with the scattered parts' gains (taps, instants) and the level's swell, a power ratio."""
        each = np.abs(np.sqrt(self.steady)[:, None] + np.sqrt(self.scattered)[:, None] * gains) ** 2
        found: NDArray[np.float64] = swell * each.sum(axis=0) / (1 + swell * self.late)
        return found


class _UnderwaterPath(Path):
    """`model` over time; echoes are remembered until the range has changed enough to matter."""

    def __init__(self, model: UnderwaterModel, rng: np.random.Generator, start_s: float) -> None:
        self._model = model
        self._start_s = start_s
        scatter_rng, swell_rng = rng.spawn(2)
        self._scatter = GaussianScatter(MAX_TAPS, scatter_rng)
        self._swell = Swell(model.slow_s, swell_rng)
        self._sound_speed_m_s = model.sound_speed_m_s
        self._remembered: tuple[int, Taps] | None = None

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        model = self._model
        begin_s, end_s = begin_s - self._start_s, end_s - self._start_s
        range_m, rate_m_s = range_and_rate(model.range_m, model.until_m, model.speed_m_s, begin_s)
        taps = self._taps(range_m)
        turns = float(taps.spread_hz.max()) * (end_s - begin_s)
        instants = min(MAX_INSTANTS, 1 + math.ceil(INSTANTS_A_TURN * turns))
        times_s = begin_s + (np.arange(instants) + 0.5) / instants * (end_s - begin_s)
        swell = power(model.slow_db * self._swell.at(begin_s)) if model.slow_db else 1.0
        snr = np.maximum(taps.snr(self._scatter.at(times_s, taps.spread_hz), swell), 1e-30)
        doppler_hz = 0.0 - rate_m_s / self._sound_speed_m_s * 1000 * model.frequency_khz
        found_db = float(np.mean(10 * np.log10(snr)))
        loss, bits = self._outcome(n_bytes, snr, found_db)
        cause = "faded"
        if model.most_speed_m_s is not None and abs(rate_m_s) > model.most_speed_m_s:
            loss, cause = 1.0, "doppler"
        delay_s = range_m / self._sound_speed_m_s if model.water_depth_m is None else self._first_s(range_m)
        return Conditions(delay_s, loss, bits, decibels(float(snr.mean())), doppler_hz, cause)

    def _outcome(self, n_bytes: int, snr: NDArray[np.float64], mean_db: float) -> tuple[float, float]:
        modem = self._model.modem
        if modem.kind is ModemKind.PACKET:
            return 1 - modem.packet_success(mean_db), 0.0
        wrong = modem.bit_error_rate(snr, self._model.bandwidth_khz)
        if modem.kind is ModemKind.FSK_BITS:
            return 0.0, wrong
        return 1 - (1 - wrong) ** (8 * n_bytes), 0.0

    def _first_s(self, range_m: float) -> float:
        model = self._model
        return math.hypot(range_m, model.source_depth_m - model.receiver_depth_m) / self._sound_speed_m_s

    def _taps(self, range_m: float) -> Taps:
        step = round(RANGE_STEPS * math.log(range_m))
        if self._remembered is None or self._remembered[0] != step:
            exact = range_m if self._model.until_m is None else math.exp(step / RANGE_STEPS)
            self._remembered = step, self._model.taps(exact)
        return self._remembered[1]
