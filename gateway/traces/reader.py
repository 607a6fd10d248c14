"""Reads a trace, whatever was done to it: cut by a crash, damaged on the way, gzipped, or still being written.

Rule: what is damaged is counted and skipped; only a file that is no trace at all is an error, in one sentence.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gateway.errors import TraceError
from gateway.traces.framing import Unpacker
from gateway.traces.record import VERSION, TraceHeader, TraceRecord, header_from_map, record_from_list
from gateway.traces.table import Table, TableBuilder

_PIECE_BYTES = 1 << 18
_CHUNK_ROWS = 1 << 14
GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS


class TraceReader:
    """The records of `path`, each time it is iterated. Raises TraceError for a file that is no trace.

    `header` is there from the start; `skipped_bytes`, `damages` and `unknown` tell of the last time through.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped_bytes = 0
        self.damages = 0
        """Places where bytes were damaged or missing."""
        self.unknown = 0
        """Whole items that are no record of this version."""
        self.header = self._read_header()

    def __iter__(self) -> Iterator[TraceRecord]:
        self.unknown = 0
        for item in self._items():
            if isinstance(item, dict) and header_from_map(item) is not None:
                continue
            record = record_from_list(item) if isinstance(item, list) else None
            if record is None:
                self.unknown += 1
            else:
                yield record

    def table(self) -> Table:
        """All records as columns."""
        builder, rows = TableBuilder(), list[list[Any]]()
        others = 0
        for item in self._items():
            if isinstance(item, list):
                rows.append(item)
            elif not isinstance(item, dict) or header_from_map(item) is None:
                others += 1
            if len(rows) >= _CHUNK_ROWS:
                builder.add_rows(rows)
                rows = []
        builder.add_rows(rows)
        self.unknown = builder.unknown + others
        return builder.build()

    @property
    def damage_line(self) -> str | None:
        """What was skipped, in words; None if nothing was."""
        parts = []
        if self.damages:
            parts.append(f"{self.skipped_bytes} damaged bytes in {self.damages} places skipped")
        if self.unknown:
            parts.append(f"{self.unknown} unknown items skipped")
        return ", ".join(parts) or None

    def _read_header(self) -> TraceHeader:
        first = next(self._items(), None)
        header = header_from_map(first) if isinstance(first, dict) else None
        if header is None:
            if first is None or not isinstance(first, list) or record_from_list(first) is None:
                raise TraceError(f"{self.path}: not a clarilink trace (`clarilink trace import` reads other formats)")
            return TraceHeader()  # the header is damaged, the records are not
        if header.version > VERSION:
            raise TraceError(
                f"{self.path}: a trace of version {header.version}; this program reads up to version {VERSION}"
            )
        return header

    def _items(self) -> Iterator[object]:
        unpacker, file = Unpacker(), FileBytes(self.path)
        for piece in file:
            yield from unpacker.feed(piece)
            self.skipped_bytes, self.damages = unpacker.skipped_bytes, unpacker.damages
        yield from unpacker.finish()
        self.skipped_bytes, self.damages = unpacker.skipped_bytes, unpacker.damages
        if file.is_cut and not unpacker.in_damage:
            self.damages += 1


class FileBytes:
    """The bytes of a file in pieces, unpacked where it is gzipped. Iterating raises TraceError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_cut = False
        """Whether the gzipped data ended early or were damaged; what came before was given."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                start = file.read(_PIECE_BYTES)
                if not start.startswith(GZIP_MAGIC):
                    while start:
                        yield start
                        start = file.read(_PIECE_BYTES)
                    return
                yield from self._unpacked(file, start)
        except OSError as error:
            raise TraceError(f"{self.path}: cannot read: {error.strerror or error}") from error

    def _unpacked(self, file: IO[bytes], packed: bytes) -> Iterator[bytes]:
        member = zlib.decompressobj(_GZIP)
        while packed:
            try:
                data = member.decompress(packed, _PIECE_BYTES)
            except zlib.error:
                break
            if data:
                yield data
            packed = member.unconsumed_tail
            if member.eof:
                packed = member.unused_data or file.read(_PIECE_BYTES)
                member = zlib.decompressobj(_GZIP)
                if packed:
                    continue
                return
            packed = packed or file.read(_PIECE_BYTES)
        self.is_cut = True
