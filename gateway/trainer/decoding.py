"""Sounds to 16-bit samples, in the order asked for, by as many processes as wanted.

Rule: a sound that cannot be had becomes a Skip with its reason; no sound stops the others.
"""

from __future__ import annotations

import io
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gateway.audio.files import SoundReader, decode_audio
from gateway.codec.level import active_level_db
from gateway.errors import AudioError
from gateway.trainer.data import SAMPLE_RATE
from gateway.trainer.layouts import Entry, Missing

LONGEST_S = 7200
"""A longer sound is skipped: one sound is held in memory while it is decoded."""
_CHUNK = 8


@dataclass(frozen=True, slots=True)
class Clip:
    """A decoded sound: int16 `samples` (n,) and its active level in dBFS."""

    samples: NDArray[np.int16]
    level_db: float


@dataclass(frozen=True, slots=True)
class Skip:
    """A sound that could not be had: the kind of reason, to be counted, and what exactly was wrong."""

    reason: str
    detail: str = ""


def decode(entry: Entry | Missing) -> Clip | Skip:
    """One sound, whole."""
    if isinstance(entry, Missing):
        return Skip(entry.reason)
    try:
        pcm = _read(entry)
    except AudioError as error:
        return Skip("not readable as sound", str(error))
    if pcm is None:
        return Skip(f"longer than {LONGEST_S // 3600} h: cut it first", str(entry.path))
    if len(pcm) == 0:
        return Skip("holds no samples", str(entry.path))
    samples = np.clip(np.round(pcm * 32768), -32768, 32767).astype("<i2")
    return Clip(samples, round(active_level_db(pcm), 2))


def _read(entry: Entry) -> NDArray[np.float32] | None:
    """float32 samples (n,) at 16 kHz, or None if there are too many."""
    if entry.size >= 0:
        try:
            with entry.path.open("rb") as file:
                file.seek(entry.start)
                stored = file.read(entry.size)
        except OSError as error:
            raise AudioError(f"{entry.path}: cannot read: {error.strerror or error}") from error
        return decode_audio(io.BytesIO(stored), f"{entry.path.name}:{entry.id}")
    blocks: list[NDArray[np.float32]] = []
    with SoundReader(entry.path) as reader:
        for block in reader:
            blocks.append(block)
            if reader.report.samples_out > LONGEST_S * SAMPLE_RATE:
                return None
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _decode_chunk(entries: list[Entry | Missing]) -> list[Clip | Skip]:
    return [decode(entry) for entry in entries]


def decode_all(entries: Iterable[Entry | Missing], workers: int) -> Iterator[tuple[Entry | Missing, Clip | Skip]]:
    """Every entry with what became of it, in the order of the entries, only a bounded number of them in memory.

    Raises AudioError if a process dies.
    """
    if workers == 1:
        yield from ((entry, decode(entry)) for entry in entries)
        return
    waiting: deque[tuple[list[Entry | Missing], Future[list[Clip | Skip]]]] = deque()
    left = iter(entries)
    # spawn, not fork: the trainer's process has threads.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _ignore_interrupts)
    try:
        while True:
            while len(waiting) < 3 * workers and (chunk := list(islice(left, _CHUNK))):
                waiting.append((chunk, pool.submit(_decode_chunk, chunk)))
            if not waiting:
                return
            asked, future = waiting.popleft()
            yield from zip(asked, future.result(), strict=True)
    except BrokenProcessPool as error:
        raise AudioError("a decoding process was killed, perhaps for lack of memory: try fewer workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """The parent alone answers to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
