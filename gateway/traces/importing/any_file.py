"""One file of any known kind, plain or gzipped.

Rule: the content says what it is, not the name; what is nothing known is refused in one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from gateway.errors import TraceError
from gateway.traces.framing import MARK
from gateway.traces.importing.csv_text import import_csv
from gateway.traces.importing.json_text import import_json
from gateway.traces.importing.ping import import_ping, is_windows_ping
from gateway.traces.importing.plain import import_linkem, import_mahimahi
from gateway.traces.importing.report import Imported, ImportOptions, ImportReport
from gateway.traces.reader import FileBytes, TraceReader

READERS: Mapping[str, Callable[[str, ImportOptions], Imported]] = {
    "csv": import_csv,
    "json": import_json,
    "linkem": import_linkem,
    "mahimahi": import_mahimahi,
    "ping": import_ping,
}
FORMATS = ("auto", "trace", *READERS)
_SAMPLE = 1 << 16
_CONTROL = bytes(sign for sign in range(1, 32) if sign not in b"\t\n\v\f\r\x1b") + b"\x7f"
_MOST_CONTROL = 0.005
"""Share of them in what is text."""


def import_file(path: Path, options: ImportOptions | None = None) -> Imported:
    """Read `path`. Raises TraceError for what cannot be read or is no trace."""
    chosen = ImportOptions() if options is None else options
    file = FileBytes(path)
    pieces = iter(file)
    start = next(pieces, b"")
    kind = chosen.format
    if kind == "trace" or (kind == "auto" and start.startswith(MARK)):
        return _own(path)
    data = start + b"".join(pieces)
    try:
        zeros = list[int]()
        text = _text(data, zeros.append)
        kind = guess(text) if kind == "auto" else kind
        imported = READERS[kind](text, chosen)
    except ValueError as error:
        raise TraceError(f"{path}: not a trace that can be read: {error}") from error
    for count in zeros:
        imported.report.notes.append(f"{count} bytes are zero, as a logger without power leaves them: left out")
    if file.is_cut:
        imported.report.notes.append("the gzipped file is cut or damaged: what could be unpacked was read")
    notes = {**imported.header.notes, "imported": path.name}
    return replace(imported, header=replace(imported.header, notes=notes))


def guess(text: str) -> str:
    """What kind of text it is, by its beginning. Raises ValueError for none."""
    sample = text[:_SAMPLE].lstrip()
    if not sample:
        raise ValueError("the file is empty")
    lines = [line.strip() for line in sample.splitlines() if line.strip()]
    if sample[0] in "{[":
        return "json"
    if set(sample) <= set("01,; \t\r\n") and "0" in sample and len(lines[0]) > 1:
        return "linkem"
    if sum(line.isdecimal() for line in lines) > 0.8 * len(lines):
        return "mahimahi"
    if is_windows_ping(lines) or sum(map(_is_ping, lines)) > 0.3 * len(lines):
        return "ping"
    return "csv"


def _is_ping(line: str) -> bool:
    return "icmp_seq" in line or line.startswith("PING ") or (" seq=" in line and " ttl=" in line)


def _text(data: bytes, report_zeros: Callable[[int], None]) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    sample = data[:_SAMPLE]
    zeros = sample.count(0)
    if zeros > 0.9 * len(sample[1::2]) and not any(sample[1:200:2]):
        return data.decode("utf-16-le", "replace")
    if len(sample.translate(None, _CONTROL + b"\0")) < (1 - _MOST_CONTROL) * (len(sample) - zeros):
        raise ValueError("the file is binary and none of ours")
    if b"\0" in data:  # what a logger that lost its power leaves of a block
        report_zeros(data.count(0))
        data = re.sub(b"\0+", b"\n", data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _own(path: Path) -> Imported:
    reader = TraceReader(path)
    table = reader.table()
    report = ImportReport("clarilink trace", rows=len(table), skipped=reader.unknown)
    if reader.damage_line:
        report.notes.append(reader.damage_line)
    return Imported(reader.header, table, report)
