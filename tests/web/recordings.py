"""Recordings for tests, made by the recorder itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gateway.clock import ManualClock
from gateway.config import RecordSection
from gateway.recording.recorder import open_recorder


def record_over(folder: Path, duration_s: float) -> None:
    """An over of this station, a tone, in `folder`."""
    recorder = open_recorder(RecordSection(folder=folder), "Boreas", 1, ManualClock(), print)
    recorder.said_begins(5)
    t = np.arange(int(16_000 * duration_s)) / 16_000
    recorder.said((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32))
    recorder.said_ends()
    recorder.close()
