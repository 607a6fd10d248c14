"""Lines of a table as rows of cells: its separator, its header wherever it stands, quotes that nobody closed.

Rule: every line of the file is a row, a note or told as bad; one that is broken costs itself and no other.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from gateway.traces.importing.columns import Column, find_columns, tells_packets
from gateway.traces.importing.report import ImportOptions, ImportReport

DELIMITERS = ",;\t|"
CHUNK_ROWS = 1 << 16
PREAMBLE_LINES = 40
"""A header is looked for in so many of the first lines."""
QUOTED_LINES = 5
"""A quoted cell goes over no more."""


@dataclass(frozen=True, slots=True)
class Header:
    """`first_line` (from 1) is the one below it."""

    names: list[str]
    found: dict[str, Column]
    delimiter: str
    first_line: int


def find_header(lines: Sequence[str], options: ImportOptions, report: ImportReport) -> Header:
    """The first line that names what a trace needs. Raises ValueError where there is none, or a column is missing."""
    if not options.has_header:
        return _by_number(lines, options)
    first: Header | None = None
    above = 0
    for place, line in enumerate(lines[: 10 * PREAMBLE_LINES]):
        if not line.strip():
            continue
        delimiter = options.delimiter or sniff(lines[place : place + 50])
        names = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        if line.startswith("#"):
            if len(names) < 2 or delimiter == " ":
                continue
            names[0] = names[0].lstrip("# ")  # a header that is a comment
        header = Header(names, _found(names, options.columns), delimiter, place + 2)
        if tells_packets(header.found):
            if above:
                report.notes.append(f"the header is line {place + 1}; {above} lines above it are left out")
            return header
        first = header if first is None or (len(first.names) <= 2 < len(names)) else first
        above += 1
        if above == PREAMBLE_LINES:
            break
    if first is None:
        raise ValueError("no header and no rows")
    _refuse(first, options.columns)
    raise AssertionError("unreachable")


def _by_number(lines: Sequence[str], options: ImportOptions) -> Header:
    for place, line in enumerate(lines):
        if not line.strip() or line.startswith("#"):
            continue
        delimiter = options.delimiter or sniff(lines[place : place + 50])
        row = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
        names = [str(number) for number in range(1, len(row) + 1)]
        header = Header(names, find_columns(names, options.columns), delimiter, place + 1)
        if not tells_packets(header.found):
            raise ValueError("without a header, columns are told by number: --map at=1 --map delay=2:ms")
        return header
    raise ValueError("no header and no rows")


def _found(names: Sequence[str], given: Mapping[str, tuple[str, str]]) -> dict[str, Column]:
    try:
        return find_columns(names, given)
    except ValueError:
        return {}


def _refuse(header: Header, given: Mapping[str, tuple[str, str]]) -> None:
    find_columns(header.names, given)  # says which column is missing
    names = ", ".join(name.strip() for name in header.names[:12])
    if all(_is_number(name) for name in header.names):
        raise ValueError(
            f"no header (its first row is: {names[:200]}); --no-header --map at=1 --map delay=2:ms tells which column "
            "is which"
        )
    raise ValueError(
        f"no columns that tell when packets were sent and what became of them (found: {names[:200]}); "
        "--map FIELD=COLUMN says which is which"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def sniff(lines: Sequence[str]) -> str:
    """The separator of the first line that most of the others have as many of; blank where there is none."""
    sample = [line for line in lines[:50] if line.strip() and (line is lines[0] or not line.startswith("#"))]
    best, best_score = " ", 0.0
    for sign in DELIMITERS:
        wanted = sample[0].count(sign) if sample else 0
        alike = sum(line.count(sign) == wanted for line in sample)
        score = alike * min(wanted, 30) ** 0.5
        if score > best_score:
            best, best_score = sign, score
    return best


def pieces(
    lines: Sequence[str], header: Header, report: ImportReport
) -> Iterator[tuple[Sequence[int], list[list[str]]]]:
    """Rows as wide as the header, many at a time, with their lines; what is not so wide is told."""
    width, begin = len(header.names), header.first_line - 1
    for start in range(begin, len(lines), CHUNK_ROWS):
        part = lines[start : start + CHUNK_ROWS]
        numbers: Sequence[int] = range(start + 1, start + 1 + len(part))
        if any('"' in line for line in part):
            numbers, part = _unquoted(part, start + 1, header)
        rows = _split(part, header.delimiter)
        if set(map(len, rows)) != {width}:
            numbers, rows = _wide(numbers, rows, width, report)
        if rows:
            yield numbers, rows


def _split(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error:  # a cell beyond the limit of the csv module
        return [line.split(delimiter) for line in lines]


def _wide(
    numbers: Sequence[int], rows: list[list[str]], width: int, report: ImportReport
) -> tuple[list[int], list[list[str]]]:
    sizes = list(map(len, rows))
    for place, size in enumerate(sizes):
        if size == width:
            continue
        row = rows[place]
        if size == width + 1 and not row[-1].strip():
            row.pop()
            sizes[place] = width
        elif row and any(cell.strip() for cell in row) and not row[0].startswith("#"):
            report.skip(numbers[place], f"{size} fields; the header has {width}")
    fits = [size == width for size in sizes]
    return list(compress(numbers, fits)), list(compress(rows, fits))


def _unquoted(lines: Sequence[str], first: int, header: Header) -> tuple[list[int], list[str]]:
    """Lines of which each is a row. One with a quote that nobody closes loses its quotes, unless the next ones go on
    with its cell: those are no rows of their own."""
    numbers, whole = [], []
    place = 0
    while place < len(lines):
        line, used = lines[place], 1
        if line.count('"') % 2:
            for end in range(place + 1, min(place + QUOTED_LINES, len(lines))):
                if lines[end].count(header.delimiter) >= len(header.names) - 1:
                    break
                if lines[end].count('"') % 2:
                    used = end - place + 1
                    line = "\n".join(lines[place : end + 1])
                    break
            else:
                used = 1
            if used == 1:
                line = line.replace('"', "")
        numbers.append(first + place)
        whole.append(line)
        place += used
    return numbers, whole
