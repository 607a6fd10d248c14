"""Recordings on disk: files that are whole at every moment, within bounds of size, age and room left.

Rule: each call either did its part or raised OSError; nothing here knows of threads or of the station. Only files that
this module named are ever deleted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from gateway.audio.wav import HEADER_BYTES, wav_header
from gateway.recording.entry import INDEX_NAME, Side

LONGEST_BYTES = 2 * 16_000 * 3600
"""Of one recording: an hour."""
INDEX_BYTES = 8_000_000
"""An index that has grown beyond this is put aside when the station starts; one is kept."""
ROOM_LOOK_BYTES = 1_000_000
NAME = re.compile(r"\d{8}T\d{6}-\d{4,}-(said|heard)\.wav")
SILENCE = bytes(2 * 16_000)


@dataclass(slots=True)
class _Open:
    name: str
    descriptor: int
    written: int = 0
    """Bytes of samples in the file."""
    pending: bytearray = field(default_factory=bytearray)


class Shelf:
    """The folder of one station's recordings; `open` claims it."""

    def __init__(self, folder: Path, *, max_bytes: int, max_age_s: float, least_free_bytes: int) -> None:
        self.folder = folder
        self._max_bytes, self._max_age_s, self._least_free = max_bytes, max_age_s, least_free_bytes
        self._files: dict[Side, _Open] = {}
        self._known: dict[str, int] = {}
        self._index = -1
        self._number = 0
        self._unlooked = ROOM_LOOK_BYTES

    def open(self) -> None:
        """Make the folder, claim it, and see what is there. Raises BlockingIOError if another station has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        index = self.folder / INDEX_NAME
        self._index = self._claim(index)
        if os.fstat(self._index).st_size > INDEX_BYTES:
            index.replace(self.folder / f"before-{INDEX_NAME}")
            os.close(self._index)
            self._index = self._claim(index)
        size = os.fstat(self._index).st_size
        if size and os.pread(self._index, 1, size - 1) != b"\n":
            os.write(self._index, b"\n")  # a line that was cut ends here
        for path in sorted(self.folder.iterdir()):
            if NAME.fullmatch(path.name):
                self._known[path.name] = path.stat().st_size
                self._number = max(self._number, int(path.name.split("-")[1]))

    def append(self, line: bytes) -> None:
        """Add a line to the index."""
        if self._index >= 0:
            os.write(self._index, line)

    def begin(self, side: Side, stamp: str, wall_s: float) -> tuple[str, list[str]]:
        """A new recording; `stamp` (YYYYMMDDTHHMMSS) begins its name. Returns the name, and those that made room."""
        if self._index < 0:
            self.open()
        self._look_for_room()
        removed = self._make_room(wall_s)
        self._number += 1
        name = f"{stamp}-{self._number:04d}-{side.value}.wav"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        opened = _Open(name, os.open(self.folder / name, flags, 0o644))
        self._files[side] = opened
        self._known[name] = HEADER_BYTES
        _write_all(opened.descriptor, wav_header(0), 0)
        return name, removed

    def write(self, side: Side, at_sample: int, samples: bytes) -> None:
        """16-bit samples from sample `at_sample` on; what lies between is silence. Kept back until `flush`."""
        opened = self._files.get(side)
        if opened is None:
            return
        gap = 2 * at_sample - opened.written - len(opened.pending)
        room = LONGEST_BYTES - opened.written - len(opened.pending)
        while gap > 0 and room > 0:
            opened.pending += SILENCE[: min(gap, room)]
            room -= min(gap, len(SILENCE))
            gap -= len(SILENCE)
        opened.pending += samples[: max(0, room)]

    def flush(self) -> None:
        """Everything so far into the files, whose headers say so."""
        for opened in self._files.values():
            if opened.pending:
                self._unlooked += len(opened.pending)
                self._look_for_room()
                _write_all(opened.descriptor, bytes(opened.pending), HEADER_BYTES + opened.written)
                opened.written += len(opened.pending)
                opened.pending.clear()
                _write_all(opened.descriptor, wav_header(opened.written), 0)
                self._known[opened.name] = HEADER_BYTES + opened.written

    def end(self, side: Side) -> tuple[str, int] | None:
        """Complete a recording, on the disk itself; its name and samples, or None if there is none."""
        opened = self._files.get(side)
        if opened is None:
            return None
        self.flush()
        os.fsync(opened.descriptor)
        del self._files[side]
        os.close(opened.descriptor)
        return opened.name, opened.written // 2

    def drop_open(self) -> None:
        """Let go of recordings that cannot go on; what is in their files stays."""
        for opened in self._files.values():
            with contextlib.suppress(OSError):
                os.close(opened.descriptor)
        self._files.clear()
        self._unlooked = ROOM_LOOK_BYTES

    def close(self) -> None:
        """Give the folder back."""
        self.drop_open()
        if self._index >= 0:
            os.close(self._index)
            self._index = -1

    def _claim(self, index: Path) -> int:
        descriptor = os.open(index, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _look_for_room(self) -> None:
        """Other things on this disk (messages, used counters of keys) need room more than recordings do."""
        if self._unlooked < ROOM_LOOK_BYTES:
            return
        figures = os.statvfs(self.folder)
        if figures.f_bavail * figures.f_frsize < self._least_free:
            raise OSError(errno.ENOSPC, f"less than {self._least_free // 1_000_000} MB free on its disk")
        self._unlooked = 0

    def _make_room(self, wall_s: float) -> list[str]:
        in_use = {opened.name for opened in self._files.values()}
        removed = []
        for name in sorted(self._known, key=lambda name: int(name.split("-")[1])):
            if name in in_use:
                continue
            path = self.folder / name
            is_too_much = sum(self._known.values()) > self._max_bytes
            try:
                is_old = not is_too_much and wall_s - path.stat().st_mtime > self._max_age_s
            except FileNotFoundError:
                is_old = True  # somebody deleted it
            if is_too_much or is_old:
                path.unlink(missing_ok=True)
                del self._known[name]
                removed.append(name)
        return removed


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, at)
        view, at = view[done:], at + done
