"""A trace as CSV, in the columns of a record: `import` reads it back to the same.

Rule: numbers in full, so that nothing is lost on the way.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

from gateway.errors import TraceError
from gateway.traces.record import COLUMNS
from gateway.traces.table import Table


def write_csv(table: Table, file: TextIO) -> None:
    """Header and rows."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in table.rows():
        writer.writerow([*row, *("" for _ in range(len(COLUMNS) - len(row)))])


def export_csv(table: Table, path: Path) -> None:
    """A new file. Raises TraceError."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            write_csv(table, file)
    except OSError as error:
        raise TraceError(f"{path}: cannot be written: {error.strerror or error}") from error
