"""The few things the spool does to a disk, each small enough to be interrupted in a test.

Rule: this is the only place where the spool touches files. Each method is one step that either happened, did not, or
(`write` and `append`) happened in part, when the machine dies; errors are OSError as the system gives them.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """What a spool needs of a file system."""

    def make_folder(self, path: Path) -> None:
        """Create a folder and those above it; nothing if it is there."""

    def names(self, folder: Path) -> list[str]:
        """Names in a folder, sorted; empty for none."""

    def size(self, path: Path) -> int:
        """Bytes of a file."""

    def free(self, folder: Path) -> int:
        """Bytes that the disk of a folder has room for."""

    def read(self, path: Path) -> bytes:
        """A whole file."""

    def write(self, path: Path, data: bytes) -> None:
        """A new file with `data`, on the disk itself when this returns."""

    def append(self, path: Path, data: bytes) -> None:
        """Add to a file that exists; not necessarily on the disk itself before `sync`."""

    def sync(self, path: Path) -> None:
        """Return when what was appended is on the disk itself."""

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file to its first `size` bytes."""

    def rename(self, source: Path, target: Path) -> None:
        """Move within the file system, replacing `target`; of it either all or nothing happens."""

    def remove(self, path: Path) -> None:
        """Delete a file; nothing if it is not there."""

    def lock(self, path: Path) -> None:
        """Claim the folder that `path` is a file of, until this process ends; BlockingIOError if another has it."""


class RealDisk:
    """The machine's file system."""

    def __init__(self) -> None:
        self._locks: list[int] = []

    def make_folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def names(self, folder: Path) -> list[str]:
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def free(self, folder: Path) -> int:
        figures = os.statvfs(folder)
        return figures.f_bavail * figures.f_frsize

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def write(self, path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def append(self, path: Path, data: bytes) -> None:
        # Without O_CREAT: a file that somebody deleted does not come back without its head.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)

    def sync(self, path: Path) -> None:
        _sync(path)

    def truncate(self, path: Path, size: int) -> None:
        os.truncate(path, size)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)
        _sync(target.parent)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def lock(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        self._locks.append(descriptor)

    def close(self) -> None:
        """Give up the locks."""
        for descriptor in self._locks:
            os.close(descriptor)
        self._locks.clear()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
