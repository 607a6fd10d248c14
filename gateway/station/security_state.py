"""What security remembers across restarts: the next counter to send, and the highest counters heard from others.

Rule: a counter is given out only after the disk holds a mark beyond it; a crash may waste counters but never gives one
twice. What cannot be read is replaced by what is safe, never by zero.

The file is one line of JSON with a CRC-32. It is written beside its place, synced, and exchanged; the one before is
kept as `.old` for the case that the disk itself damages the newer. A lock keeps two stations from sharing a file.
"""

from __future__ import annotations

import fcntl
import json
import os
from binascii import crc32
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.errors import SecurityError
from gateway.protocol.security import MAX_COUNTER, Use

RESERVE = 256
"""Counters reserved at a time: one write per so many overs and messages, and at most so many wasted by a restart."""
STATE_FORMAT = 1
EPOCH_S = 1_735_689_600  # 2025-01-01: where the counters of a station without memory begin to follow the calendar
_LATEST_START = 2**31  # however wrong the calendar, half of all counters are left


class Disk:
    """The steps of a safe write, one method each, so that a test can fail between any two."""

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def write(self, path: Path, data: bytes) -> None:
        """Write and sync a new file that only its owner can read."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class SecurityState:
    """`CounterSource` and `ReplayMemory` of one station, on disk. Used from one thread; `close` when done."""

    def __init__(self, path: Path, *, calendar_s: float, warn: Callable[[str], None], disk: Disk | None = None) -> None:
        """`calendar_s`: seconds since 1970, used only where there is no memory. `warn` gets one line per trouble.

        Raises SecurityError if another program has the file, or if nothing can be written.
        """
        self._path = path
        self._old, self._new = path.with_name(path.name + ".old"), path.with_name(path.name + ".new")
        self._warn = warn
        self._disk = Disk() if disk is None else disk
        self._lock = self._take_lock()
        try:
            self._next, self._heard = self._load(calendar_s)
            self._reserved = self._next
            self._failing = False
            self._reserve()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others have the file; nothing if done already."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def take(self) -> int:
        """The next counter. Raises SecurityError when no more can be reserved (disk full) or all are used up."""
        if self._reserved - self._next <= RESERVE // 2:
            # Early, so that a disk that is full for a while stops nobody.
            try:
                self._reserve()
            except SecurityError as error:
                if self._next >= self._reserved:
                    raise
                self._trouble(str(error))
        counter = self._next
        self._next += 1
        return counter

    def highest(self, use: Use, source: int, key_id: int) -> int:
        """The highest counter accepted, -1 if none was."""
        return self._heard.get(_name(use, source, key_id), -1)

    def remember(self, use: Use, source: int, key_id: int, counter: int) -> None:
        """Note a counter as accepted, and write it down. Where that fails it is remembered until the end only."""
        self._heard[_name(use, source, key_id)] = counter
        try:
            self._save(self._reserved)
        except SecurityError as error:
            self._trouble(str(error))

    def _trouble(self, line: str) -> None:
        if not self._failing:
            self._warn(line)
        self._failing = True

    def _reserve(self) -> None:
        mark = self._next + RESERVE
        if mark > MAX_COUNTER:
            raise SecurityError(f"{self._path}: all counters of this station are used up; make a new net key and file")
        self._save(mark)
        self._reserved = mark

    def _save(self, reserved: int) -> None:
        body = json.dumps({"format": STATE_FORMAT, "next": reserved, "heard": self._heard}, sort_keys=True)
        try:
            self._disk.write(self._new, f"{body}\n{crc32(body.encode()):08x}\n".encode())
            with suppress(FileNotFoundError):
                self._disk.replace(self._path, self._old)
            self._disk.replace(self._new, self._path)
            self._disk.sync_folder(self._path.parent)
        except OSError as error:
            raise SecurityError(f"{self._path}: cannot write counters: {error.strerror or error}") from error
        self._failing = False

    def _load(self, calendar_s: float) -> tuple[int, dict[str, int]]:
        """Where counting goes on, and what was heard: from the newest file that is whole."""
        damaged = False
        for path, behind in ((self._path, 0), (self._old, RESERVE)):
            try:
                text = self._disk.read(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise SecurityError(f"{path}: cannot read counters: {error.strerror or error}") from error
            found = _parse(text)
            if found is not None:
                if damaged:
                    self._warn(f"{self._path} was damaged: went on with {self._old.name}")
                # The file before may be one reservation behind what was given out.
                return found[0] + behind, found[1]
            damaged = True
        if damaged:
            self._warn(
                f"{self._path} was damaged and is begun anew: overs recorded before now could be played back to this "
                "station once"
            )
        return min(max(0, int(calendar_s - EPOCH_S)), _LATEST_START), {}

    def _take_lock(self) -> int:
        path = self._path.with_name(self._path.name + ".lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SecurityError(f"{path}: cannot write: {error.strerror or error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise SecurityError(
                f"{self._path}: in use by another station; each needs a security.state_file of its own"
            ) from error
        return descriptor


def _name(use: Use, source: int, key_id: int) -> str:
    return f"{use.value}/{source}/{key_id}"


def _parse(text: bytes) -> tuple[int, dict[str, int]] | None:
    """Next counter and counters heard, or None for anything but a whole file of this format."""
    try:
        body, check, rest = text.decode("ascii").split("\n")
        if rest or int(check, 16) != crc32(body.encode()):
            return None
        found: Any = json.loads(body)
        if found["format"] != STATE_FORMAT:
            return None
        counter = found["next"]
        heard = {str(name): int(value) for name, value in found["heard"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return (counter, heard) if isinstance(counter, int) and 0 <= counter <= MAX_COUNTER else None
