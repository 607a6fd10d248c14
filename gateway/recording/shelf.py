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
from gateway.recording.packets import MAX_FILE_BYTES
from gateway.recording.packets import SUFFIX as PACKETS

LONGEST_BYTES = 2 * 16_000 * 3600
"""Of one recording: an hour."""
INDEX_BYTES = 8_000_000
"""An index that has grown beyond this is put aside when the station starts; one is kept."""
ROOM_LOOK_BYTES = 1_000_000
NAME = re.compile(r"(\d{8}T\d{6}-\d{4,}-(?:said|heard))(\.wav|\.packets|\.json|\.part)")
SOUND, FACTS = ".wav", ".json"
FAMILY = (SOUND, PACKETS, FACTS, ".part")
"""The files of one recording; the sound names it."""
SILENCE = bytes(2 * 16_000)


@dataclass(slots=True)
class _Open:
    name: str
    descriptor: int
    written: int = 0
    """Bytes of samples in the file."""
    pending: bytearray = field(default_factory=bytearray)
    packets: int = -1
    packets_written: int = 0
    packets_pending: bytearray = field(default_factory=bytearray)


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
            if (found := NAME.fullmatch(path.name)) is not None:
                name = found[1] + SOUND
                self._known[name] = self._known.get(name, 0) + path.stat().st_size
                self._number = max(self._number, int(path.name.split("-")[1]))

    def append(self, line: bytes) -> None:
        """Add a line to the index."""
        if self._index >= 0:
            os.write(self._index, line)

    def begin(self, side: Side, stamp: str, wall_s: float) -> tuple[str, list[str]]:
        """A new recording; `stamp` (YYYYMMDDTHHMMSS) begins its name. Returns the name, and those that made room."""
        self._let_go(side)
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

    def write_packets(self, side: Side, items: bytes) -> None:
        """Add to the packets of a recording, whose file begins with the first. Kept back until `flush`."""
        opened = self._files.get(side)
        room = 0 if opened is None else MAX_FILE_BYTES - opened.packets_written - len(opened.packets_pending)
        if opened is not None and len(items) <= room:
            opened.packets_pending += items

    def write_facts(self, name: str, facts: bytes) -> None:
        """What is known of the recording `name` once it has ended, in place of what was known before."""
        path = self.folder / name
        part = path.with_suffix(".part")
        part.write_bytes(facts)
        part.replace(path.with_suffix(FACTS))
        self._known[name] = self._known.get(name, 0) + len(facts)

    def flush(self) -> None:
        """Everything so far into the files, whose headers say so."""
        for opened in self._files.values():
            self._flush_packets(opened)
            if opened.pending:
                self._unlooked += len(opened.pending)
                self._look_for_room()
                _write_all(opened.descriptor, bytes(opened.pending), HEADER_BYTES + opened.written)
                opened.written += len(opened.pending)
                opened.pending.clear()
                _write_all(opened.descriptor, wav_header(opened.written), 0)
                self._known[opened.name] = HEADER_BYTES + opened.written + opened.packets_written

    def _flush_packets(self, opened: _Open) -> None:
        if not opened.packets_pending:
            return
        if opened.packets < 0:
            path = (self.folder / opened.name).with_suffix(PACKETS)
            opened.packets = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._unlooked += len(opened.packets_pending)
        self._look_for_room()
        _write_all(opened.packets, bytes(opened.packets_pending), opened.packets_written)
        opened.packets_written += len(opened.packets_pending)
        self._known[opened.name] += len(opened.packets_pending)
        opened.packets_pending.clear()

    def end(self, side: Side) -> tuple[str, int] | None:
        """Complete a recording, on the disk itself; its name and samples, or None if there is none."""
        opened = self._files.get(side)
        if opened is None:
            return None
        self.flush()
        os.fsync(opened.descriptor)
        if opened.packets >= 0:
            os.fsync(opened.packets)
        self._let_go(side)
        return opened.name, opened.written // 2

    def drop_open(self) -> None:
        """Let go of recordings that cannot go on; what is in their files stays."""
        for side in list(self._files):
            self._let_go(side)
        self._unlooked = ROOM_LOOK_BYTES

    def _let_go(self, side: Side) -> None:
        opened = self._files.pop(side, None)
        for descriptor in () if opened is None else (opened.descriptor, opened.packets):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

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
                for suffix in FAMILY:
                    path.with_suffix(suffix).unlink(missing_ok=True)
                del self._known[name]
                removed.append(name)
        return removed


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, at)
        view, at = view[done:], at + done
