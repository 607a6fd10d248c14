"""A study for people and for programs: a table, a CSV file, a picture, and what follows from it in a few sentences.

Rule: a difference is called one only where its interval leaves zero out.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.evaluation.report import Interval
from gateway.tools.study import CellResult, Study

SHARES = ("dwer_", "packets_lost", "frames_")
LABELS = {
    "stoi": "STOI",
    "delay_ms": "delay ms",
    "delay_p95_ms": "delay p95 ms",
    "on_air_bps": "on air bit/s",
    "packets_lost": "packets lost %",
    "frames_lost": "frames lost %",
    "frames_partial": "in part %",
    "frames_wrong": "wrong %",
    "frames_concealed": "concealed %",
}
PLOTTED = ("frames_lost", "stoi", "delay_ms", "on_air_bps")


def label(name: str) -> str:
    """A figure's name with its unit."""
    return f"dWER % {name.removeprefix('dwer_')}" if name.startswith("dwer_") else LABELS[name]


def _scaled(name: str, value: float) -> float:
    return 100 * value if name.startswith(SHARES) else value


def _text(name: str, figure: Interval | None) -> str:
    if figure is None:
        return "-"
    places = 3 if name == "stoi" else 1 if name.startswith(SHARES) else 0
    value, low, high = (f"{_scaled(name, one):.{places}f}" for one in (figure.value, figure.low, figure.high))
    return f"{value} ({low}..{high})"


def _names(study: Study) -> list[str]:
    names = dict.fromkeys(name for result in study.results for name in result.figures)
    return [study.judge, *(name for name in names if name != study.judge)]


def table(study: Study) -> str:
    """A line a cell."""
    names = [name for name in _names(study) if any(result.figures[name].value for result in study.results)]
    widths = {name: max(22, len(label(name)) + 2) for name in names}
    cell = max(len(str(result.cell)) for result in study.results) + 1
    lines = [study.title, " " * cell + "".join(f"{label(name):>{widths[name]}}" for name in names)]
    for result in study.results:
        cells = (f"{_text(name, result.figures.get(name)):>{widths[name]}}" for name in names)
        lines.append(f"{result.cell!s:<{cell}}" + "".join(cells))
    return "\n".join(lines)


def verdict(study: Study) -> str:
    """For each channel the best cell, and the cheapest that is not worse than it by more than chance."""
    lines = []
    for channel in dict.fromkeys(result.cell.channel for result in study.results):
        mine = [r for r in study.results if r.cell.channel == channel and study.judge in r.figures]
        if not mine:
            lines.append(f"{channel}: nothing was heard")
            continue
        best = min(mine, key=lambda r: (r.figures[study.judge].value, _rate(r)))
        text = f"{channel}: least {label(study.judge)} with {_with(best)}: {_costs(study, best)}"
        as_good = [r for r in mine if r is best or r.less(best, study.judge).low <= 0]
        cheapest = min(as_good, key=_rate)
        quickest = min(as_good, key=_delay)
        if cheapest is not best and _rate(cheapest) < _rate(best) - 1:
            text += f"; not worse beyond chance and cheapest: {_with(cheapest)}: {_costs(study, cheapest)}"
        if quickest is not best and quickest is not cheapest and _delay(quickest) < min(_delay(best), _delay(cheapest)):
            text += f"; and quickest: {_with(quickest)}: {_costs(study, quickest)}"
        if len(mine) > 1 and len(as_good) == len(mine):
            text += "; no cell differs from it beyond chance"
        lines.append(text)
    return "\n".join(lines)


def _rate(result: CellResult) -> float:
    return result.figures["on_air_bps"].value


def _delay(result: CellResult) -> float:
    return result.figures["delay_ms"].value if "delay_ms" in result.figures else float("inf")


def _with(result: CellResult) -> str:
    return f"{result.cell.protection}, {result.cell.packet_ms} ms"


def _costs(study: Study, result: CellResult) -> str:
    delay = f", {_delay(result):.0f} ms" if "delay_ms" in result.figures else ""
    return f"{_text(study.judge, result.figures[study.judge])}, {_rate(result):.0f} bit/s{delay}"


def write_csv(path: Path, study: Study) -> None:
    """A line a cell; figures with their ends as _low and _high, shares as shares, empty where nothing is known."""
    names = _names(study)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        ends = ("", "_low", "_high")
        writer.writerow(["channel", "protection", "packet_ms", *(f"{name}{end}" for name in names for end in ends)])
        for result in study.results:
            row: list[object] = [result.cell.channel, result.cell.protection, result.cell.packet_ms]
            for name in names:
                figure = result.figures.get(name)
                row += ["", "", ""] if figure is None else [f"{v:.5g}" for v in (figure.value, figure.low, figure.high)]
            writer.writerow(row)


def draw(path: Path, study: Study) -> None:
    """A row of charts a channel: what is lost, how it sounds, delay, rate; over packet sizes, or protections if there
    is one size only."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    channels = list(dict.fromkeys(result.cell.channel for result in study.results))
    names = [study.judge, *(n for n in PLOTTED if n != study.judge and any(n in r.figures for r in study.results))]
    size = (3.6 * len(names), 1.0 + 2.6 * len(channels))
    figure, axes = plt.subplots(len(channels), len(names), figsize=size, squeeze=False, layout="constrained")
    for row, channel in enumerate(channels):
        mine = [result for result in study.results if result.cell.channel == channel]
        for column, name in enumerate(names):
            axis = axes[row][column]
            _chart(axis, mine, name)
            axis.grid(alpha=0.3)
            if row == 0:
                axis.set_title(label(name), fontsize=10)
            if column == 0:
                axis.set_ylabel(channel, fontsize=10)
            if name != "stoi":
                axis.set_ylim(bottom=0)
    handles, labels = axes[0][0].get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(handles)), fontsize=9)
    figure.suptitle(study.title, fontsize=11)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _chart(axis: Any, results: Sequence[CellResult], name: str) -> None:
    guards = list(dict.fromkeys(result.cell.protection for result in results))
    sizes = sorted({result.cell.packet_ms for result in results})
    for place, guard in enumerate(guards):
        mine = [r for r in results if r.cell.protection == guard and name in r.figures]
        mine.sort(key=lambda r: r.cell.packet_ms)
        aside = 0.025 * (sizes[-1] - sizes[0]) * (place - (len(guards) - 1) / 2)  # equal ones would hide each other
        at = [r.cell.packet_ms + aside for r in mine] if len(sizes) > 1 else [float(place)] * len(mine)
        figures = [r.figures[name] for r in mine]
        values = [_scaled(name, f.value) for f in figures]
        below = [v - _scaled(name, f.low) for v, f in zip(values, figures, strict=True)]
        above = [_scaled(name, f.high) - v for v, f in zip(values, figures, strict=True)]
        axis.errorbar(at, values, yerr=[below, above], fmt="o-", capsize=3, label=guard, markersize=4)
    if len(sizes) > 1:
        axis.set_xticks(sizes)
        axis.set_xlabel("packet ms", fontsize=8)
    else:
        axis.set_xticks(range(len(guards)), guards, rotation=20, ha="right", fontsize=7)
        axis.set_xlim(-0.5, len(guards) - 0.5)
