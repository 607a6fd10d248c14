"""Records while a link works: a thread of its own writes, so that no disk ever holds up a voice.

Rule: `put` never waits and never raises. What cannot be written (disk full, limit reached, disk too slow) is told once
and counted; the link knows nothing of it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from gateway.clock import Clock, SystemClock, calendar_s
from gateway.traces.record import TraceHeader, TraceRecord
from gateway.traces.writer import MAX_BYTES, SUFFIX, TraceWriter, WhenFull

SYNC_S = 1.0
"""What is older than this survives a power cut."""
QUEUE_RECORDS = 10_000
FLUSH_S = 2.0


class TraceRecorder:
    """A trace at `path` (or a numbered name beside it) from construction, which raises TraceError, to `close`."""

    def __init__(
        self,
        path: Path,
        header: TraceHeader,
        *,
        max_bytes: int = MAX_BYTES,
        when_full: WhenFull = WhenFull.STOP,
        say: Callable[[str], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`say` gets one line, from the recorder's thread, when recording ends early."""
        self._say = say
        self._clock = SystemClock() if clock is None else clock
        self._writer = TraceWriter(path, header, max_bytes=max_bytes, when_full=when_full, on_stop=self._stopped)
        self.path = self._writer.path
        self._queue: queue.Queue[TraceRecord | threading.Event | None] = queue.Queue(QUEUE_RECORDS)
        self._overrun = 0
        self._thread = threading.Thread(target=self._run, name="trace", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Records that could not be kept."""
        return self._writer.dropped + self._overrun

    @property
    def problem(self) -> str | None:
        """Why nothing more is recorded."""
        return self._writer.problem

    def put(self, record: TraceRecord) -> None:
        """Hand over a record, from any thread."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self._overrun += 1

    def flush(self, timeout_s: float = FLUSH_S) -> None:
        """Return when all that was put is on the disk, or the time is over."""
        done = threading.Event()
        try:
            self._queue.put(done, timeout=timeout_s)
        except queue.Full:
            return
        done.wait(timeout_s)

    def close(self) -> None:
        """Write what was put and end; nothing if closed already."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(FLUSH_S)

    def _run(self) -> None:
        """Each record is written when it comes and synced at the latest SYNC_S after it."""
        sync_s: float | None = None
        while True:
            wait_s = None if sync_s is None else max(0.0, sync_s - self._clock.now())
            item: TraceRecord | threading.Event | None
            try:
                item = self._queue.get(timeout=wait_s)
            except queue.Empty:
                item = threading.Event()  # of nobody: the time to sync has come
            if isinstance(item, TraceRecord):
                self._writer.write(item)
                sync_s = self._clock.now() + SYNC_S if sync_s is None else sync_s
            if sync_s is not None and (self._clock.now() >= sync_s or not isinstance(item, TraceRecord)):
                self._writer.sync()
                sync_s = None
            if isinstance(item, threading.Event):
                item.set()
            elif item is None:
                self._writer.close()
                return

    def _stopped(self, line: str) -> None:
        if self._say is not None:
            self._say(f"trace {line}")


def trace_path(record: Path, station: str) -> Path:
    """Where a station records: `record` itself if it ends in .trace, else a file in that folder named by time (UTC)."""
    if record.suffix == SUFFIX:
        return record
    name = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in station) or "station"
    return record / f"{name}-{datetime.fromtimestamp(calendar_s(), UTC):%Y%m%d-%H%M%S}{SUFFIX}"
