"""What an import is asked for, and what came of it.

Rule: nothing is skipped, filled in or moved without being counted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.traces.record import TraceHeader
from gateway.traces.table import Table

SHOWN = 5
"""Problems told with their lines; the rest are counted."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to read a file; the defaults find out.

    `columns`: field of a record -> (column by name or number from 1, unit or ""), over what the header says.
    `interval_s` is the time between packets in files that tell none. `station` and `peer` name the two ends.
    """

    format: str = "auto"
    columns: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    delimiter: str | None = None
    has_header: bool = True
    interval_s: float = 1.0
    station: str = "here"
    peer: str = "there"
    halve_round_trips: bool = False


@dataclass(slots=True)
class ImportReport:
    """Filled while a file is read."""

    format: str = ""
    rows: int = 0
    """Records that came out."""
    skipped: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Line (from 1) and what is wrong with it, the first few."""
    notes: list[str] = field(default_factory=list)
    skipped_numbers: set[float] = field(default_factory=set)
    """Numbers of packets whose rows were skipped: they are not missing."""

    def skip(self, line: int, why: str) -> None:
        """A row that cannot be used."""
        self.skipped += 1
        if len(self.problems) < SHOWN:
            self.problems.append((line, why))

    def lines(self) -> list[str]:
        """For people."""
        shown = [f"{self.format}: {self.rows} records, {self.skipped} rows skipped"]
        shown += [f"  line {line}: {why}" for line, why in self.problems]
        if self.skipped > len(self.problems):
            shown.append(f"  ... and {self.skipped - len(self.problems)} more")
        return shown + [f"note: {note}" for note in self.notes]


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A file read: what would be a trace."""

    header: TraceHeader
    table: Table
    report: ImportReport
