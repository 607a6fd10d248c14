"""The table as pictures: words lost against bit rate, against noise, and with damage on the air."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gateway.evaluation.report import EvaluationReport, Row
from gateway.evaluation.systems import OURS


def draw(out: Path, report: EvaluationReport) -> list[Path]:
    """PNG files for what the report has, by the first recogniser; returns those written."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    asr = next((name for row in report.rows for name in row.dwer), None)
    if asr is None:
        return []
    rows = [row for row in report.rows if asr in row.dwer]
    written = []
    for name, chart in (("rate", _by_rate), ("noise", _by_noise), ("damage", _by_damage)):
        figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
        if chart(axis, rows, asr):
            axis.set_ylabel(f"dWER %, Whisper {asr}")
            axis.set_ylim(bottom=0)
            axis.grid(alpha=0.3)
            axis.set_title(f"{report.subset}: {report.clips} clips, {report.speakers} speakers; 95 % by speaker")
            figure.savefig(out / f"{name}.png", dpi=110)
            written.append(out / f"{name}.png")
        plt.close(figure)
    return written


def _bars(axis: Any, places: list[float], rows: list[Row], asr: str, **style: Any) -> None:
    values = [100 * row.dwer[asr].value for row in rows]
    below = [v - 100 * row.dwer[asr].low for v, row in zip(values, rows, strict=True)]
    above = [100 * row.dwer[asr].high - v for v, row in zip(values, rows, strict=True)]
    axis.errorbar(places, values, yerr=[below, above], capsize=3, **style)


def _by_rate(axis: Any, rows: list[Row], asr: str) -> bool:
    """Codec2's curve and ours, clean."""
    plain = [
        r
        for r in rows
        if not r.condition and r.bits_a_second and (r.system in (OURS, "ours-150") or "codec2" in r.system)
    ]
    if len(plain) < 2:
        return False
    for label, marker, chosen in (
        ("Codec2", "s-", [r for r in plain if r.system.startswith("codec2")]),
        ("clarilink", "o-", [r for r in plain if r.system.startswith("ours")]),
    ):
        ordered = sorted(chosen, key=lambda r: r.bits_a_second or 0)
        if ordered:
            _bars(axis, [float(r.bits_a_second or 0) for r in ordered], ordered, asr, fmt=marker, label=label)
    axis.set_xscale("log")
    ticks = sorted({r.bits_a_second for r in plain if r.bits_a_second})
    axis.set_xticks(ticks, [str(t) for t in ticks], minor=False)
    axis.minorticks_off()
    axis.set_xlabel("bit/s")
    axis.legend()
    return True


def _by_noise(axis: Any, rows: list[Row], asr: str) -> bool:
    """One line a system over the noise levels asked for, quiet on the right."""
    noisy = [(float(match[1]), r) for r in rows if (match := re.fullmatch(r"noise (-?[\d.]+) dB", r.condition))]
    levels = sorted({snr for snr, _ in noisy})
    if not levels:
        return False
    for system in dict.fromkeys(r.system for _, r in noisy):
        mine = sorted(((snr, r) for snr, r in noisy if r.system == system), key=lambda pair: pair[0])
        _bars(axis, [snr for snr, _ in mine], [r for _, r in mine], asr, fmt="o-", label=system)
    axis.set_xticks(levels)
    axis.set_xlabel("speech to noise, dB")
    axis.legend()
    return True


def _by_damage(axis: Any, rows: list[Row], asr: str) -> bool:
    """Ours without damage and with each kind of it."""
    ours = [r for r in rows if not r.condition and r.system.startswith("ours")]
    if len(ours) < 2 or all(r.system in (OURS, "ours-150") for r in ours):
        return False
    _bars(axis, list(map(float, range(len(ours)))), ours, asr, fmt="o")
    axis.set_xticks(range(len(ours)), [r.system for r in ours], rotation=20, ha="right")
    return True
