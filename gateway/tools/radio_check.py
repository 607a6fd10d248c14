"""Pictures that hold the models of VHF and LoRa against what is published: one PNG a part.

Rule: draws what gateway.channel computes, and beside it the figures of the sources; nothing is fitted here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gateway.channel.lora import LoraModel, airtime_s, least_snr_db, sensitivity_dbm
from gateway.channel.radio import Noise, RadioPath, Terrain, free_space_db, hata_db
from gateway.channel.rice import RiceModel
from gateway.channel.spec_file import load_channel
from gateway.tools.plots import picture

HATA_KM = {1: 126.4, 10: 161.6}
"""dB in a town at 900 MHz, 30 m and 1.5 m high. Hata, IEEE Trans. Vehicular Technology 29(3), 1980, worked by hand."""
MARINE_DB = 12.0
"""SNR of a clear FM voice."""
MARINE_KM = (28.0, 37.0)
"""15 to 20 nautical miles: how far sailors hear 25 W from boat to boat."""
LORA_DBM = {7: -124, 8: -127, 9: -130, 10: -133, 11: -135, 12: -137}
"""Sensitivity at 125 kHz. Semtech SX1272/73 data sheet, revision 2 (2014), RFS_L125."""
LORA_MS = {(7, 10): 41.216, (7, 22): 56.576, (9, 10): 144.384, (12, 10): 991.232}
"""Spreading factor and bytes, at 125 kHz, coding 4/5: Semtech's LoRa calculator."""
MOMENTS = 20_000


def draw_loss(folder: Path) -> str:
    """Path loss by distance over three kinds of ground."""
    km = np.geomspace(1, 60, 120)
    with picture(folder / "loss.png", "Loss of a path", "km", "dB") as axis:
        for terrain in (Terrain.TOWN, Terrain.SUBURB, Terrain.OPEN):
            reached = km[km <= 20]
            loss = [hata_db(terrain, 900e6, d, 30, 1.5) for d in reached.tolist()]
            axis.semilogx(reached, loss, label=f"900 MHz, {terrain.value}")
        sea = RadioPath(157e6, heights_m=(8, 4), terrain=Terrain.SEA)
        axis.semilogx(km, [sea.loss_db(d) for d in km.tolist()], label="157 MHz, sea, boat to boat")
        axis.semilogx(km, [free_space_db(157e6, d) for d in km.tolist()], "k:", label="157 MHz, free space")
        axis.axvline(sea.horizon_km, color="grey", lw=0.8, label="horizon")
        axis.plot(HATA_KM.keys(), HATA_KM.values(), "o", label="Hata 1980, town")
        axis.legend()
    worst = max(abs(hata_db(Terrain.TOWN, 900e6, d, 30, 1.5) - db) for d, db in HATA_KM.items())
    return f"loss.png: within {worst:.2f} dB of Hata's figures at 1 and 10 km"


def draw_reach(folder: Path) -> str:
    """SNR of marine VHF by distance."""
    radio = RadioPath(157e6, 44, 4, (8, 4), Terrain.SEA, noise=Noise.RURAL)
    km = np.arange(1.0, 80.0, 0.5)
    snr = np.array([radio.snr_db(d) for d in km.tolist()])
    reach_km = float(km[np.argmax(snr < MARINE_DB)])
    with picture(folder / "reach.png", "Marine VHF, 25 W, boat to boat", "km", "SNR, dB") as axis:
        axis.plot(km, snr)
        axis.axhline(MARINE_DB, color="grey", lw=0.8, label="a clear FM voice")
        axis.axvspan(*MARINE_KM, alpha=0.2, label="15 to 20 nautical miles, as sailors say")
        axis.legend()
    return f"reach.png: a clear voice up to {reach_km:.0f} km ({MARINE_KM[0]:.0f} to {MARINE_KM[1]:.0f})"


def draw_envelope(folder: Path) -> str:
    """Rayleigh and Rice fading beside their theory."""
    worst = 0.0
    with picture(folder / "envelope.png", "Fading about its mean", "dB", "share of time below") as axis:
        for number, rice_db in enumerate((None, 6.0, 12.0)):
            model = RiceModel(rice_db=rice_db, doppler_hz=5.0, snr_db=20.0)
            found = []
            for seed in range(MOMENTS // 100):
                path = model.start(np.random.default_rng(seed), 0.0)
                found += [path.conditions(1, 7.0 * i, 7.0 * i).snr_db for i in range(100)]
            levels = np.sort(np.array(found, float))
            share = (np.arange(len(levels)) + 1) / len(levels)
            theory = model.snr_cdf(levels)
            worst = max(worst, float(np.max(np.abs(theory - share))))
            name = "Rayleigh" if rice_db is None else f"Rice, {rice_db:g} dB"
            axis.semilogy(levels - 20, share, color=f"C{number}", alpha=0.5, lw=3, label=name)
            axis.plot(levels - 20, theory, "k--", lw=1, label="theory" if number == 0 else None)
        axis.set(xlim=(-35, 10), ylim=(1e-4, 1.2))
        axis.legend()
    limit = 1.63 / MOMENTS**0.5
    return f"envelope.png: at most {worst:.4f} from theory (Kolmogorov and Smirnov allow {limit:.4f} at 1 %)"


def draw_lora(folder: Path) -> str:
    """Packet loss of LoRa by level, with the sensitivities of its maker."""
    levels = np.arange(-145.0, -115.0, 0.25)
    worst, reserve_db = 0.0, []
    with picture(folder / "lora.png", "LoRa, 125 kHz, 22 bytes", "dBm", "share of packets lost") as axis:
        for number, (spreading, published_dbm) in enumerate(LORA_DBM.items()):
            model = LoraModel(spreading)
            offset_db = sensitivity_dbm(spreading, 125e3) - least_snr_db(spreading)
            lost = [model.packet_loss(np.array([level - offset_db]), 22) for level in levels.tolist()]
            axis.plot(levels, lost, color=f"C{number}", label=f"SF{spreading}")
            axis.plot(published_dbm, 0.01, "o", color=f"C{number}")
            worst = max(worst, abs(sensitivity_dbm(spreading, 125e3) - published_dbm))
            reserve_db.append(published_dbm - levels[np.argmax(np.array(lost) < 0.01)])
        axis.plot([], [], "ko", label="sensitivity, SX1272 data sheet")
        axis.legend()
    return (
        f"lora.png: sensitivity within {worst:.1f} dB of the data sheet's; "
        f"1 % of packets lost at {-max(reserve_db):+.1f} to {-min(reserve_db):+.1f} dB of it"
    )


def draw_lora_airtime(folder: Path) -> str:
    """Air time by size: chip, and what the presets' rate makes of it."""
    sizes = np.arange(6, 60)
    with picture(folder / "lora-airtime.png", "Air time of LoRa packets, 125 kHz", "bytes", "ms") as axis:
        for number, spreading in enumerate((7, 9, 10, 12)):
            chip = [1000 * airtime_s(spreading, 125e3, 1, n) for n in sizes.tolist()]
            axis.step(sizes, chip, where="mid", color=f"C{number}", label=f"SF{spreading}, 4/5")
            spec = load_channel(f"lora-sf{spreading}")
            assert isinstance(spec.model, LoraModel)
            rate = [1000 * spec.airtime_s(n) for n in sizes.tolist()]
            axis.plot(sizes, rate, "--", lw=0.8, color=f"C{number}", label=f"preset, 4/{4 + spec.model.coding}")
        for (_, n_bytes), published_ms in LORA_MS.items():
            axis.plot(n_bytes, published_ms, "ko")
        axis.set(yscale="log", title="Air time of LoRa packets, 125 kHz; dots: Semtech's calculator")
        axis.legend(ncols=2, fontsize=8)
    worst = max(abs(1000 * airtime_s(sf, 125e3, 1, n) / ms - 1) for (sf, n), ms in LORA_MS.items())
    return f"lora-airtime.png: within {100 * worst:.2f} % of the maker's calculator"


DRAWN = (draw_loss, draw_reach, draw_envelope, draw_lora, draw_lora_airtime)
