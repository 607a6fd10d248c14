"""A byte-exact log of a port: both directions, when on two clocks, what happened besides. Written as it happens.

Rule: one line a record, written at once and whole, so that a crash costs the last line at most; bounded: the file grows
to half of `max_bytes`, then becomes FILE.old. A log that cannot be written never stops a modem.

    1234.567890 2026-11-26T09:30:00.123456Z < 01 41 42 00

Monotonic seconds, UTC, `<` from the modem, `>` to it, `=` what else happened (in words), bytes in hex.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from gateway.clock import calendar_s
from gateway.errors import ConfigError

MAX_BYTES = 64_000_000
_RECORD_BYTES = 4096
"""More in one piece is several records."""


class Mark(Enum):
    """What a record is."""

    FROM_MODEM = "<"
    TO_MODEM = ">"
    NOTE = "="


@dataclass(frozen=True, slots=True)
class Record:
    """One line: `data` for bytes, `text` for a note. `wall` is UTC as written."""

    at_s: float
    wall: str
    mark: Mark
    data: bytes = b""
    text: str = ""


def old_path(path: Path) -> Path:
    """Where the older half lies."""
    return path.with_name(path.name + ".old")


class RawLog:
    """Writes; used from one thread. Raises ConfigError where it cannot begin, is silent where it cannot go on."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path, self._max_bytes = path, max_bytes
        self._file: int | None = None
        self._size = 0
        self._open()

    def note(self, now: float, text: str) -> None:
        """Something that is no bytes: the port opened, a line changed."""
        self._write(now, Mark.NOTE, " ".join(text.split()))

    def bytes_passed(self, now: float, mark: Mark, data: bytes) -> None:
        """Bytes that the port gave or took."""
        for at in range(0, len(data), _RECORD_BYTES):
            self._write(now, mark, data[at : at + _RECORD_BYTES].hex(" "))

    def close(self) -> None:
        """Nothing if closed already."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._file).st_size
            if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
                os.write(self._file, b"\n")  # a crash cut the last line
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot write the raw log: {error.strerror}") from error

    def _write(self, now: float, mark: Mark, rest: str) -> None:
        if self._file is None:
            return
        wall = datetime.fromtimestamp(calendar_s(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line = f"{now:.6f} {wall} {mark.value} {rest}\n".encode()
        with contextlib.suppress(OSError, ConfigError):
            if self._size and self._size + len(line) > self._max_bytes // 2:
                self.close()
                self.path.replace(old_path(self.path))
                self._open()
            assert self._file is not None
            self._size += os.write(self._file, line)


def read_log(path: Path) -> Iterator[Record]:
    """The records of a log, the older half first; lines that are none are left out. Raises ConfigError."""
    halves = [half for half in (old_path(path), path) if half.is_file()]
    if not halves:
        raise ConfigError(f"{path}: no such raw log")
    for half in halves:
        try:
            with half.open(encoding="utf-8", errors="replace") as lines:
                yield from filter(None, map(parse_record, lines))
        except OSError as error:
            raise ConfigError(f"{half}: cannot read the raw log: {error.strerror}") from error


def parse_record(line: str) -> Record | None:
    """The record of one line, its newline included; None for what is none, or was cut."""
    parts = line.rstrip("\n").split(" ", 3)
    if len(parts) != 4 or not line.endswith("\n"):
        return None
    try:
        mark = Mark(parts[2])
        at_s = float(parts[0])
        if mark is Mark.NOTE:
            return Record(at_s, parts[1], mark, text=parts[3])
        return Record(at_s, parts[1], mark, data=bytes.fromhex(parts[3]))
    except ValueError:
        return None


def printable(records: Iterable[Record]) -> Iterator[str]:
    """For people: 16 bytes a line, in hex and as text."""
    for record in records:
        head = f"{record.wall} {record.at_s:14.6f} {record.mark.value} "
        if record.mark is Mark.NOTE:
            yield head + record.text
        for at in range(0, len(record.data), 16):
            piece = record.data[at : at + 16]
            shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
            yield (head if at == 0 else " " * len(head)) + f"{piece.hex(' '):<47}  {shown}"
