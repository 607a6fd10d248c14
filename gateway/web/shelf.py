"""Recordings as the web console lists them.

Rule: nothing is read again that has not changed, and only names that the recorder gives are files here.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from gateway.audio.base import SAMPLE_RATE_HZ
from gateway.errors import AudioError
from gateway.recording.entry import INDEX_NAME, OverEntry
from gateway.recording.reader import read_recordings
from gateway.recording.shelf import NAME

MOST_LISTED = 300


class RecordingList:
    """The newest recordings of a folder; safe from any thread."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._listed: list[dict[str, Any]] = []

    def listed(self) -> list[dict[str, Any]]:
        """Newest first; [] where nothing is recorded."""
        if self._folder is None:
            return []
        with self._lock:
            try:
                found = (self._folder / INDEX_NAME).stat()
                stamp = (found.st_mtime_ns, found.st_size)
                if stamp != self._stamp:
                    overs = read_recordings(self._folder).overs
                    self._listed = [_line(entry) for entry in overs[: -MOST_LISTED - 1 : -1]]
                    self._stamp = stamp
            except (OSError, AudioError):
                return []
            return self._listed

    def path(self, name: str) -> Path | None:
        """The file of a recording; None if there is none of that name."""
        if self._folder is None or NAME.fullmatch(name) is None:
            return None
        path = self._folder / name
        return path if path.is_file() and not path.is_symlink() else None


def _line(entry: OverEntry) -> dict[str, Any]:
    missing = (entry.lost or 0) + (entry.late or 0)
    return {
        "name": entry.path.name,
        "side": entry.side.value,
        "source": entry.source,
        "wall_s": entry.wall_s,
        "duration_s": None if entry.samples is None else entry.samples / SAMPLE_RATE_HZ,
        "missing": missing / entry.expected if entry.expected else None,
        "snr_db": entry.snr_db,
        "is_complete": entry.is_complete,
    }
