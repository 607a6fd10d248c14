"""`clarilink field-report`: a folder in, a page with its pictures and figures out.

Rule: files are written beside each other and the page last, so that a page never names what is not there.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray
from gateway.errors import GatewayError
from gateway.evaluation.asr import Recogniser
from gateway.field_report import charts
from gateway.field_report.analyse import Sounds, analyse
from gateway.field_report.exercise import read_exercise
from gateway.field_report.page import render
from gateway.field_report.results import OverResult, Results
from gateway.field_report.spectrograms import spectrograms

PAGE = "report.html"
EMBED_BYTES = 25_000_000
"""FLAC of speech is some 15 kB a second: half an hour fits into the page, more lies beside it."""

COLUMNS = (
    *("over", "talker", "listener", "at_s", "said_s", "heard_s", "delivered", "guessed", "absent", "waited_s"),
    *("packets", "packets_lost", "packets_late", "snr_db", "mouth_to_ear_ms", "similarity"),
    *("key_to_first_sound_s", "key_to_first_speech_s", "key_to_said_s", "words", "words_wrong", "stoi", "remarks"),
)


@dataclass(frozen=True, slots=True)
class Made:
    """What was written."""

    page: Path
    results: Results
    pictures: Sequence[Path]
    is_whole: bool
    """Whether the sound is in the page itself."""


def make_report(
    folder: Path,
    out: Path | None = None,
    *,
    asr: str = "base",
    most_overs: int = 60,
    threads: int = 2,
    tell: Callable[[str], None] = lambda _line: None,
    listener: Recogniser | None = None,
) -> Made:
    """Report on the exercise in `folder` into `out` (default: its folder `report`), which may hold an earlier one.

    Raises GatewayError where there is nothing to report on or nowhere to write.
    """
    target = folder / "report" if out is None else out
    exercise = read_exercise(folder, leave_out=target)
    results, sounds = analyse(exercise, asr=asr, threads=threads, tell=tell, listener=listener)
    tell("drawing")
    shown = choose(results.overs, most_overs)
    drawn = [picture for chart in (charts.timeline, *charts.CHARTS) if (picture := chart(results)) is not None]
    spectra = {}
    for over in shown:
        pair = _sounds_of(over, sounds)
        if pair is not None:
            spectra[over.number] = spectrograms(over, *pair)
    try:
        target.mkdir(parents=True, exist_ok=True)
        players, is_whole = _players(shown, sounds, target)
        written = []
        for picture in [*drawn, *spectra.values()]:
            written.append(target / f"{picture.name}.png")
            written[-1].write_bytes(picture.png)
        _write_table(target / "overs.csv", results)
        page = render(exercise, results, drawn, spectra, players, len(results.overs) - len(shown))
        temporary = target / f".{PAGE}.part"
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(target / PAGE)
    except OSError as error:
        raise GatewayError(f"{target}: cannot write the report: {error.strerror or error}") from error
    return Made(target / PAGE, results, written, is_whole)


def choose(overs: Sequence[OverResult], most: int) -> list[OverResult]:
    """At most `most` overs, in their order: those that lost most."""

    def kept(over: OverResult) -> float:
        words = None if over.score is None else over.score.word_error
        share = 1.0 if over.delivered is None else over.delivered.delivered
        return share - (words or 0.0)

    return sorted(sorted(overs, key=kept)[:most], key=lambda over: over.number)


def _sounds_of(over: OverResult, sounds: Sounds) -> tuple[FloatArray, FloatArray] | None:
    if over.said_path is None or over.heard_path is None:
        return None
    said, heard = sounds.get(over.said_path), sounds.get(over.heard_path)
    return None if said is None or heard is None else (said, heard)


def _players(overs: Sequence[OverResult], sounds: Sounds, target: Path) -> tuple[dict[tuple[int, str], str], bool]:
    """Addresses of the sounds of overs: in the page while there is room, else files beside it."""
    coded: dict[Path, bytes] = {}
    wanted: dict[tuple[int, str], Path] = {}
    for over in overs:
        for side, path in (("said", over.said_path), ("heard", over.heard_path)):
            pcm = None if path is None else sounds.get(path)
            if path is not None and pcm is not None:
                wanted[over.number, side] = path
                if path not in coded:
                    coded[path] = _flac(pcm)
    is_whole = sum(map(len, coded.values())) <= EMBED_BYTES
    if is_whole:
        addresses = {path: "data:audio/flac;base64," + base64.b64encode(data).decode() for path, data in coded.items()}
    else:
        addresses = {}
        (target / "sound").mkdir(exist_ok=True)
        for number, (path, data) in enumerate(coded.items(), 1):
            name = f"sound/{number:04d}.flac"
            (target / name).write_bytes(data)
            addresses[path] = name
    return {key: addresses[path] for key, path in wanted.items()}, is_whole


def _flac(pcm: FloatArray) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, pcm, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def _write_table(path: Path, results: Results) -> None:
    """The table of overs for spreadsheets; empty where not known."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for over in results.overs:
            part, score = over.delivered, over.score
            values = [
                over.number,
                over.talker,
                over.listener,
                over.start_s - results.start_s,
                over.said_s,
                over.heard_s,
                *((None,) * 3 if part is None else (part.delivered, part.concealed, part.absent)),
                over.paused_s,
                over.packets,
                over.packets_lost,
                over.packets_late,
                over.snr_db,
                None if over.mouth_to_ear_s is None else 1000 * over.mouth_to_ear_s,
                over.similarity,
                over.first_sound_s,
                over.first_speech_s,
                over.pause_s,
                *((None,) * 3 if score is None else (score.words, score.wrong, score.stoi)),
                "; ".join(over.why),
            ]
            writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in values])
