"""Keeps a station's memory on disk: read at the start, written when it changed, by a thread of its own.

Rule: a file is complete or the one before it (written beside, synced, exchanged); what goes wrong is told once and
tried again, and the station goes on without.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace

from gateway.config import StateSection
from gateway.control.hub import ControlHub
from gateway.control.kept import Kept, kept_of
from gateway.telling import Level

MAX_BYTES = 1_000_000
JOIN_S = 3.0


class StateKeeper:
    """One station's; `load` first, then `start`, at the end `stop`, which writes what is new."""

    def __init__(self, section: StateSection, hub: ControlHub, say: Callable[[str, Level], None]) -> None:
        self._path, self._every_s = section.file, section.every_s
        self._hub, self._say = hub, say
        self._written: Kept | None = None
        self._has_told = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def load(self) -> Kept:
        """What was kept; nothing where there is no file or none that can be read, which is told."""
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_BYTES)
        except FileNotFoundError:
            return Kept()
        except OSError as error:
            self._say(f"state not read: {self._path}: {error.strerror or error}", Level.WARNING)
            return Kept()
        kept = kept_of(data.decode("utf-8", "replace"))
        if kept is None:
            aside = self._path.with_name(self._path.name + ".damaged")
            self._say(f"state not read: {self._path} is damaged; put aside as {aside.name}", Level.WARNING)
            with contextlib.suppress(OSError):
                self._path.replace(aside)
            return Kept()
        self._written = kept
        return kept

    def start(self) -> None:
        """Write changes from now on."""
        self._thread = threading.Thread(target=self._run, name="state", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is new and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        self.write()

    def write(self) -> None:
        """Write if anything changed since the last time."""
        snapshot = self._hub.snapshot
        if snapshot is None:
            return
        kept = Kept.of(snapshot)
        # How long ago an over can be replayed is not for keeping.
        kept = replace(kept, overs=tuple(replace(over, index=0) for over in kept.overs))
        if kept == self._written:
            return
        try:
            self._replace(kept.to_json() + "\n")
        except OSError as error:
            if not self._has_told:
                self._say(f"state not kept: {self._path}: {error.strerror or error}", Level.WARNING)
            self._has_told = True
            return
        self._written, self._has_told = kept, False

    def _replace(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.write()
