"""Station files of a whole net from a table and a template: `python3 deploy/fleet/fill.py TABLE.csv TEMPLATE.toml OUT`.

The table's first line names its columns, each of which stands in the template as $column; $names becomes the net's
directory. OUT gets NAME.toml for every line. Needs nothing but Python.
"""

from __future__ import annotations

import csv
import string
import sys
from pathlib import Path


def fill(table: Path, template: Path, out: Path) -> list[Path]:
    """The files written. Raises ValueError for a table or template that is wrong."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for column in ("name", "id"):
        values = [row.get(column) or "" for row in rows]
        if not all(values) or len(set(values)) < len(values):
            raise ValueError(f"{table}: column {column}: needs a value in every line, and never one twice")
    names = "\n".join(f'{row["id"]} = "{row["name"]}"' for row in rows)
    text = string.Template(template.read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for row in rows:
        try:
            filled = text.substitute(row, names=names)
        except KeyError as error:
            raise ValueError(f"{template}: ${error.args[0]}: no such column in {table}") from None
        path = out / f"{row['name']}.toml"
        path.write_text(filled, encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        for made in fill(*map(Path, sys.argv[1:])):
            print(made)
    except (OSError, ValueError) as error:
        sys.exit(f"fill.py: {error}")
