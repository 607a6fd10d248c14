"""Probes that an other side answers, as packets of two directions.

Rule: what is not known of one way is not known: no delay is made from a round trip. One-way delays of two machines
whose clocks differ are set right by what both ways' shortest delays say, and that is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.traces.flights import Floats
from gateway.traces.importing.clock import EPOCH_S, steady
from gateway.traces.importing.report import Imported, ImportOptions, ImportReport
from gateway.traces.record import TraceHeader
from gateway.traces.table import TableBuilder


@dataclass(frozen=True, slots=True, eq=False)
class TwoWay:
    """(probes,) each: when sent, number, delays in seconds (NaN not known), and which were lost where."""

    at_s: Floats
    sequence: Floats
    up_s: Floats
    down_s: Floats
    rtt_s: Floats
    lost_up: NDArray[np.bool_]
    lost_down: NDArray[np.bool_]
    lost_somewhere: NDArray[np.bool_]


def two_way(probes: TwoWay, report: ImportReport, options: ImportOptions) -> Imported:
    """A trace of both directions. Raises ValueError without any probe."""
    at_s, notes = steady(probes.at_s, probes.sequence)
    report.notes += notes
    up_s, down_s = _aligned(probes.up_s, probes.down_s, report)
    count = len(at_s)
    if not count:
        raise ValueError("no row of it can be used")
    is_epoch = float(np.median(at_s)) > EPOCH_S
    begin_s = float(at_s[0]) if is_epoch else 0.0
    wall_s = probes.at_s if is_epoch else np.full(count, math.nan)
    at_s = at_s - begin_s
    builder = TableBuilder()
    lost = probes.lost_up | probes.lost_somewhere
    builder.add_columns(
        count,
        {
            "direction": "tx",
            "outcome": np.where(lost, "lost", "delivered").tolist(),
            "at_s": at_s,
            "wall_s": wall_s,
            "source": options.station,
            "destination": options.peer,
            "sequence": probes.sequence,
            "delay_s": np.where(lost, math.nan, up_s),
            "status": np.where(probes.lost_somewhere, "lost on either way", "").tolist(),
        },
    )
    answered = np.flatnonzero(~lost)
    gone = probes.lost_down[answered]
    shortest_s = float(np.nanmin(up_s)) if np.any(~np.isnan(up_s)) else 0.0
    sent_s = at_s[answered] + np.nan_to_num(up_s[answered], nan=shortest_s)
    delay_s = np.where(gone, math.nan, down_s[answered])
    builder.add_columns(
        len(answered),
        {
            "direction": "rx",
            "outcome": np.where(gone, "lost", "delivered").tolist(),
            "at_s": sent_s + np.nan_to_num(delay_s),
            "wall_s": wall_s[answered] + (sent_s - at_s[answered]) + np.nan_to_num(delay_s),
            "source": options.peer,
            "destination": options.station,
            "sequence": probes.sequence[answered],
            "delay_s": delay_s,
        },
    )
    if np.any(probes.lost_somewhere):
        count = int(np.count_nonzero(probes.lost_somewhere))
        report.notes.append(f"{count} probes were lost on either way: counted as lost on the way there")
    table = builder.build()
    table = table.take(np.argsort(table.numbers["at_s"], kind="stable"))
    report.rows = len(table)
    return Imported(TraceHeader(options.station, 0.0, begin_s or None, {"times": True}), table, report)


def _aligned(up_s: Floats, down_s: Floats, report: ImportReport) -> tuple[Floats, Floats]:
    known = ~np.isnan(up_s) & ~np.isnan(down_s)
    if not known.any() or (float(np.nanmin(up_s)) >= 0 and float(np.nanmin(down_s)) >= 0):
        return up_s, down_s
    offset_s = (float(np.nanmin(up_s)) - float(np.nanmin(down_s))) / 2
    report.notes.append(
        f"the two clocks differ by about {offset_s:.4f} s: shifted so that the shortest delays of both ways are equal"
    )
    return np.maximum(up_s - offset_s, 0.0), np.maximum(down_s + offset_s, 0.0)
