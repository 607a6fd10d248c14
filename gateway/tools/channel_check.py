"""Pictures that hold the models of a medium against what is published: one PNG a part.

Rule: draws what gateway.channel computes, and beside it the figures of the sources; nothing is fitted here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from gateway.airtimes import airtime_ms
from gateway.channel.delivery import DeliveryByRangeModel
from gateway.channel.images import delay_spread_s, rays
from gateway.channel.impairments import Channel, ChannelSpec
from gateway.channel.measured import DELIVERY, EVOLOGICS_S2C_AIRTIME_MS
from gateway.channel.spec_file import load_channel, preset_names
from gateway.channel.underwater import UnderwaterModel
from gateway.channel.water import Noise, decibels, relaxation_db_per_km, snr_db, thorp_db_per_km
from gateway.errors import GatewayError
from gateway.tools import radio_check, satellite_check
from gateway.tools.plots import picture

PACKETS = 2000
"""Sent to each range of a measured table."""
PUBLISHED_ABSORPTION = {0.64: 0.03615, 1.28: 0.08538, 2.56: 0.16469, 5.12: 0.38326, 10.24: 1.19919, 20.48: 4.16885}
PUBLISHED_ABSORPTION |= {40.96: 12.81169, 81.92: 27.26378}
"""kHz: dB/km. Weinberg, Generic Sonar Model, NUSC TD 5971D (1985), table 7."""
PUBLISHED_NOISE = {"Beaufort 1": (1.0, 50.0), "2": (2.6, 55.0), "3": (4.4, 61.5), "4": (6.9, 64.5), "5": (9.8, 66.5)}
"""Wind in m/s and dB re 1 uPa^2/Hz at 1 kHz, as a US Navy sonar course reads them from Wenz's and Knudsen's curves."""


def draw_thorp(folder: Path) -> str:
    """Absorption by frequency."""
    khz = np.geomspace(0.1, 200, 300)
    with picture(folder / "thorp.png", "Absorption in sea water", "kHz", "dB/km") as axis:
        axis.loglog(khz, [thorp_db_per_km(f) for f in khz], label="Thorp, all terms")
        axis.loglog(khz, [relaxation_db_per_km(f) for f in khz], "--", label="its relaxation terms")
        axis.loglog(*zip(*PUBLISHED_ABSORPTION.items(), strict=True), "o", label="Weinberg 1985, table 7")
        axis.legend()
    worst = max(abs(relaxation_db_per_km(f) / published - 1) for f, published in PUBLISHED_ABSORPTION.items())
    full = max(abs(thorp_db_per_km(f) / published - 1) for f, published in PUBLISHED_ABSORPTION.items())
    return f"thorp.png: within {100 * worst:.1f} % of the published table, with all terms within {100 * full:.1f} %"


def draw_wenz(folder: Path) -> str:
    """Ambient noise by frequency, its parts and some winds."""
    khz = np.geomspace(0.001, 500, 400)
    with picture(folder / "wenz.png", "Ambient noise after Wenz", "kHz", "dB re 1 uPa^2/Hz") as axis:
        parts = [Noise(5, 0.5).parts_db(f) for f in khz]
        for name in parts[0]:
            axis.semilogx(khz, [part[name] for part in parts], ":", label=name)
        for wind in (0, 5, 10, 20):
            axis.semilogx(khz, [Noise(wind, 0.5).spectrum_db(f) for f in khz], label=f"all, wind {wind} m/s")
        winds = list(PUBLISHED_NOISE.values())
        axis.semilogx([1] * len(winds), [level for _, level in winds], "ko", label="read from Wenz, 1 kHz")
        axis.set_ylim(0, 120)
        axis.legend(ncols=2, fontsize=8)
    worst = max(abs(Noise(wind, 0).spectrum_db(1) - level) for wind, level in PUBLISHED_NOISE.values())
    return f"wenz.png: within {worst:.1f} dB of published levels at 1 kHz, Beaufort 1 to 5"


def draw_snr(folder: Path) -> str:
    """Signal to noise by range, in bands of two modems and two winds; and through echoes."""
    metres = np.geomspace(20, 20_000, 200)
    title = "SNR by range: 170 dB re 1 uPa at 1 m, 4 kHz of band, practical spreading"
    with picture(folder / "snr.png", title, "m", "dB") as axis:
        for khz, colour in ((12, "C0"), (26, "C1"), (60, "C2")):
            for wind, line in ((2, "-"), (12, "--")):
                level = [snr_db(r, 170, Noise(wind), khz, 4) for r in metres]
                axis.semilogx(metres, level, line, color=colour, label=f"{khz} kHz, wind {wind} m/s")
        shallow = _shallow()
        reached = [r for r in metres if r <= 5000]
        axis.semilogx(
            reached,
            [decibels(shallow.taps(float(r)).mean_snr) for r in reached],
            color="k",
            label="26 kHz, wind 5 m/s, echoes of 30 m water",
        )
        axis.axhline(10, color="grey", lw=0.8)
        axis.set_ylim(-60, 90)
        axis.legend(fontsize=8)
    return f"snr.png: 26 kHz and wind of 2 m/s leave {snr_db(1000, 170, Noise(2), 26, 4):.1f} dB at 1 km"


def draw_echoes(folder: Path) -> str:
    """Impulse response of shallow water at some ranges."""
    with picture(
        folder / "echoes.png", "Echoes of 30 m of water over sand, by images", "ms after the first", "dB"
    ) as axis:
        words = []
        for number, range_m in enumerate((100, 300, 1000, 3000)):
            model = replace(_shallow(), range_m=range_m)
            found = rays(range_m, model.source_depth_m, model.receiver_depth_m, 30, model.bottom)
            first = found[0].length_m
            late_ms = [1000 * (ray.length_m - first) / model.sound_speed_m_s for ray in found]
            level = [decibels(ray.power / found[0].power) for ray in found]
            spread_s = delay_spread_s([late / 1000 for late in late_ms], [ray.power for ray in found])
            words.append(f"{range_m} m {1000 * spread_s:.1f} ms")
            marks, stems, base = axis.stem(
                np.array(late_ms) + 0.05 * number,
                level,
                linefmt=f"C{number}-",
                markerfmt=f"C{number}o",
                bottom=-50,
                label=f"{range_m} m: spread {1000 * spread_s:.1f} ms",
            )
            marks.set_markersize(4)
            stems.set_linewidth(0.8)
            base.set_visible(False)
        axis.set(xlim=(-1, 60), ylim=(-50, 10))
        axis.legend()
    return f"echoes.png: rms delay spread {', '.join(words)}"


def draw_fading(folder: Path) -> str:
    """A minute and a half of level on each preset under water."""
    names = [name for name in preset_names() if isinstance(load_channel(name).model, UnderwaterModel)]
    with picture(folder / "fading.png", "SNR that packets meet on the presets", "s", "dB") as axis:
        words = []
        for name in names:
            spec = load_channel(name)
            assert spec.model is not None
            path = spec.model.start(np.random.default_rng(1), 0.0)
            times = np.arange(0, 90, 0.2)
            met = [path.conditions(28, t, t + spec.airtime_s(28)) for t in times.tolist()]
            axis.plot(times, [found.snr_db for found in met], lw=1, label=name)
            words.append(f"{name} {100 * np.mean([found.loss for found in met]):.0f} %")
        axis.legend()
    return f"fading.png: lost within these 90 s: {', '.join(words)}"


def draw_delivery(folder: Path) -> str:
    """Measured tables, and packets sent through the model."""
    worst = 0.0
    with picture(folder / "delivery.png", "Packets delivered by range", "m", "share") as axis:
        for number, (table, points) in enumerate(DELIVERY.items()):
            metres = np.linspace(0, 210, 43)
            came = [_delivered(table, float(r), number) for r in metres]
            axis.plot(*zip(*points, strict=True), "o", color=f"C{number}", label=f"{table}, measured")
            axis.plot(metres, came, lw=1, color=f"C{number}", label=f"{table}, {PACKETS} packets each")
            worst = max(worst, *(abs(_delivered(table, r, number) - share) for r, share in points))
        axis.legend()
    error = 3 * math.sqrt(0.25 / PACKETS)
    return f"delivery.png: within {worst:.3f} of the measured shares (sampling: three errors are {error:.3f} at most)"


def draw_airtime(folder: Path) -> str:
    """EvoLogics' air time: measured, by table, by rule of thumb."""
    sizes = np.arange(1, 65)
    with picture(folder / "airtime.png", "Air time of EvoLogics S2C instant messages", "bytes", "ms") as axis:
        axis.plot(sizes, [airtime_ms(EVOLOGICS_S2C_AIRTIME_MS, int(n)) for n in sizes], label="profile")
        axis.plot(sizes, 153 + 11 * sizes, "--", label="153 ms + 11 ms a byte")
        axis.plot(*zip(*EVOLOGICS_S2C_AIRTIME_MS, strict=True), "o", label="measured")
        axis.legend()
    thumb = {n: (153 + 11 * n) / ms - 1 for n, ms in EVOLOGICS_S2C_AIRTIME_MS}
    rest = max(abs(error) for n, error in thumb.items() if n > 1)
    return (
        f"airtime.png: rule of thumb {100 * thumb[1]:+.1f} % at 1 byte, within {100 * rest:.1f} % from 8 on; "
        "the table is exact"
    )


def _shallow() -> UnderwaterModel:
    return UnderwaterModel(
        range_m=1000,
        water_depth_m=30,
        source_depth_m=8,
        receiver_depth_m=20,
        source_level_db=170,
        frequency_khz=26,
        bandwidth_khz=4,
    )


def _delivered(table: str, range_m: float, seed: int) -> float:
    spec = ChannelSpec(table, model=DeliveryByRangeModel(table, range_m=max(range_m, 1.0)))
    channel = Channel(spec, np.random.default_rng(seed))
    for index in range(PACKETS):
        channel.send(b"x", float(index))
    return channel.stats.delivered / PACKETS


CHECKS: Mapping[str, tuple[Callable[[Path], str], ...]] = MappingProxyType(
    {
        "underwater": (draw_thorp, draw_wenz, draw_snr, draw_echoes, draw_fading, draw_delivery, draw_airtime),
        "satellite": satellite_check.DRAWN,
        "radio": radio_check.DRAWN,
    }
)


def check(medium: str, folder: Path) -> Iterator[str]:
    """Draw all pictures of a medium into `folder`; a line on each. Raises GatewayError if that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for draw in CHECKS[medium]:
            yield draw(folder)
    except OSError as error:
        raise GatewayError(f"{folder}: cannot be written: {error.strerror or error}") from error
