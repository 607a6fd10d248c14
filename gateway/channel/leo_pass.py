"""Satellites in low orbits that come, pass and go: delay, Doppler and SNR of the one in use, and gaps between them.

Rule: everything follows from the orbit. A station stays with a satellite until it sinks below `min_elevation_deg` (or
`dwell_s` are over) and then takes the highest one; changing costs `handover_s`, and with none in view the link is out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.fading import RiceFader, part_times
from gateway.channel.figures import LIGHT_M_S, check_range, ratio_of
from gateway.channel.modem_curve import Gives, ModemCurve
from gateway.channel.orbit import Constellation, Sky, slant_range_m
from gateway.channel.spells import Spells

_LOOK_S = 10.0
"""Step in which rise and set are looked for; a pass shorter than this is no use to anybody."""
_LOOK_STEPS = 90
_EXACT_S = 1e-3
NO_SATELLITE, HANDOVER = "no satellite", "hand-over"


@dataclass(frozen=True, slots=True)
class LeoPassModel(PathModel):
    """A constellation (`gateway.channel.orbit.Constellation`) and a station on the ground at `latitude_deg`.

    The longitude is drawn unless given, so that every seed has another hour. `snr_db` is that of a satellite overhead
    (None: the link is good wherever a satellite is in view); it falls with the square of the distance. The way from
    the satellite on is `onward_km`, None: as far as to the station (a ground station beside it).
    """

    altitude_km: float = 780.0
    inclination_deg: float = 86.4
    planes: int = 1
    per_plane: int = 1
    spread_deg: float = 360.0
    phasing: float = 0.0
    latitude_deg: float = 50.0
    longitude_deg: float | None = None
    anomaly_deg: float = 0.0
    min_elevation_deg: float = 10.0
    dwell_s: float | None = None
    handover_s: float = 0.0
    frequency_hz: float = 1.62e9
    onward_km: float | None = None
    processing_ms: float = 0.0
    snr_db: float | None = None
    rice_db: float | None = None
    """With `spread_hz`: fading on top, None for none."""
    spread_hz: float = 10.0
    modem: ModemCurve = field(default_factory=ModemCurve)

    def __post_init__(self) -> None:
        check_range("altitude_km", self.altitude_km, 160, 35_000)
        check_range("inclination_deg", self.inclination_deg, 0, 180)
        check_range("planes", self.planes, 1, 1000)
        check_range("per_plane", self.per_plane, 1, 1000)
        check_range("per_plane", self.planes * self.per_plane, 1, 10_000)
        check_range("spread_deg", self.spread_deg, 0, 360)
        check_range("phasing", self.phasing, 0, 1000)
        check_range("latitude_deg", self.latitude_deg, -90, 90)
        check_range("anomaly_deg", self.anomaly_deg, -360, 360)
        check_range("min_elevation_deg", self.min_elevation_deg, 0, 89)
        check_range("handover_s", self.handover_s, 0, 600)
        check_range("frequency_hz", self.frequency_hz, 1e6, 1e11)
        check_range("processing_ms", self.processing_ms, 0, 60_000)
        check_range("spread_hz", self.spread_hz, 0, 100_000)
        for name, value, low, high in (
            ("longitude_deg", self.longitude_deg, -180, 360),
            ("dwell_s", self.dwell_s, 1, 86_400),
            ("onward_km", self.onward_km, 0, 100_000),
            ("snr_db", self.snr_db, -60, 100),
            ("rice_db", self.rice_db, -30, 60),
        ):
            if value is not None:
                check_range(name, value, low, high)
        if self.rice_db is not None and self.snr_db is None:
            raise ValueError("snr_db: missing; fading (rice_db) needs it")

    @property
    def constellation(self) -> Constellation:
        """The orbits."""
        return Constellation(
            1000 * self.altitude_km,
            self.inclination_deg,
            self.planes,
            self.per_plane,
            self.spread_deg,
            self.phasing,
            anomaly_deg=self.anomaly_deg,
        )

    @property
    def usual_delay_s(self) -> float:
        """With the satellite half-way between the horizon and overhead."""
        distance_m = slant_range_m(self.constellation.radius_m, 45.0)
        onward_m = distance_m if self.onward_km is None else 1000 * self.onward_km
        return (distance_m + onward_m) / LIGHT_M_S + self.processing_ms / 1000

    @property
    def damages_bits(self) -> bool:
        return self.modem.gives is Gives.BITS

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return LeoPath(self, rng, start_s)


class LeoPath(Path):
    """Knows the satellite in use at any time; `longitude_deg` is the station's."""

    def __init__(self, model: LeoPassModel, rng: np.random.Generator, start_s: float) -> None:
        place_rng, fading_rng = rng.spawn(2)
        drawn_deg = float(place_rng.uniform(0, 360))
        self.longitude_deg = drawn_deg if model.longitude_deg is None else model.longitude_deg
        self._model = model
        self._start_s = start_s
        self._sky = Sky(model.constellation, model.latitude_deg, self.longitude_deg)
        self._uses = Spells(_uses(model, self._sky), 0.0)
        self._fader = None if model.rice_db is None else RiceFader(fading_rng, model.spread_hz, ratio_of(model.rice_db))

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        model, begin_s, end_s = self._model, begin_s - self._start_s, end_s - self._start_s
        uses = self._uses.during(begin_s, end_s)
        for cause in (NO_SATELLITE, HANDOVER):
            if cause in uses:
                return Conditions(loss=1.0, cause=cause)
        middle_s = (begin_s + end_s) / 2
        satellite = uses[-1]
        assert isinstance(satellite, int)
        distance_m, change_m_s = self._sky.view(middle_s, satellite)
        onward_m = distance_m if model.onward_km is None else 1000 * model.onward_km
        delay_s = (distance_m + onward_m) / LIGHT_M_S + model.processing_ms / 1000
        doppler_hz = -change_m_s / LIGHT_M_S * model.frequency_hz
        if model.snr_db is None:
            return Conditions(delay_s, doppler_hz=doppler_hz)
        snr_db = model.snr_db - 20 * math.log10(distance_m / (1000 * model.altitude_km))
        power = np.ones(1)
        if self._fader is not None:
            power = np.maximum(self._fader.power(part_times(begin_s, end_s, model.spread_hz)), 1e-12)
        loss, wrong = model.modem.outcome(snr_db + 10 * np.log10(power), n_bytes)
        return Conditions(delay_s, loss, wrong, snr_db + 10 * math.log10(power.mean()), doppler_hz)


def _uses(model: LeoPassModel, sky: Sky) -> Iterator[tuple[int | str, float]]:
    """The satellite in use (or why there is none) and for how long, from time 0 on."""
    at_s = 0.0
    current: int | None = None
    while True:
        elevations = sky.elevations(np.array([at_s]))[0]
        highest = int(np.argmax(elevations))
        if elevations[highest] < model.min_elevation_deg:
            rises_s = _next_rise(model, sky, at_s)
            yield NO_SATELLITE, rises_s - at_s
            at_s, current = rises_s, None
            continue
        stays_s = _sets(model, sky, highest, at_s) - at_s
        if model.dwell_s is not None:
            # On the clock of the constellation, as all stations change at once.
            stays_s = min(stays_s, model.dwell_s - at_s % model.dwell_s or model.dwell_s)
        stays_s = max(stays_s, _EXACT_S)
        changing_s = min(model.handover_s, stays_s) if current not in (None, highest) else 0.0
        if changing_s:
            yield HANDOVER, changing_s
        if stays_s > changing_s:
            yield highest, stays_s - changing_s
        at_s, current = at_s + stays_s, highest


def _sets(model: LeoPassModel, sky: Sky, satellite: int, at_s: float) -> float:
    """When a satellite that is up at `at_s` will have sunk below the least elevation."""
    while True:
        times = np.linspace(at_s + _LOOK_S, at_s + _LOOK_STEPS * _LOOK_S, _LOOK_STEPS)
        down = sky.elevations(times, satellite)[:, 0] < model.min_elevation_deg
        if down.any():
            first = float(times[int(np.argmax(down))])
            return _bisect(model, sky, satellite, max(at_s, first - _LOOK_S), first)
        at_s = float(times[-1])


def _next_rise(model: LeoPassModel, sky: Sky, at_s: float) -> float:
    """When the first satellite will be up, none being at `at_s`; a day later if none comes in a day."""
    end_s = at_s + 86_400
    steps = max(1, min(_LOOK_STEPS, 20_000 // (model.planes * model.per_plane)))
    while at_s < end_s:
        times = np.linspace(at_s + _LOOK_S, at_s + steps * _LOOK_S, steps)
        elevations = sky.elevations(times)
        up = (elevations >= model.min_elevation_deg).any(axis=1)
        if up.any():
            index = int(np.argmax(up))
            satellites = np.flatnonzero(elevations[index] >= model.min_elevation_deg)
            before = float(times[index]) - _LOOK_S
            return min(_bisect(model, sky, int(one), before, float(times[index])) for one in satellites)
        at_s = float(times[-1])
    return end_s


def _bisect(model: LeoPassModel, sky: Sky, satellite: int, before_s: float, after_s: float) -> float:
    """The time, up to a millisecond later, at which a satellite crosses the least elevation between two times."""

    def is_up(at_s: float) -> bool:
        return bool(sky.elevations(np.array([at_s]), satellite)[0, 0] >= model.min_elevation_deg)

    was_up = is_up(before_s)
    while after_s - before_s > _EXACT_S:
        middle_s = (before_s + after_s) / 2
        if is_up(middle_s) is was_up:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s
