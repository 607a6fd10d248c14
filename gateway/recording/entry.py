"""The index of a recording folder: one JSON line per thing that happened, and the values that they add up to.

Rule: a line stands for itself, so that a file cut anywhere loses its last line at most; unknown keys are of a later
version and ignored.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX_NAME = "index.jsonl"
VERSION = 1

Runs = tuple[tuple[int, int], ...]
"""Runs of frames: each the first index and the one after the last."""


class Side(enum.StrEnum):
    """Which way the sound of a recording went, seen from the station."""

    SAID = "said"
    HEARD = "heard"


class Event(enum.StrEnum):
    """What a line of the index tells."""

    OPENED = "opened"
    """The station started: who it is and on which machine."""
    BEGIN = "begin"
    END = "end"
    NOTE = "note"
    """A line for the operator: link lost, text message, press refused."""
    REMOVED = "removed"
    """A recording made room for newer ones."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A start of the station; `machine` is the same on one machine until it restarts, and so is its monotonic clock."""

    station: str
    station_id: int
    at_s: float
    wall_s: float
    machine: str = ""


@dataclass(frozen=True, slots=True)
class OverEntry:
    """A recording and what is known of its over.

    `start_s` is when its first sample was spoken (said) or left the station for the speaker (heard), on the monotonic
    clock, `wall_s` the same by the calendar; the delay of the sound card is in neither. `key_s` is when the key went
    down. `source` is the talker's station id. Heard: `first_frame` is the first frame (80 ms) played, `concealed` were
    guessed by the decoder, `absent` never played, `pauses` are silences (before which frame, how many samples) in which
    the speaker had to wait; `sequence` are the places (frame, first sample) at which frames do not follow each other
    without a gap, the first included; `expected`, `lost` and `late` count packets, None where not known.
    """

    path: Path
    side: Side
    opening: Opening
    start_s: float
    wall_s: float
    over_id: int | None = None
    source: int | None = None
    key_s: float | None = None
    samples: int | None = None
    first_frame: int | None = None
    end_frame: int | None = None
    concealed: Runs = ()
    absent: Runs = ()
    pauses: tuple[tuple[int, int], ...] = ()
    sequence: tuple[tuple[int, int], ...] = ()
    expected: int | None = None
    lost: int | None = None
    late: int | None = None
    snr_db: float | None = None
    is_complete: bool = False
    """Whether its end was written: False after a crash or on a full disk."""

    @property
    def number(self) -> int:
        """Counts up through a folder; part of the file's name. 0 for a file named by somebody else."""
        parts = self.path.stem.split("-")
        return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else 0

    @property
    def was_played(self) -> bool:
        """Whether there is any sound: an over that nobody could hear is kept as packets alone."""
        return not (self.is_complete and self.samples == 0)


@dataclass(frozen=True, slots=True)
class NoteEntry:
    """Something that the operator was told."""

    opening: Opening
    at_s: float
    wall_s: float
    text: str


def line_of(event: Event, **values: Any) -> bytes:
    """A line of the index; values that are None are left out."""
    known = {key: value for key, value in values.items() if value is not None}
    return json.dumps({"event": event.value, **known}, ensure_ascii=False).encode() + b"\n"


def read_line(line: bytes) -> Mapping[str, Any] | None:
    """The values of a line; None if it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


def number(value: object) -> float | None:
    """A finite number from outside, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15 or not math.isfinite(value):
        return None
    return float(value)


def whole(value: object) -> int | None:
    """A whole number from outside, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def pairs(value: object) -> tuple[tuple[int, int], ...]:
    """Pairs of whole numbers from 0 on, from outside; what is none is left out."""
    if not isinstance(value, list):
        return ()
    found = ((whole(pair[0]), whole(pair[1])) for pair in value if isinstance(pair, list) and len(pair) == 2)
    return tuple((a, b) for a, b in found if a is not None and b is not None and a >= 0 and b >= 0)


def runs(value: object) -> Runs:
    """Runs from outside; what is no run is left out."""
    return tuple((begin, end) for begin, end in pairs(value) if begin < end)
