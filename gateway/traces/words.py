"""Figures of a trace in words, for `clarilink trace info` and `fit`."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from gateway.traces.load import Trace
from gateway.traces.statistics import PathFit, fit_path

SHOWN_BURSTS = 12


def info_lines(trace: Trace) -> list[str]:
    """What is in a trace: who, when, how much, and each direction in short."""
    table, header = trace.table, trace.header
    at_s = table.numbers["at_s"]
    span = f"{at_s.max() - at_s.min():.1f} s" if len(at_s) else "nothing"
    wall = (
        "" if header.wall_s is None else f", begun {datetime.fromtimestamp(header.wall_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
    )
    lines = [f"{trace.path}: {header.station or 'no station named'}{wall}, {len(table)} records, {span}"]
    notes = ", ".join(f"{key} {value}" for key, value in header.notes.items())
    if notes:
        lines.append(f"  {notes}")
    if trace.damage:
        lines.append(f"  {trace.damage}")
    for flights in trace.flights.values():
        lines += [f"  {line}" for line in fit_lines(fit_path(flights))]
        if len(flights.opportunity_s):
            span_s = float(flights.opportunity_s[-1] - flights.opportunity_s[0]) or 1.0
            rate = float(flights.opportunity_bytes.sum()) * 8 / span_s
            lines.append(f"    {len(flights.opportunity_s)} delivery opportunities, {rate / 1000:.1f} kbit/s")
    events = table.take(table.is_word("outcome", "event") & ~table.is_word("kind", "alive"))
    kinds = Counter(table.words[code] for code in events.codes["kind"].tolist())
    if kinds:
        lines.append("  events: " + ", ".join(f"{count} {kind or 'other'}" for kind, count in kinds.most_common()))
    return lines


def fit_lines(fit: PathFit) -> list[str]:
    """One direction."""
    lines = [f"{fit.name}: {fit.packets} packets of known fate in {fit.duration_s:.1f} s, {fit.lost} lost"]
    if fit.loss is not None:
        burst = "" if fit.mean_burst is None else f", mean burst {fit.mean_burst} packets, longest {fit.longest_burst}"
        lines.append(f"  loss {fit.loss}{burst}; 95 % intervals in brackets")
    if fit.bursts:
        first = sorted(fit.bursts.items())[:SHOWN_BURSTS]
        more = len(fit.bursts) - len(first)
        listed = ", ".join(f"{length}: {count}" for length, count in first)
        lines.append(f"  bursts by length {listed}" + (f", {more} longer kinds" if more else ""))
    if fit.delay_ms:
        lines.append("  delay ms " + ", ".join(f"{name} {value:.1f}" for name, value in fit.delay_ms.items()))
    rest = []
    if fit.duplicated:
        rest.append(f"{100 * fit.duplicated:.2f} % came twice")
    if fit.reordered:
        rest.append(f"{100 * fit.reordered:.2f} % were overtaken")
    if fit.snr_db is not None:
        rest.append(f"SNR {fit.snr_db:.1f} dB")
    if fit.inferred:
        rest.append(f"{fit.inferred} losses found from gaps in the numbers")
    if fit.fate_unknown:
        rest.append(f"{fit.fate_unknown} sent whose fate is not known (`trace join` with the other side's trace)")
    if fit.refused:
        rest.append(f"{fit.refused} refused by the link")
    return [*lines, *(f"  {line}" for line in rest)]
