"""A disk that dies in the middle of a step, or is full: a test double, for whoever tests something on a spool.

Rule: what it leaves behind is what a real disk could: a step that never happened, or half of what was to be written.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from gateway.messages.disk import RealDisk


class Crash(Exception):
    """The machine died."""


class FaultyDisk(RealDisk):
    """Real files; `steps` counts the changing steps.

    `crash_at`: the step with this number is done by half, where it has halves, and raises Crash, as all after it do.
    `room`: bytes that still fit, None for enough; `knows_room`: whether the disk tells that when asked.
    """

    def __init__(self, crash_at: int | None = None) -> None:
        super().__init__()
        self.steps = 0
        self.crash_at = crash_at
        self.room: int | None = None
        self.knows_room = False

    def free(self, folder: Path) -> int:
        return self.room if self.room is not None and self.knows_room else super().free(folder)

    def write(self, path: Path, data: bytes) -> None:
        self._step(lambda: path.write_bytes(data[: len(data) // 2]))
        self._fit(path, data, super().write)
        super().write(path, data)

    def append(self, path: Path, data: bytes) -> None:
        self._step(lambda: RealDisk.append(self, path, data[: len(data) // 2]))
        self._fit(path, data, super().append)
        super().append(path, data)

    def sync(self, path: Path) -> None:
        self._step(None)
        super().sync(path)

    def truncate(self, path: Path, size: int) -> None:
        self._step(None)
        super().truncate(path, size)

    def rename(self, source: Path, target: Path) -> None:
        self._step(None)
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._step(None)
        super().remove(path)

    def _step(self, half: Callable[[], object] | None) -> None:
        if self.crash_at is not None and self.steps >= self.crash_at:
            if self.steps == self.crash_at and half is not None:
                half()
            self.steps += 1
            raise Crash
        self.steps += 1

    def _fit(self, path: Path, data: bytes, begin: Callable[[Path, bytes], None]) -> None:
        if self.room is None:
            return
        if len(data) > self.room:
            begin(path, data[: self.room])
            self.room = 0
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(data)
