"""Reads a recording folder back, whatever happened to it: cut lines, missing files, a station that was killed.

Rule: what is wrong becomes a line in `problems`; only a folder without an index is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray, to_float
from gateway.audio.files import read_audio
from gateway.audio.wav import HEADER_BYTES, WavFormat, parse_wav_start
from gateway.errors import AudioError, RemoteProtocolError
from gateway.recording.entry import (
    INDEX_NAME,
    Event,
    NoteEntry,
    Opening,
    OverEntry,
    Side,
    number,
    pairs,
    read_line,
    runs,
    whole,
)

MAX_INDEX_BYTES = 64_000_000
OUR_FORMAT = WavFormat(SAMPLE_RATE_HZ, 1, 16, is_float=False)


@dataclass(slots=True)
class Recordings:
    """What is in a folder, in the order in which it began."""

    folder: Path
    openings: list[Opening] = field(default_factory=list)
    overs: list[OverEntry] = field(default_factory=list)
    notes: list[NoteEntry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_recordings(folder: Path) -> Recordings:
    """The index of `folder` and the one put aside before it. Raises AudioError where there is none."""
    paths = [path for name in (f"before-{INDEX_NAME}", INDEX_NAME) if (path := folder / name).is_file()]
    if not paths:
        raise AudioError(f"{folder}: no {INDEX_NAME} there: not a folder of recordings")
    found = Recordings(folder)
    overs: dict[str, OverEntry] = {}
    opening = Opening("", 0, 0.0, 0.0)
    bad = 0
    for path in paths:
        try:
            with path.open("rb") as file:
                lines = file.read(MAX_INDEX_BYTES).splitlines()
        except OSError as error:
            found.problems.append(f"{path}: cannot read: {error.strerror or error}")
            continue
        for line in lines:
            values = read_line(line)
            if values is None:
                bad += bool(line.strip())
            elif values["event"] == Event.OPENED:
                opening = _opening(values)
                found.openings.append(opening)
            else:
                _take(found, overs, opening, values)
    if bad:
        found.problems.append(f"{folder / INDEX_NAME}: {bad} lines cannot be read (cut or damaged); skipped")
    for entry in overs.values():
        if entry.path.is_file():
            found.overs.append(entry)
        else:
            found.problems.append(f"{entry.path}: missing, though the index names it")
    return found


def read_recording(path: Path) -> FloatArray:
    """The samples (n,) of a recording: all that are in the file, also where a crash left a header that tells of fewer.

    Any other sound file is read as such. Raises AudioError if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
            start = parse_wav_start(head)
            is_ours = start is not None and start.data_offset == HEADER_BYTES and start.form == OUR_FORMAT
            raw = file.read() if is_ours else b""
    except OSError as error:
        raise AudioError(f"{path}: cannot read: {error.strerror or error}") from error
    except RemoteProtocolError:
        is_ours = False  # FLAC, Ogg or no sound at all
    if is_ours:
        return to_float(np.frombuffer(raw[: len(raw) // 2 * 2], "<i2"))
    return read_audio(path)


def _opening(values: Mapping[str, Any]) -> Opening:
    station, machine = values.get("station"), values.get("machine")
    return Opening(
        station if isinstance(station, str) else "",
        whole(values.get("id")) or 0,
        number(values.get("mono_s")) or 0.0,
        number(values.get("wall_s")) or 0.0,
        machine if isinstance(machine, str) else "",
    )


def _take(found: Recordings, overs: dict[str, OverEntry], opening: Opening, values: Mapping[str, Any]) -> None:
    event, file = values["event"], values.get("file")
    at_s, wall_s = number(values.get("mono_s")), number(values.get("wall_s"))
    if event == Event.NOTE and at_s is not None and wall_s is not None and isinstance(values.get("text"), str):
        found.notes.append(NoteEntry(opening, at_s, wall_s, values["text"]))
    elif event == Event.REMOVED and isinstance(values.get("files"), list):
        for name in values["files"]:
            overs.pop(name if isinstance(name, str) else "", None)
    elif not isinstance(file, str) or Path(file).name != file:
        return
    elif event == Event.BEGIN and at_s is not None and wall_s is not None and values.get("side") in list(Side):
        overs[file] = OverEntry(
            found.folder / file,
            Side(values["side"]),
            opening,
            at_s,
            wall_s,
            over_id=whole(values.get("over_id")),
            source=opening.station_id if values["side"] == Side.SAID else whole(values.get("source")),
            key_s=number(values.get("key_s")),
        )
    elif event == Event.END and file in overs:
        entry = overs[file]
        overs[file] = replace(
            entry,
            source=entry.source if entry.side is Side.SAID else whole(values.get("source", entry.source)),
            samples=whole(values.get("samples")),
            first_frame=whole(values.get("first_frame")),
            end_frame=whole(values.get("end_frame")),
            concealed=runs(values.get("concealed")),
            absent=runs(values.get("absent")),
            pauses=pairs(values.get("pauses")),
            sequence=pairs(values.get("sequence")),
            expected=whole(values.get("expected")),
            lost=whole(values.get("lost")),
            late=whole(values.get("late")),
            snr_db=number(values.get("snr_db")),
            is_complete=True,
        )
