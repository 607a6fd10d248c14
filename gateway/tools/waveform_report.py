"""What `clarilink waveform run` leaves behind: a table, a trace, a picture, sound.

Rule: files and text; what was sent and heard is the business of gateway.waveform.trial.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from gateway.errors import GatewayError
from gateway.traces import Direction, Outcome, TraceHeader, TraceRecord, TraceWriter
from gateway.waveform import figures, theory
from gateway.waveform.figures import SAMPLE_RATE_HZ, Coding
from gateway.waveform.resample import ComplexArray
from gateway.waveform.responses import Responses
from gateway.waveform.transmit import from_sound, modulate, to_sound
from gateway.waveform.trial import Passage, Plan, Row, Tally, passages
from gateway.waveform.water import Water

SOUND_RATE_HZ = 48_000
MODEM, HYDROPHONE = "modem", "hydrophone"
_DISTANCE_S = 1.0
"""Between the overs of two noise levels in a trace."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A logistic packet curve: half of all packets arrive at `half_db`, 10 to 90 % within `width_db` around it."""

    half_db: float
    width_db: float

    def delivery(self, snr_db: float) -> float:
        """Share of packets delivered."""
        return 1 / (1 + math.exp(-2 * math.log(9) * (snr_db - self.half_db) / self.width_db))


def run_trial(
    water: Water,
    plan: Plan,
    levels_db: Sequence[float],
    *,
    trace: Path | None = None,
    sound: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Every packet of `plan` at every noise level. Raises GatewayError for files that cannot be written."""
    if sound is not None:
        _check_sound(sound, water.centre_hz)
    rows, heard = [], []
    writer = None if trace is None else TraceWriter(trace, TraceHeader(MODEM, 0.0, None, _notes(plan)))
    begin_s = 0.0
    try:
        for level, snr_db in enumerate(levels_db):
            tally, last_s = Tally(plan, snr_db), 0.0
            for passage in passages(water, plan, snr_db):
                tally.add(passage)
                last_s = passage.sent_s
                if writer is not None:
                    writer.write_all(_records(passage, begin_s, level, plan))
                if passage.number == 0 and passage.heard is not None:
                    heard.append(passage.heard)
            begin_s += last_s + figures.airtime_s(plan.n_bytes, plan.coding) + _DISTANCE_S
            rows.append(tally.row())
            say(row_text(rows[-1]))
    finally:
        if writer is not None:
            writer.close()
    if sound is not None:
        write_sound(sound, heard, water.centre_hz)
    return rows


def _notes(plan: Plan) -> dict[str, Any]:
    return {"what": "software modem, simulated", "coding": plan.coding.value, "seed": plan.seed}


def _records(passage: Passage, begin_s: float, level: int, plan: Plan) -> list[TraceRecord]:
    """One packet as its sender and its receiver note it; a level is an over."""
    at_s, took_s = begin_s + passage.sent_s, figures.airtime_s(plan.n_bytes, plan.coding)
    sent = TraceRecord(
        at_s,
        Direction.TX,
        Outcome.SENT,
        source=MODEM,
        destination=HYDROPHONE,
        sequence=passage.number,
        over=level,
        size=len(passage.sent),
        kind="waveform",
        digest=crc32(passage.sent),
    )
    whole = passage.bit_errors == 0
    received = replace(
        sent,
        at_s=at_s + took_s if whole else at_s,
        direction=Direction.RX,
        outcome=Outcome.DELIVERED if whole else Outcome.LOST,
        delay_s=took_s if whole else None,
        snr_db=passage.snr_db,
        doppler_hz=passage.doppler_hz,
        status="" if whole else passage.missed or f"{passage.bit_errors} bits wrong",
    )
    return [sent, received]


HEAD = "SNR dB  packets  missed  damaged  PER (95 %)              BER (95 %)                      theory   heard"


def row_text(row: Row) -> str:
    """One line under HEAD."""
    measured = "" if row.measured_snr_db is None else f"{row.measured_snr_db:.1f} dB"
    doppler = "" if row.measured_doppler_hz is None else f", {row.measured_doppler_hz:+.2f} Hz"
    per = f"{row.per:.3f} ({row.per_low:.3f}..{row.per_high:.3f})"
    ber = f"{row.ber:.2e} ({row.ber_low:.1e}..{row.ber_high:.1e})" if row.bits else "none read"
    return (
        f"{row.snr_db:6.1f}{row.packets:9d}{row.missed:8d}{row.damaged:9d}  {per:<24}{ber:<32}"
        f"{row.theory_ber:.1e}  {measured}{doppler}"
    )


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """CSV: a line for each noise level; `snr_db` and `delivery` are a modem's measured curve. Raises GatewayError."""
    names = [field.name for field in fields(Row)]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow([*names[:1], "delivery", *names[1:]])
            for row in rows:
                values = [getattr(row, name) for name in names]
                table.writerow([_cell(value) for value in (values[0], row.delivery, *values[1:])])
    except OSError as error:
        raise GatewayError(f"{path}: cannot write: {error.strerror or error}") from error


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"


def fitted_curve(rows: Sequence[Row]) -> Curve | None:
    """The likeliest logistic curve; None where the levels do not lie on both sides of it (all arrive, or none)."""
    snr = np.array([row.snr_db for row in rows])
    lost = np.array([row.missed + row.damaged for row in rows])
    of = np.array([row.packets for row in rows])
    share = 1 - lost / of
    if len(rows) < 2 or share.max() < 0.5 or share.min() > 0.5:
        return None
    # Newton's method on a likelihood with half a packet more on either side, which keeps steep curves finite.
    good, total = of - lost + 0.5, of + 1.0
    design = np.stack([np.ones_like(snr), snr - snr.mean()], axis=1)
    beta = np.array([0.0, 0.5])
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        hessian = design.T @ (design * (total * p * (1 - p))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (good - total * p))
        beta = beta + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    if beta[1] <= 0:
        return None
    return Curve(float(snr.mean() - beta[0] / beta[1]), float(2 * math.log(9) / beta[1]))


def _check_sound(path: Path, centre_hz: float) -> None:
    if centre_hz + figures.BANDWIDTH_HZ / 2 > 0.45 * SOUND_RATE_HZ:
        raise GatewayError(
            f"{path}: a band around {centre_hz:g} Hz does not fit into sound of {SOUND_RATE_HZ} samples a second"
        )


def write_sound(path: Path, heard: Sequence[ComplexArray], centre_hz: float) -> None:
    """What the hydrophone heard, one packet after another, as mono sound. Raises GatewayError."""
    import soundfile

    _check_sound(path, centre_hz)
    sound = np.concatenate([to_sound(signal, SOUND_RATE_HZ, centre_hz) for signal in heard])
    sound *= 0.9 / max(float(np.abs(sound).max(initial=0.0)), 1e-9)
    try:
        soundfile.write(path, sound, SOUND_RATE_HZ, format="WAV", subtype="PCM_16")
    except (OSError, soundfile.LibsndfileError) as error:
        raise GatewayError(f"{path}: cannot write: {error}") from error


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def plot_run(path: Path, rows: Sequence[Row], plan: Plan, water: Water, title: str) -> None:
    """Error rates against theory in still water, and a packet before and after the water. Raises GatewayError."""
    plt = _pyplot()
    figure, axes = plt.subplots(2, 2, figsize=(12, 8), layout="constrained")
    snr = np.array([row.snr_db for row in rows])
    fine = np.linspace(snr.min() - 1, snr.max() + 1, 200)
    calculated = {
        "ber": [theory.bit_error_rate(x, plan.coding) for x in fine],
        "per": [theory.packet_error_rate(x, plan.n_bytes, plan.coding) for x in fine],
    }
    for axis, (name, expected) in zip(axes[0], calculated.items(), strict=True):
        values = np.array([getattr(row, name) for row in rows])
        low = np.array([getattr(row, f"{name}_low") for row in rows])
        high = np.array([getattr(row, f"{name}_high") for row in rows])
        some = values > 0
        axis.plot(
            fine,
            expected,
            color="black",
            label="still water, calculated" + ("" if plan.coding is Coding.NONE else " (bound)"),
        )
        axis.errorbar(
            snr[some], values[some], [(values - low)[some], (high - values)[some]], fmt="o", capsize=3, label="counted"
        )
        none = values == 0
        if none.any():
            axis.plot(snr[none], high[none], "v", color="tab:gray", label="none in the run: at most")
        axis.set_yscale("log")
        axis.set_ylim(0.3 * max(1e-7, float(high[high > 0].min(initial=1e-3))), 1.5)
        axis.set_xlabel("SNR in the band, dB")
        axis.grid(alpha=0.3, which="both")
        axis.legend()
    axes[0, 0].set_ylabel("bit error rate of packets read")
    axes[0, 1].set_ylabel("packet error rate")
    first = next(iter(passages(water, _first_of(plan), float(snr.max()))))
    _spectrogram(axes[1, 0], modulate(first.sent, plan.coding), "sent", water.centre_hz)
    if first.heard is not None:
        _spectrogram(axes[1, 1], first.heard, f"heard at {snr.max():g} dB", water.centre_hz)
    figure.suptitle(title)
    _save(plt, figure, path)


def _first_of(plan: Plan) -> Plan:
    return Plan(plan.n_bytes, plan.coding, 1, plan.every_s, plan.seed)


def _spectrogram(axis: Any, signal: ComplexArray, label: str, centre_hz: float) -> None:
    with np.errstate(divide="ignore"):
        axis.specgram(signal, NFFT=128, noverlap=96, Fs=SAMPLE_RATE_HZ, Fc=centre_hz, vmin=-75, vmax=-25, cmap="magma")
    axis.set_xlabel("s")
    axis.set_ylabel(f"{label}: Hz")


def responses_text(found: Responses, files: int) -> str:
    """A set in a few lines."""
    lines = [
        f"{found.name}: {len(found.taps)} snapshots of {found.taps.shape[1]} taps"
        + (f", first of {files} files" if files > 1 else ""),
        f"rates        {found.tap_rate_hz:g} taps a second ({1000 * found.taps.shape[1] / found.tap_rate_hz:.1f} ms), "
        f"{found.snapshot_rate_hz:g} snapshots a second ({found.duration_s:.1f} s)",
        f"band         around {found.centre_hz:g} Hz; mean speed taken out before: {found.speed_m_s:g} m/s",
        f"delay        spread {1000 * found.delay_spread_s:.2f} ms root mean square",
        f"Doppler      spread {found.doppler_spread_hz:.3g} Hz root mean square, as far as the snapshots show",
    ]
    within = _within_guard(found)
    lines.append(f"guard        {100 * within:.1f} % of the power lies within the waveform's guard of 12 ms")
    return "\n".join(lines)


def _within_guard(found: Responses) -> float:
    power = np.mean(np.abs(found.taps) ** 2, axis=0)
    guard = max(1, round(found.tap_rate_hz * figures.PREFIX_SAMPLES / SAMPLE_RATE_HZ))
    return float(np.convolve(power, np.ones(guard)).max() / power.sum())


def plot_responses(path: Path, found: Responses) -> None:
    """The power of every tap over time, and its mean over delay. Raises GatewayError."""
    plt = _pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    power = _db(np.abs(found.taps) ** 2)
    width_ms = 1000 * found.taps.shape[1] / found.tap_rate_hz
    top = float(power.max())
    extent = (0, width_ms, 0, max(found.duration_s, 1 / found.snapshot_rate_hz))
    picture = axes[0].imshow(power, aspect="auto", origin="lower", extent=extent, vmin=top - 40, vmax=top, cmap="magma")
    figure.colorbar(picture, ax=axes[0], label="dB")
    axes[0].set_ylabel("time, s")
    mean = _db(np.mean(np.abs(found.taps) ** 2, axis=0))
    axes[1].plot(np.arange(len(mean)) / found.tap_rate_hz * 1000, mean)
    axes[1].set_ylim(float(mean.max()) - 50, float(mean.max()) + 3)
    axes[1].set_ylabel("mean power, dB")
    axes[1].grid(alpha=0.3)
    for axis in axes:
        axis.set_xlabel("delay, ms")
    figure.suptitle(f"Impulse responses of {found.name}")
    _save(plt, figure, path)


def _db(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))


def _save(plt: Any, figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, dpi=90)
    except (OSError, ValueError) as error:
        raise GatewayError(f"{path}: cannot write a picture: {error}") from error
    finally:
        plt.close(figure)


def read_sound(path: Path, centre_hz: float) -> ComplexArray:
    """A recording's first channel as complex baseband. Raises GatewayError."""
    import soundfile

    try:
        sound, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise GatewayError(f"{path}: cannot read: {error}") from error
    if centre_hz + figures.BANDWIDTH_HZ / 2 > rate_hz / 2:
        raise GatewayError(f"{path}: {rate_hz} samples a second do not hold a band around {centre_hz:g} Hz")
    if not len(sound):
        raise GatewayError(f"{path}: holds no sound")
    return from_sound(sound[:, 0], rate_hz, centre_hz)
