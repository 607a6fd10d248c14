"""Text without columns: Link'Em loss strings, Mahimahi opportunities.

Rule: as everywhere, what does not fit is skipped and told.
"""

from __future__ import annotations

import numpy as np

from gateway.traces.importing.csv_text import finish
from gateway.traces.importing.report import Imported, ImportOptions, ImportReport
from gateway.traces.record import TraceHeader
from gateway.traces.table import TableBuilder

MAHIMAHI_BYTES = 1500
"""Each line of a Mahimahi trace lets out so much (mm-link(1))."""


def import_linkem(text: str, options: ImportOptions) -> Imported:
    """0 is a packet lost, 1 one that was not; all other signs are ignored (FlowEmu, trace loss module)."""
    report = ImportReport("Link'Em loss string")
    signs = np.frombuffer(text.encode("ascii", "ignore"), np.uint8)
    fates = signs[(signs == ord("0")) | (signs == ord("1"))] == ord("1")
    report.notes.append(f"no times: a packet every {options.interval_s:g} s is made up, replay goes by packet")
    builder = TableBuilder()
    builder.add_columns(
        len(fates),
        {
            "direction": "tx",
            "outcome": np.where(fates, "delivered", "lost").tolist(),
            "at_s": options.interval_s * np.arange(len(fates)),
            "sequence": np.arange(len(fates)),
            "source": options.station,
            "destination": options.peer,
        },
    )
    return finish(TraceHeader(options.station, notes={"times": False}), builder.build(), report)


def import_mahimahi(text: str, options: ImportOptions) -> Imported:
    """A time in ms a line, at each of which 1500 bytes may leave (mm-link(1))."""
    report, times, last = ImportReport("Mahimahi opportunities"), list[int](), 0
    for number, line in enumerate(text.splitlines(), 1):
        cell = line.strip()
        if not cell:
            continue
        if not cell.isdecimal() or len(cell) > 15:
            report.skip(number, f"{cell[:40]!r} is no number of milliseconds")
        elif int(cell) < last:
            report.skip(number, f"{cell} ms after {last} ms: time goes back")
        else:
            last = int(cell)
            times.append(last)
    builder = TableBuilder()
    builder.add_columns(
        len(times),
        {
            "direction": "tx",
            "outcome": "opportunity",
            "at_s": np.array(times, float) / 1000,
            "size": MAHIMAHI_BYTES,
            "source": options.station,
            "destination": options.peer,
        },
    )
    return finish(TraceHeader(options.station, notes={"times": True}), builder.build(), report)
