"""A trace as one picture: loss and delay over time, signal where it was measured, bursts; PNG, or HTML with it inside.

Rule: one column a direction, the same axes for all, so that they can be compared.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import TraceError
from gateway.traces.flights import Flights, Floats
from gateway.traces.load import Trace
from gateway.traces.statistics import PathFit, fit_path

BINS = 120
MOST_DIRECTIONS = 6
MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Sound for a spectrogram: `pcm` (samples,), -1 to 1."""

    name: str
    pcm: NDArray[np.float32]
    rate_hz: int


def plot_trace(trace: Trace, path: Path, heard: Heard | None = None) -> None:
    """Write PNG or, for names that end in .html, a page of its own; with the spectrogram of what was heard. Raises
    TraceError."""
    shown = [one for one in trace.flights.values() if len(one)]
    if not shown:
        trace.direction()  # says what is missing
        raise TraceError(f"{trace.path}: only delivery opportunities, nothing was sent: nothing to plot")
    shown = sorted(shown, key=len, reverse=True)[:MOST_DIRECTIONS]
    fits = [fit_path(one) for one in shown]
    picture = _picture(trace, shown, fits, heard)
    data = picture if path.suffix.lower() not in (".html", ".htm") else _page(trace, fits, picture)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise TraceError(f"{path}: cannot be written: {error.strerror or error}") from error


def _picture(trace: Trace, shown: Sequence[Flights], fits: Sequence[PathFit], heard: Heard | None) -> bytes:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    has_snr = any(np.any(~np.isnan(one.snr_db)) for one in shown)
    rows = (4 if has_snr else 3) + (heard is not None)
    figure, grid = plt.subplots(
        rows, len(shown), figsize=(7.5 * len(shown) + 1, 2.6 * rows + 0.6), squeeze=False, layout="constrained"
    )
    if heard is not None:
        for axis in grid[-1]:
            axis.remove()
        _spectrogram(figure.add_subplot(grid[-1][0].get_gridspec()[-1, :]), heard)
        grid = grid[:-1]
    begin = min(float(one.sent_s[0]) for one in shown)
    end = max(float(one.sent_s[-1]) for one in shown)
    unit, scale = ("s", 1.0) if end - begin < 600 else ("min", 60.0) if end - begin < 6 * 3600 else ("h", 3600.0)
    delays = [one.known_delays_s for one in shown if len(one.known_delays_s)]
    top_ms = 1.1 * 1000 * max((float(np.percentile(one, 99.5)) for one in delays), default=1.0) or 1.0
    for column, (one, fit) in enumerate(zip(shown, fits, strict=True)):
        when = (one.sent_s - begin) / scale
        loss, delay, bursts = grid[0][column], grid[1][column], grid[-1][column]
        middles, share, width = _loss_by_time(one, when)
        loss.bar(middles, share, width=width, color="firebrick")
        loss.set(ylim=(0, max(1.0, math.ceil(share.max(initial=0.0) / 10) * 10)), ylabel="lost, %", title=_title(fit))
        known = np.flatnonzero(~one.is_lost & ~np.isnan(one.delay_s))
        known = known[:: max(1, len(known) // MOST_POINTS)]
        delay.plot(
            when[known],
            1000 * one.delay_s[known],
            ".",
            markersize=2 if len(known) > 500 else 5,
            color="steelblue",
            rasterized=True,
        )
        delay.set(ylim=(0, top_ms), ylabel="delay, ms")
        if not len(known):
            delay.text(0.5, 0.5, "delays are not known", ha="center", transform=delay.transAxes)
        _outages(trace, (loss, delay), begin, scale)
        if has_snr:
            signal = grid[2][column]
            told = np.flatnonzero(~np.isnan(one.snr_db))
            signal.plot(when[told], one.snr_db[told], ".", markersize=3, color="seagreen")
            signal.set(ylabel="SNR, dB")
        for axis in grid[:-1, column]:
            axis.set_xlim(0, (end - begin) / scale or 1.0)
            axis.grid(alpha=0.3)
        grid[-2][column].set_xlabel(unit)
        _bursts(bursts, fit)
    figure.suptitle(_heading(trace))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    plt.close(figure)
    return buffer.getvalue()


def _spectrogram(axis: object, heard: Heard) -> None:
    padded = np.pad(heard.pcm, (0, max(0, 1024 - len(heard.pcm))))
    with np.errstate(divide="ignore"):  # silence is -inf dB and drawn black
        axis.specgram(padded, NFFT=512, noverlap=256, Fs=heard.rate_hz, vmin=-130, vmax=-30, cmap="magma")  # type: ignore[attr-defined]
    axis.set(xlabel=f"s of {heard.name}", ylabel="heard, Hz")  # type: ignore[attr-defined]
    axis.set_facecolor("black")  # type: ignore[attr-defined]


def _loss_by_time(one: Flights, when: Floats) -> tuple[Floats, Floats, float]:
    """Middles of equal stretches of time, the share lost in each in percent, and their width."""
    edges = np.linspace(float(when[0]), float(when[-1]) + 1e-9, BINS + 1)
    sent, _ = np.histogram(when, edges)
    lost, _ = np.histogram(when[one.is_lost], edges)
    share = 100 * np.divide(lost, sent, out=np.zeros(BINS), where=sent > 0)
    return (edges[:-1] + edges[1:]) / 2, share, float(edges[1] - edges[0]) or 1.0


def _outages(trace: Trace, axes: Sequence[object], begin: float, scale: float) -> None:
    """Grey where the link said that it carried nothing."""
    table = trace.table
    starts = table.numbers["at_s"][table.is_word("kind", "outage")]
    ends = table.numbers["at_s"][table.is_word("kind", "outage over", "closed")]
    for start in starts.tolist():
        after = ends[ends >= start]
        stop = float(after.min()) if len(after) else float(table.numbers["at_s"].max())
        for axis in axes:
            axis.axvspan((start - begin) / scale, (stop - begin) / scale, color="grey", alpha=0.3)  # type: ignore[attr-defined]


def _bursts(axis: object, fit: PathFit) -> None:
    lengths = np.array(sorted(fit.bursts)) if fit.bursts else np.empty(0)
    axis.set(xlabel="packets lost in a row", ylabel="how often")  # type: ignore[attr-defined]
    if not len(lengths):
        axis.text(0.5, 0.5, "nothing was lost", ha="center", transform=axis.transAxes)  # type: ignore[attr-defined]
        return
    counts = np.array([fit.bursts[int(length)] for length in lengths])
    axis.bar(lengths, counts, color="firebrick", label="recorded")  # type: ignore[attr-defined]
    if fit.mean_burst is not None:
        leave = 1 / fit.mean_burst.value
        every = np.arange(1, int(lengths.max()) + 1)
        expected = counts.sum() * leave * (1 - leave) ** (every - 1)
        label = f"Gilbert-Elliott, mean {fit.mean_burst.value:.2f}"
        axis.plot(every, expected, "k.-", linewidth=1, label=label)  # type: ignore[attr-defined]
    axis.set_xlim(0.4, max(5, int(lengths.max())) + 0.6)  # type: ignore[attr-defined]
    axis.locator_params(axis="x", integer=True)  # type: ignore[attr-defined]
    if counts.max() > 50:
        axis.set_yscale("log")  # type: ignore[attr-defined]
        axis.set_ylim(0.5, None)  # type: ignore[attr-defined]
    axis.legend()  # type: ignore[attr-defined]
    axis.grid(alpha=0.3)  # type: ignore[attr-defined]


def _title(fit: PathFit) -> str:
    loss = f"{100 * fit.lost / fit.packets:.1f} % of {fit.packets} lost"
    delay = f", delay {fit.delay_ms['p50']:.0f} ms (99 %: {fit.delay_ms['p99']:.0f})" if fit.delay_ms else ""
    return f"{fit.name}: {loss}{delay}"


def _heading(trace: Trace) -> str:
    wall = trace.header.wall_s
    when = "" if wall is None else f", begun {datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{trace.path.name}{when}"


def _page(trace: Trace, fits: Sequence[PathFit], picture: bytes) -> bytes:
    from gateway.traces.words import fit_lines

    figures = html.escape("\n\n".join("\n".join(fit_lines(fit)) for fit in fits))
    data = base64.b64encode(picture).decode()
    title = html.escape(_heading(trace))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font-family:sans-serif;margin:2em}img{max-width:100%}</style>"
        f'<h1>{title}</h1><img alt="loss, delay and bursts" src="data:image/png;base64,{data}">'
        f"<pre>{figures}</pre></html>\n"
    ).encode()
