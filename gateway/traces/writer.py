"""Writes a trace: each record goes to the system at once, so that a killed program loses none that it wrote.

Rule: never overwrites (a name in use gets a number), never grows beyond its bound, and what goes wrong with the disk is
told once: to `on_stop`, then what follows is dropped and counted; without `on_stop` it is raised.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgpack

from gateway.errors import TraceError
from gateway.traces.framing import MAX_BODY_BYTES, pack
from gateway.traces.record import TraceHeader, TraceRecord, header_to_map, record_to_list

SUFFIX = ".trace"
MAX_BYTES = 256_000_000
_CHUNK_BYTES = 1 << 18


class WhenFull(Enum):
    """What happens at `max_bytes`."""

    STOP = "stop"
    """Recording ends; all of what is there stays."""
    ROTATE = "rotate"
    """The file becomes NAME.old.trace in place of the one before, so that the latest half at least is there."""


class TraceWriter:
    """A new trace at `path`, or at a numbered name beside it where there is one already; `path` tells.

    Not for several threads. Raises TraceError where it cannot begin.
    """

    def __init__(
        self,
        path: Path,
        header: TraceHeader | None = None,
        *,
        max_bytes: int = MAX_BYTES,
        when_full: WhenFull = WhenFull.STOP,
        on_stop: Callable[[str], None] | None = None,
    ) -> None:
        """`on_stop` gets one line when recording ends before `close`."""
        self._header_item = pack(header_to_map(TraceHeader() if header is None else header))
        self._max_bytes, self._when_full, self._on_stop = max_bytes, when_full, on_stop
        self._file: int | None = None
        self._size = 0
        self.dropped = 0
        """Records that came after recording had ended."""
        self.problem: str | None = None
        """Why recording ended before `close`."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.path = self._create(path)
            self._append(self._header_item)
        except OSError as error:
            self.close()
            raise TraceError(f"{path}: cannot write a trace: {error.strerror or error}") from error

    @property
    def is_recording(self) -> bool:
        """Whether a record written now is kept."""
        return self._file is not None

    def write(self, record: TraceRecord) -> bool:
        """Hand one record to the system; False if recording has ended."""
        return self._write(pack(_bounded(record)), 1)

    def write_all(self, records: Iterable[TraceRecord]) -> bool:
        """Many records, in few large writes: for those that no crash can take."""
        return self.write_rows(_bounded(record) for record in records)

    def write_rows(self, rows: Iterable[list[Any]]) -> bool:
        """As `write_all`, records as lists in the order of COLUMNS (`Table.rows`)."""
        chunk, pieces, size, packer = [], 0, 0, msgpack.Packer()
        for row in rows:
            chunk.append(pack(row, packer))
            pieces, size = pieces + 1, size + len(chunk[-1])
            if size >= _CHUNK_BYTES or size >= self._max_bytes // 8:
                self._write(b"".join(chunk), pieces)
                chunk, pieces, size = [], 0, 0
        return self._write(b"".join(chunk), pieces) if chunk else self.is_recording

    def sync(self) -> None:
        """Return when all that was written is on the disk itself, for the sake of power cuts; may take long."""
        if self._file is not None:
            try:
                os.fsync(self._file)
            except OSError as error:
                self._stop(error.strerror or str(error))

    def close(self) -> None:
        """Nothing if closed already."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _create(self, path: Path) -> Path:
        for number in count(2):
            try:
                self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileExistsError:
                stem = (
                    path.name.removesuffix(SUFFIX) if number == 2 else path.name.removesuffix(f"-{number - 1}{SUFFIX}")
                )
                path = path.with_name(f"{stem}-{number}{SUFFIX}")
            else:
                self._size = 0
                return path
        raise AssertionError("unreachable")

    def _write(self, data: bytes, records: int) -> bool:
        if self._file is None:
            self.dropped += records
            return False
        limit = self._max_bytes if self._when_full is WhenFull.STOP else self._max_bytes // 2
        try:
            if self._size + len(data) > limit and self._size > len(self._header_item):
                if self._when_full is WhenFull.STOP:
                    self.dropped += records
                    self._stop(f"it has reached its limit of {self._max_bytes} bytes")
                    return False
                self._rotate()
            self._append(data)
        except OSError as error:
            self.dropped += records
            self._stop(error.strerror or str(error))
            return False
        return True

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            written = os.write(self._file, view)
            view, self._size = view[written:], self._size + written

    def _rotate(self) -> None:
        self.sync()
        self.close()
        self.path.replace(old_path(self.path))
        self._create(self.path)
        self._append(self._header_item)

    def _stop(self, why: str) -> None:
        self.close()
        self.problem = why
        line = f"{self.path}: no more is recorded: {why}"
        if self._on_stop is None:
            raise TraceError(line)
        self._on_stop(line)


def old_path(path: Path) -> Path:
    """Where the older half of a rotated trace lies."""
    return path.with_name(path.name.removesuffix(SUFFIX) + ".old" + SUFFIX)


def _bounded(record: TraceRecord) -> list[Any]:
    row = record_to_list(record)
    return [value[: MAX_BODY_BYTES // 64] if isinstance(value, str) else value for value in row]
