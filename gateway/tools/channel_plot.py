"""What a channel does over time, as figures and as a picture: packets at a steady pace, in simulated time.

Rule: any channel and any model, through the seam that links use; only what a channel has is drawn.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.impairments import Channel, ChannelSpec

PROBE_PATHS = 200
PROBE_TIMES = 50
MAX_PACKETS = 2_000_000
MAX_WINDOWS = 120
LONGEST_BURST_DRAWN = 60


@runtime_checkable
class SnrTheory(Protocol):
    """A model that knows the distribution of its SNR."""

    def snr_cdf(self, snr_db: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Share of time at or below each `snr_db`; None where there is no steady answer."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelRun:
    """Packets sent at `at_s` (packets,) and what became of them; NaN where nothing is known."""

    spec: ChannelSpec
    at_s: NDArray[np.float64]
    delay_s: NDArray[np.float64]
    """From sending to arrival; NaN for a packet lost."""
    loss: NDArray[np.float64]
    """Chance that the model gave it to be lost."""
    bit_error_rate: NDArray[np.float64]
    snr_db: NDArray[np.float64]
    doppler_hz: NDArray[np.float64]
    fate: tuple[str, ...]
    """"" for delivered, else why not."""

    @property
    def delivered(self) -> NDArray[np.bool_]:
        """Whether each packet arrived."""
        return np.array([not word for word in self.fate], bool)

    @property
    def bursts(self) -> NDArray[np.int64]:
        """Lengths of all runs of packets that did not arrive."""
        edges = np.diff(np.concatenate(([0], ~self.delivered, [0])).astype(np.int64))
        return np.asarray(np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1), np.int64)


@dataclass(frozen=True, slots=True)
class _Tapped(PathModel):
    """A model that notes what it answers."""

    inner: PathModel
    found: list[Conditions]

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return _TappedPath(self.inner.start(rng, start_s), self.found)


class _TappedPath(Path):
    def __init__(self, inner: Path, found: list[Conditions]) -> None:
        self._inner, self._found = inner, found

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        found = self._inner.conditions(n_bytes, begin_s, end_s)
        self._found.append(found)
        return found


def run_channel(
    spec: ChannelSpec, seconds: float = 600.0, seed: int = 1, *, packet_ms: float = 480.0, n_bytes: int = 22
) -> ChannelRun:
    """Send packets of `n_bytes` every `packet_ms` for `seconds`. Raises ValueError for more than two million."""
    count = max(1, int(1000 * seconds / packet_ms))
    if count > MAX_PACKETS:
        raise ValueError(f"{count} packets are too many; needed: at most {MAX_PACKETS}")
    found: list[Conditions] = []
    tapped = spec if spec.model is None else replace(spec, model=_Tapped(spec.model, found))
    channel = Channel(tapped, np.random.default_rng(seed))
    at_s = np.arange(count) * packet_ms / 1000
    rows = np.full((5, count), np.nan)
    fate = []
    packet = bytes(n_bytes)
    before = channel.stats
    causes: dict[str, int] = {}
    for index, now_s in enumerate(at_s.tolist()):
        found.clear()
        arrivals = channel.send(packet, now_s)
        if found:
            met = found[0]
            rows[1:, index] = met.loss, met.bit_error_rate, _or_nan(met.snr_db), _or_nan(met.doppler_hz)
        if arrivals:
            rows[0, index] = min(one.at_s for one in arrivals) - now_s
            fate.append("")
            continue
        after = channel.stats
        if after.faded > before.faded:
            fate.append(next(word for word, n in channel.causes.items() if n > causes.get(word, 0)))
            causes = channel.causes
        elif after.outage_lost > before.outage_lost:
            fate.append("outage")
        elif after.queue_drops > before.queue_drops:
            fate.append("queue full")
        elif after.oversize > before.oversize:
            fate.append("too long")
        else:
            fate.append("lost")
        before = after
    return ChannelRun(spec, at_s, rows[0], rows[1], rows[2], rows[3], rows[4], tuple(fate))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def summary(run: ChannelRun) -> list[str]:
    """The figures in lines for people."""
    count, bursts = len(run.fate), run.bursts
    lines = [f"{count} packets in {_time(run.at_s[-1])}: {100 * run.delivered.mean():.2f} % delivered"]
    lines += [
        f"  {word}: {100 * n / count:.2f} %" for word, n in Counter(word for word in run.fate if word).most_common()
    ]
    if len(bursts):
        lines.append(f"not delivered in a row: mean {bursts.mean():.2f}, longest {bursts.max()} packets")
    delays_ms = 1000 * run.delay_s[run.delivered]
    if len(delays_ms):
        low, middle, high = np.percentile(delays_ms, (1, 50, 99))
        lines.append(f"delay: median {middle:.0f} ms, 1 % to 99 %: {low:.0f} to {high:.0f} ms")
    for name, values, unit in (("SNR", run.snr_db, "dB"), ("Doppler", run.doppler_hz, "Hz")):
        known = values[~np.isnan(values)]
        if len(known) and np.any(known):
            low, middle, high = np.percentile(known, (1, 50, 99))
            lines.append(f"{name}: median {middle:.1f} {unit}, 1 % to 99 %: {low:.1f} to {high:.1f} {unit}")
    if np.nansum(run.bit_error_rate):
        lines.append(f"bit errors: {100 * np.nanmean(run.bit_error_rate):.3f} % on average")
    return lines


def probe_snr(model: PathModel, seconds: float, seed: int) -> NDArray[np.float64]:
    """SNR at many moments of many makings of a path, without the averaging over a packet (moments,)."""
    found = []
    for rng in np.random.default_rng(seed).spawn(PROBE_PATHS):
        path = model.start(rng, 0.0)
        for at_s in (np.sort(rng.random(PROBE_TIMES)) * seconds).tolist():
            found.append(_or_nan(path.conditions(1, at_s, at_s).snr_db))
    return np.array(found)


def burst_theory(spec: ChannelSpec, lengths: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Share of bursts of each length by the losses of the channel's own figures; None where other things lose too."""
    if spec.model is not None or spec.outages_s or not 0 < spec.loss < 1:
        return None
    stay = spec.loss if spec.mean_burst is None else 1 - 1 / spec.mean_burst
    return np.asarray((1 - stay) * stay ** (lengths - 1.0))


def plot_channel(path: FilePath, run: ChannelRun, seed: int = 1) -> None:
    """Write a PNG: delay, SNR, Doppler, chance of loss and delivered share over time, and bursts."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = [row for row in (_draw_delay, _draw_snr, _draw_doppler, _draw_chance, _draw_delivered) if row(None, run)]
    figure = plt.figure(figsize=(11, 1.7 * len(rows) + 3.6), layout="constrained")
    grid = figure.add_gridspec(len(rows) + 1, 2, height_ratios=[*[1.0] * len(rows), 1.5])
    first: Any = None
    for index, row in enumerate(rows):
        axis = figure.add_subplot(grid[index, :], sharex=first)
        first = axis if first is None else first
        row(axis, run)
        axis.grid(alpha=0.3)
        axis.tick_params(labelbottom=index == len(rows) - 1)
        if index == len(rows) - 1:
            axis.set_xlabel(f"{_scale(run)[1]} since the start")
    first.set_xlim(0, max(run.at_s[-1], 1e-3) / _scale(run)[0])
    _draw_bursts(figure.add_subplot(grid[-1, 0]), run)
    _draw_distribution(figure.add_subplot(grid[-1, 1]), run, seed)
    figure.suptitle(f"{run.spec.name}: {run.spec.description}" if run.spec.description else run.spec.name, wrap=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _scale(run: ChannelRun) -> tuple[float, str]:
    """Seconds per unit of the time axis, and the unit."""
    whole_s = float(run.at_s[-1])
    return (1.0, "seconds") if whole_s <= 900 else (60.0, "minutes") if whole_s <= 4 * 3600 else (3600.0, "hours")


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds <= 900
        else f"{seconds / 60:.0f} min"
        if seconds <= 14_400
        else f"{seconds / 3600:.1f} h"
    )


def _times(run: ChannelRun) -> NDArray[np.float64]:
    return run.at_s / _scale(run)[0]


def _draw_delay(axis: Any, run: ChannelRun) -> bool:
    if axis is not None:
        axis.plot(_times(run), 1000 * run.delay_s, ".", markersize=2, color="tab:blue")
        axis.set_ylabel("delay, ms")
        if run.delivered.any():
            low, high = 1000 * np.nanmin(run.delay_s), 1000 * np.nanmax(run.delay_s)
            axis.set_ylim(low - max(1.0, 0.1 * (high - low)), high + max(1.0, 0.1 * (high - low)))
    return True


def _draw_snr(axis: Any, run: ChannelRun) -> bool:
    if axis is not None:
        axis.plot(_times(run), run.snr_db, linewidth=0.6, color="tab:green")
        axis.set_ylabel("SNR, dB")
    return bool(np.any(~np.isnan(run.snr_db)))


def _draw_doppler(axis: Any, run: ChannelRun) -> bool:
    known = run.doppler_hz[~np.isnan(run.doppler_hz)]
    if axis is not None:
        in_khz = np.max(np.abs(known)) >= 2000
        axis.plot(_times(run), run.doppler_hz / (1000 if in_khz else 1), ".", markersize=2, color="tab:purple")
        axis.set_ylabel(f"Doppler, {'kHz' if in_khz else 'Hz'}")
    return bool(np.any(known))


def _draw_chance(axis: Any, run: ChannelRun) -> bool:
    if axis is not None:
        axis.plot(_times(run), run.loss, linewidth=0.7, color="tab:red", label="loss")
        axis.set_ylabel("chance of loss")
        axis.set_ylim(-0.05, 1.05)
        if np.nansum(run.bit_error_rate):
            axis.plot(_times(run), run.bit_error_rate, linewidth=0.7, color="tab:orange", label="bit error")
            axis.set_ylabel("chance")
            axis.legend(loc="upper right", fontsize=8)
    return run.spec.model is not None


def _draw_delivered(axis: Any, run: ChannelRun) -> bool:
    if axis is None:
        return True
    windows = min(MAX_WINDOWS, len(run.fate))
    edges = np.linspace(0, len(run.fate), windows + 1).astype(int)
    share = np.array([100 * run.delivered[a:b].mean() for a, b in pairwise(edges)])
    times = np.append(_times(run), _times(run)[-1])
    axis.stairs(share, times[edges], fill=True, alpha=0.35, color="tab:blue")
    axis.set_ylabel("delivered, %")
    axis.set_ylim(0, 112)
    fates = np.array(run.fate)
    colours = ["tab:red", "tab:orange", "tab:purple", "tab:brown", "black", "tab:pink"]
    words = [word for word, _ in Counter(word for word in run.fate if word).most_common(len(colours))]
    for word, colour in zip(words, colours, strict=False):
        lost = _times(run)[fates == word]
        axis.plot(lost, np.full(len(lost), 106), "|", markersize=5, color=colour, label=f"{word}: {len(lost)}")
    if words:
        axis.legend(loc="lower right", fontsize=8)
    return True


def _draw_bursts(axis: Any, run: ChannelRun) -> None:
    axis.set_title("packets not delivered in a row", fontsize=10)
    bursts = run.bursts
    if not len(bursts):
        axis.text(0.5, 0.5, "none lost", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
        return
    longest = min(LONGEST_BURST_DRAWN, int(bursts.max()))
    lengths = np.arange(1, longest + 1)
    counts = np.bincount(np.minimum(bursts, longest), minlength=longest + 1)[1:]
    axis.bar(lengths, counts / len(bursts), color="tab:blue", alpha=0.6, label=f"{len(bursts)} bursts")
    theory = burst_theory(run.spec, lengths)
    share = 1 - float(run.delivered.mean())
    if theory is not None:
        axis.plot(lengths, theory, "k.-", label="theory")
    elif share < 1:
        axis.plot(lengths, (1 - share) * share ** (lengths - 1.0), "k.--", linewidth=1, label="were losses independent")
    axis.set_yscale("log")
    axis.set_ylim(0.3 / len(bursts), 1.5)
    axis.set_xlim(0.4, max(10, longest) + 0.6)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_xlabel(f"packets{'' if longest == bursts.max() else f' (last bar: {longest} and more)'}")
    axis.set_ylabel("share of bursts")
    axis.legend(fontsize=8)


def _draw_distribution(axis: Any, run: ChannelRun, seed: int) -> None:
    """SNR against theory where the model has one, otherwise the delay."""
    model = run.spec.model
    if isinstance(model, SnrTheory) and model.snr_cdf(np.zeros(1)) is not None:
        values = np.sort(probe_snr(model, float(run.at_s[-1]), seed))
        shares = (np.arange(len(values)) + 0.5) / len(values)
        grid = np.linspace(*np.percentile(values, (0.05, 100)), 300)
        axis.plot(values, shares, color="tab:green", linewidth=3, alpha=0.5, label=f"{len(values)} moments")
        axis.plot(grid, model.snr_cdf(grid), "k--", linewidth=1, label="theory")
        axis.set_yscale("log")
        axis.set_ylim(1e-3, 1.2)
        axis.set_xlim(grid[0], grid[-1])
        axis.set_xlabel("SNR at a moment, dB")
        axis.set_ylabel("share of time below")
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
        return
    delays_ms = 1000 * run.delay_s[run.delivered]
    axis.set_xlabel("delay, ms")
    axis.set_ylabel("packets")
    if len(delays_ms):
        middle = float(np.median(delays_ms))
        spread = max(1.0, float(np.ptp(delays_ms)))
        axis.hist(delays_ms, bins=60, range=(middle - spread, middle + spread) if spread == 1.0 else None, alpha=0.6)
