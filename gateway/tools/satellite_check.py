"""Pictures that hold the models of satellite paths against what is published: one PNG a part.

Rule: draws what gateway.channel computes, and beside it the figures of the sources; nothing is fitted here.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.channel.figures import LIGHT_M_S
from gateway.channel.geo import GeoModel
from gateway.channel.iridium_call import IridiumCallModel
from gateway.channel.leo_pass import LeoPassModel
from gateway.channel.lutz import LutzModel, LutzPath
from gateway.channel.orbit import EARTH_M, GEO_M, Constellation, Sky, slant_range_m
from gateway.channel.spec_file import load_channel
from gateway.tools.plots import picture

LOWEST_DEG = 10.0
PUBLISHED_DISTANCE_KM = {35_786: 40_581, 1200: 3131, 600: 1932}
"""Altitude in km: distance at 10 degrees of elevation. 3GPP TR 38.821, table 4.2-2."""
PUBLISHED_ROUND_TRIP_MS = {35_786: 541.46, 1200: 41.77, 600: 25.77}
"""Both ends at 10 degrees, there and back. The same table."""
PUBLISHED_DOPPLER_PPM = {1200: 21.0, 600: 24.0}
"""The most of it. The same table."""
PUBLISHED_SHADOW = {"lutz-city": 0.66, "lutz-highway": 0.25}
"""Share of time. Lutz et al., IEEE Trans. Vehicular Technology 40(2), 1991, table II, 24 degrees."""
RAIN_YEARS = 10
CALLS = 1500


def draw_delay(folder: Path) -> str:
    """Station to satellite to station, by elevation."""
    elevations = np.linspace(0, 90, 91)
    with picture(folder / "delay.png", "One way up and down, both ends alike", "elevation, degrees", "ms") as axis:
        worst = 0.0
        for number, (km, round_trip_ms) in enumerate(PUBLISHED_ROUND_TRIP_MS.items()):
            radius_m = GEO_M if km > 30_000 else EARTH_M + 1000 * km
            ways_ms = [2000 * slant_range_m(radius_m, e) / LIGHT_M_S for e in elevations.tolist()]
            axis.semilogy(elevations, ways_ms, color=f"C{number}", label=f"{km} km")
            axis.plot(LOWEST_DEG, round_trip_ms / 2, "o", color=f"C{number}")
            found_km = slant_range_m(radius_m, LOWEST_DEG) / 1000
            worst = max(worst, abs(found_km / PUBLISHED_DISTANCE_KM[km] - 1))
            worst = max(worst, abs(2 * ways_ms[int(LOWEST_DEG)] / round_trip_ms - 1))
        axis.plot([], [], "ko", label="3GPP TR 38.821, 10 degrees")
        axis.legend()
    low, high = (1000 * GeoModel(0, 0, 0, 0, east).usual_delay_s for east in (0, 81.3))
    return (
        f"delay.png: distance and delay within {100 * worst:.2f} % of TR 38.821; a geostationary satellite is "
        f"{low:.0f} ms away overhead, {high:.0f} ms at the horizon"
    )


def draw_pass(folder: Path) -> str:
    """Doppler while a satellite passes over the pole."""
    with picture(folder / "pass.png", "Doppler of a pass overhead, in view", "s", "parts per million") as axis:
        words = []
        for number, (km, most_ppm) in enumerate(PUBLISHED_DOPPLER_PPM.items()):
            orbit = Constellation(1000 * km, 90.0)
            sky, over_s = Sky(orbit, 90.0, 0.0), orbit.period_s / 4
            times = over_s + np.arange(-900, 901, 5.0)
            up = times[sky.elevations(times)[:, 0] >= LOWEST_DEG]
            ppm = np.array([-sky.view(t, 0)[1] / LIGHT_M_S * 1e6 for t in up.tolist()])
            axis.plot(up - over_s, ppm, color=f"C{number}", label=f"{km} km, above 10 degrees")
            for sign in (-1, 1):
                axis.axhline(sign * most_ppm, ls="--", lw=0.8, color=f"C{number}")
            words.append(f"{km} km {ppm.max():.1f} ppm ({most_ppm:.0f})")
        axis.plot([], [], "k--", lw=0.8, label="at most, by TR 38.821")
        axis.legend()
    return (
        f"pass.png: most Doppler, published in brackets: {', '.join(words)}; "
        "elsewhere the Earth's turn adds up to 1.5 ppm"
    )


def draw_coverage(folder: Path) -> str:
    """Elevation of the satellite in use on the presets, for an hour."""
    names = ("leo-iridium", "leo-sparse", "leo-starlink")
    words = []
    with picture(folder / "coverage.png", "One way up and down on the presets", "minutes", "ms") as axis:
        for name in names:
            model = load_channel(name).model
            assert isinstance(model, LeoPassModel)
            path = model.start(np.random.default_rng(1), 0.0)
            times = np.arange(0, 3600, 2.0)
            met = [path.conditions(22, t, t) for t in times.tolist()]
            is_out = np.array([found.loss == 1.0 and found.cause == "no satellite" for found in met])
            delays = [math.nan if found.loss == 1.0 else 1000 * found.delay_s for found in met]
            axis.semilogy(times / 60, delays, lw=1, label=f"{name}: without a satellite {100 * is_out.mean():.0f} %")
            words.append(f"{name} {100 * is_out.mean():.0f} %")
        axis.legend()
    return f"coverage.png: share of an hour without a satellite: {', '.join(words)}"


def draw_rain(folder: Path) -> str:
    """Share of time in which rain takes more, over years, beside the two figures it was planned with."""
    model = load_channel("geo-ku-rain").model
    assert isinstance(model, GeoModel)
    clear = GeoModel(snr_db=100.0, rain_1pct_db=model.rain_1pct_db, rain_01pct_db=model.rain_01pct_db)
    path = clear.start(np.random.default_rng(4), 0.0)
    met = [path.conditions(1, t, t).snr_db for t in np.arange(0, RAIN_YEARS * 3.15e7, 2000.0).tolist()]
    taken = np.sort(100.0 - np.array(met, float))
    share = 100 * (1 - np.arange(len(taken)) / len(taken))
    planned = {1.0: model.rain_1pct_db, 0.1: model.rain_01pct_db}
    with picture(
        folder / "rain.png", f"Rain on geo-ku-rain, {RAIN_YEARS} years", "dB or more", "% of the time"
    ) as axis:
        axis.semilogy(taken, share, label="simulated")
        axis.plot(planned.values(), planned.keys(), "o", label="planned with (P.618)")
        axis.set_ylim(0.01, 100)
        axis.legend()
    words = [f"{np.percentile(taken, 100 - part):.1f} dB in {part:g} % ({db:.1f})" for part, db in planned.items()]
    return f"rain.png: exceeded, planned in brackets: {', '.join(words)}"


def draw_lutz(folder: Path) -> str:
    """Share of time below a level: simulated, theory; and the share of shadow as published."""
    words = []
    with picture(folder / "lutz.png", "A vehicle under a satellite", "dB against a free view", "share below") as axis:
        for number, (name, published) in enumerate(PUBLISHED_SHADOW.items()):
            preset = load_channel(name).model
            assert isinstance(preset, LutzModel)
            levels = _levels(preset, 4000)
            axis.semilogy(levels, _shares(levels), color=f"C{number}", alpha=0.5, lw=3, label=f"{name}, simulated")
            grid = np.linspace(-40, 8, 200)
            theory = preset.snr_cdf(grid + preset.snr_db)
            axis.plot(grid, theory, "k--", lw=1, label="theory" if number == 0 else None)
            words.append(f"{name} {_shadowed(preset):.3f} ({published:.2f})")
        axis.set(xlim=(-35, 8), ylim=(1e-3, 1.1))
        axis.legend()
    return f"lutz.png: share of time in shadow, published in brackets: {', '.join(words)}"


def _levels(model: LutzModel, count: int) -> NDArray[np.float64]:
    found = []
    for seed in range(count // 20):
        one = model.start(np.random.default_rng(seed), 0.0)
        found += [one.conditions(1, 40.0 * i, 40.0 * i).snr_db for i in range(20)]
    return np.sort(np.array(found, float)) - model.snr_db


def _shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (np.arange(len(values)) + 1) / len(values)


def _shadowed(model: LutzModel, hours: float = 16.0) -> float:
    path = model.start(np.random.default_rng(3), 0.0)
    assert isinstance(path, LutzPath)
    return float(np.mean([path.shadow_at(t) is not None for t in np.arange(0, 3600 * hours, 0.5).tolist()]))


def draw_calls(folder: Path) -> str:
    """How long Iridium data calls last, and how long there is none."""
    model = load_channel("iridium-call").model
    assert isinstance(model, IridiumCallModel)
    path = model.start(np.random.default_rng(7), 0.0)
    step_s = 5.0
    end_s = CALLS * (model.mean_call_s + model.mean_redial_s)
    is_down = np.array([path.conditions(1, t, t).cause == "call dropped" for t in np.arange(0, end_s, step_s).tolist()])
    edges = np.flatnonzero(np.diff(is_down.astype(int)))
    lengths = np.diff(edges) * step_s
    calls, gaps = (lengths[1:][::2], lengths[::2]) if not is_down[0] else (lengths[::2], lengths[1:][::2])
    with picture(folder / "calls.png", "Iridium data calls", "minutes", "share that lasts longer") as axis:
        minutes = np.sort(calls) / 60
        axis.semilogy(minutes, 1 - np.arange(len(minutes)) / len(minutes), label=f"{len(calls)} calls")
        axis.plot(minutes, np.exp(-minutes / 100), "k--", label="mean of 100 minutes (Mohammad 2004)")
        axis.set_ylim(0.005, 1.05)
        axis.legend()
    return (
        f"calls.png: {len(calls)} calls of {calls.mean() / 60:.0f} minutes on average (100), {gaps.mean():.1f} s to "
        f"the next ({model.dial_s:g} s a try, one in ten in vain)"
    )


DRAWN = (draw_delay, draw_pass, draw_coverage, draw_rain, draw_lutz, draw_calls)
