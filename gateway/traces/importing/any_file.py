"""One file of any known kind, plain or gzipped.

Rule: the content says what it is, not the name; what is nothing known is refused in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from gateway.errors import TraceError
from gateway.traces.framing import MARK
from gateway.traces.importing.csv_text import import_csv
from gateway.traces.importing.json_text import import_json
from gateway.traces.importing.plain import import_linkem, import_mahimahi, import_ping
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
        text = _text(data)
        kind = guess(text) if kind == "auto" else kind
        imported = READERS[kind](text, chosen)
    except ValueError as error:
        raise TraceError(f"{path}: not a trace that can be read: {error}") from error
    if file.is_cut:
        imported.report.notes.append("the gzipped file is cut or damaged: what came before was read")
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
    if set(sample) <= set("01 \t\r\n"):
        return "linkem"
    if sum(line.isdecimal() for line in lines) > 0.8 * len(lines):
        return "mahimahi"
    if sum("icmp_seq" in line or line.startswith("PING ") for line in lines) > 0.3 * len(lines):
        return "ping"
    return "csv"


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:_SAMPLE]:
        raise ValueError("the file is binary and none of ours")
    return data.decode("utf-8-sig", "replace")


def _own(path: Path) -> Imported:
    reader = TraceReader(path)
    table = reader.table()
    report = ImportReport("clarilink trace", rows=len(table), skipped=reader.unknown)
    if reader.damage_line:
        report.notes.append(reader.damage_line)
    return Imported(reader.header, table, report)
