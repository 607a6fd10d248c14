"""What an exercise left in a folder: recordings, traces, logs, and what the people who were there wrote down.

Rule: whatever is wrong with a file becomes a line in `problems` and costs that file, never the report.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.config import ConfigPath, Name, StrictModel, load_toml
from gateway.errors import AudioError, GatewayError
from gateway.recording.entry import INDEX_NAME, NoteEntry, Opening, OverEntry, Side
from gateway.recording.reader import read_recordings

DESCRIPTION = "exercise.toml"
MAX_LOG_BYTES = 200_000
"""Of the end of each log."""


def _moment(text: str) -> str:
    moment_s(text)
    return text


def moment_s(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; one without a zone is UTC. Raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError('needs a time as "2026-05-04T09:30:00+02:00"; without a zone it is UTC') from error
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


Moment = Annotated[str, AfterValidator(_moment)]


class StationNotes(StrictModel):
    """About one station: `clock_offset_s` is added to its clock, `title` is how the report calls it."""

    title: str = ""
    note: str = ""
    clock_offset_s: float | None = Field(default=None, ge=-1e9, le=1e9)


class Remark(StrictModel):
    """Something that happened: `at` is its time by the calendar."""

    at: Moment
    text: str


class OverNotes(StrictModel):
    """An over recorded by other means: sound files and when their first samples were spoken or heard."""

    talker: Name
    listener: Name
    said: ConfigPath
    heard: ConfigPath
    said_at: Moment
    heard_at: Moment
    key_at: Moment | None = None


class ExerciseFile(StrictModel):
    """exercise.toml: all of it may be left out."""

    title: str = ""
    place: str = ""
    notes: str = ""
    language: str = "en"
    stations: dict[str, StationNotes] = Field(default_factory=dict)
    remark: tuple[Remark, ...] = ()
    over: tuple[OverNotes, ...] = ()
    transcripts: dict[str, str] = Field(default_factory=dict)
    """What was said, by the name of the sound file."""


@dataclass(slots=True)
class Exercise:
    """Everything found in a folder; times are still those of each station's own clock."""

    folder: Path
    about: ExerciseFile = field(default_factory=ExerciseFile)
    overs: list[OverEntry] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    notes: list[NoteEntry] = field(default_factory=list)
    traces: list[Path] = field(default_factory=list)
    logs: list[tuple[Path, str]] = field(default_factory=list)
    transcripts: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """As written down, or the folder's name."""
        return self.about.title or self.folder.absolute().name

    def relative(self, path: Path) -> str:
        """A path for people."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)


def read_exercise(folder: Path, leave_out: Path | None = None) -> Exercise:
    """Look through `folder` and the folders in it, but for `leave_out` (an earlier report).

    Raises GatewayError where there is no such folder, nothing of use in it, or a wrong exercise.toml.
    """
    if not folder.is_dir():
        raise GatewayError(f"{folder}: no such folder; needed: one with the recordings or traces of an exercise")
    exercise = Exercise(folder)
    if (folder / DESCRIPTION).is_file():
        exercise.about = load_toml(folder / DESCRIPTION, ExerciseFile)
    for path in sorted(folder.rglob("*")):
        if leave_out is not None and path.is_relative_to(leave_out):
            continue
        if path.name == INDEX_NAME:
            _take_recordings(exercise, path.parent)
        elif path.name.endswith((".trace", ".trace.gz")):
            exercise.traces.append(path)
        elif path.suffix == ".log" and path.is_file():
            _take_log(exercise, path)
    for over in exercise.about.over:
        exercise.overs += _foreign(exercise, over)
    if not exercise.overs and not exercise.traces:
        wrong = "".join(f"\n  {problem}" for problem in exercise.problems)
        raise GatewayError(
            f"{folder}: no recordings ({INDEX_NAME}) and no traces (*.trace) in it; stations leave them with [record] "
            f"and [trace] in their files{wrong}"
        )
    _find_transcripts(exercise)
    return exercise


def _take_recordings(exercise: Exercise, folder: Path) -> None:
    try:
        found = read_recordings(folder)
    except AudioError as error:
        exercise.problems.append(str(error))
        return
    exercise.overs += [over for over in found.overs if over.was_played]
    exercise.openings += found.openings
    exercise.notes += found.notes
    exercise.problems += found.problems


def _take_log(exercise: Exercise, path: Path) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        exercise.problems.append(f"{path}: cannot read: {error.strerror or error}")
        return
    text = data[-MAX_LOG_BYTES:].decode("utf-8", errors="replace")
    exercise.logs.append((path, ("...\n" if len(data) > MAX_LOG_BYTES else "") + text))


def _foreign(exercise: Exercise, over: OverNotes) -> list[OverEntry]:
    """Both sides of an over that no station of ours recorded; matched by being named together."""
    missing = [path for path in (over.said, over.heard) if not path.is_file()]
    exercise.problems += [f"{path}: missing, though {DESCRIPTION} names it" for path in missing]
    number = -1 - len(exercise.overs)  # an over id that no station gives
    key_s = None if over.key_at is None else moment_s(over.key_at)
    entries = []
    for path, side, station, at in (
        (over.said, Side.SAID, over.talker, moment_s(over.said_at)),
        (over.heard, Side.HEARD, over.listener, moment_s(over.heard_at)),
    ):
        opening = Opening(station, 0, 0.0, 0.0)
        entry = OverEntry(path, side, opening, at, at, over_id=number, key_s=key_s if side is Side.SAID else None)
        if path not in missing:
            entries.append(replace(entry, is_complete=True))
    return entries


def _find_transcripts(exercise: Exercise) -> None:
    """Words of what was said: beside the sound file (NAME.txt), or in exercise.toml."""
    for over in exercise.overs:
        if over.side is not Side.SAID:
            continue
        beside = over.path.with_suffix(".txt")
        given = exercise.about.transcripts.get(over.path.name) or exercise.about.transcripts.get(
            exercise.relative(over.path)
        )
        try:
            text = given if given is not None else beside.read_text(encoding="utf-8") if beside.is_file() else ""
        except (OSError, UnicodeDecodeError) as error:
            exercise.problems.append(f"{beside}: cannot read the transcript: {error}")
            continue
        if text.strip():
            exercise.transcripts[over.path] = " ".join(text.split())
    names = {over.path.name for over in exercise.overs} | {exercise.relative(over.path) for over in exercise.overs}
    for name in exercise.about.transcripts:
        if name not in names:
            exercise.problems.append(f"{DESCRIPTION}: transcripts: no recording is named {name!r}")
