"""`prepare`: speech folders of any known layout into one prepared folder (data.py), decoded by several processes.

Rule: the same folders give the same bytes whatever the number of workers, and the index appears last, under its name
only when all is written: a prepared folder is whole or not there.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gateway.audio.files import read_audio
from gateway.errors import AudioError, ConfigError
from gateway.trainer.data import AUDIO_FILE, INDEX_FILE, NOISE_FILE, SAMPLE_RATE, Utterance
from gateway.trainer.decoding import Skip, decode_all
from gateway.trainer.layouts import SOUND_SUFFIXES, Entry, Layout, Missing, detect, is_sound, read_layout, walk

REPORT_FILE = "prepared.json"
_FORMAT = 1
_FEW = 64
"""Fewer sounds than this are decoded here: starting processes would take longer."""
_EXAMPLES, _LANGUAGES = 20, 8
"""Skipped clips told one by one, and languages; the report file holds all languages."""


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """How to read: `layout` (None: found out folder by folder), `dev_share` of talkers where a layout has no split of
    its own, `workers` processes (0: one for each core)."""

    layout: Layout | None = None
    dev_share: float = 0.02
    workers: int = 0
    noise: Path | None = None


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What is in a prepared folder: `parts` are rows of (source, split, language, clips, hours)."""

    parts: tuple[tuple[str, str, str, int, float], ...]
    genders: dict[str, float]
    """Hours by what the sources say."""
    skipped: dict[str, int]
    examples: tuple[str, ...]
    noise_s: float = 0.0
    up_to_date: bool = False

    def lines(self) -> list[str]:
        """The report for people."""
        hours = {s: sum(p[4] for p in self.parts if p[1] == s) for s in ("train", "dev")}
        clips = sum(p[3] for p in self.parts)
        lines = [f"{clips} clips; train {hours['train']:.2f} h, dev {hours['dev']:.2f} h"]
        for source in dict.fromkeys(p[0] for p in self.parts):
            mine = [p for p in self.parts if p[0] == source]
            by = {s: sum(p[4] for p in mine if p[1] == s) for s in ("train", "dev")}
            count = sum(p[3] for p in mine)
            lines.append(f"  {source:<28} {count:>8} clips   train {by['train']:8.2f} h   dev {by['dev']:6.2f} h")
        spoken = {lang: sum(p[4] for p in self.parts if p[2] == lang) for lang in {p[2] for p in self.parts}}
        most_first = sorted(spoken, key=lambda lang: (-spoken[lang], lang))
        rest = sum(spoken[lang] for lang in most_first[_LANGUAGES:])
        shown = [f"{lang} {spoken[lang]:.2f} h" for lang in most_first[:_LANGUAGES]]
        shown += [f"{len(most_first) - _LANGUAGES} more {rest:.2f} h"] if len(most_first) > _LANGUAGES else []
        lines.append("languages: " + ", ".join(shown))
        if self.noise_s:
            lines.append(f"noise {self.noise_s:.0f} s")
        lines += [f"skipped {count}: {reason}" for reason, count in self.skipped.items()]
        lines += [f"  {example}" for example in self.examples]
        if not hours["dev"]:
            lines.append("no dev clips: add speech that has some (see --dev-share) before judging a run on this data")
        return lines


def prepare(speech: Path | Sequence[Path], out: Path, options: PrepareOptions | None = None) -> PrepareReport:
    """Decode every clip of the `speech` folders into `out`; does nothing where `out` already holds just that.

    Raises ConfigError for a folder that is not there or holds nothing readable, AudioError where `out` is not writable.
    """
    options = options or PrepareOptions()
    folders = [speech] if isinstance(speech, Path) else list(speech)
    found_layouts = [detect(folder) for folder in folders]
    layouts = found_layouts if options.layout is None else [options.layout] * len(folders)
    speech_print, sounds = _fingerprint(folders, [_FORMAT, options.dev_share, *layouts])
    noise_print = _fingerprint([options.noise], [_FORMAT])[0] if options.noise is not None else None
    before = _read_before(out)
    same_speech = before is not None and before.speech == speech_print
    same_noise = noise_print is None or (before is not None and before.noise == noise_print)
    if before is not None and same_speech and same_noise:
        return replace(before.report, up_to_date=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _Parts(out) as parts:
            noise_s = before.report.noise_s if before is not None else 0.0
            if options.noise is not None:
                noise_s = _write_noise(options.noise, parts.open(NOISE_FILE)) / SAMPLE_RATE
            if before is not None and same_speech:
                report = replace(before.report, noise_s=noise_s)
            else:
                found = (
                    clip
                    for folder, layout in zip(folders, layouts, strict=True)
                    for clip in read_layout(folder, layout, options.dev_share)
                )
                report = replace(_write_speech(_progress(found, sounds), sounds, parts, options), noise_s=noise_s)
            if not report.parts:
                why = "; ".join([*(f"{n} {reason}" for reason, n in report.skipped.items()), *report.examples[:1]])
                raise ConfigError(f"{', '.join(map(str, folders))}: no sound could be read ({why})")
            noise_print = noise_print or (before.noise if before is not None else None)
            saved = {"speech": speech_print, "noise": noise_print, "report": asdict(report)}
            parts.open(REPORT_FILE).write((json.dumps(saved, indent=1, ensure_ascii=False) + "\n").encode())
            parts.finish()
    except OSError as error:
        raise AudioError(f"{error.filename or out}: {error.strerror or error}") from error
    return report


def prepare_noise(folder: Path, out: Path) -> int:
    """Concatenate every noise recording below `folder`, each at -26 dBFS, into `out`/noise.i16; returns samples."""
    out.mkdir(parents=True, exist_ok=True)
    with _Parts(out) as parts:
        total = _write_noise(folder, parts.open(NOISE_FILE))
        parts.finish()
    return total


class _Parts:
    """Files of a prepared folder under other names until `finish`; without it nothing of them stays."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._files: dict[str, io.BufferedWriter] = {}

    def __enter__(self) -> _Parts:
        for left in self._out.glob(".*.part"):  # of a call that was killed
            left.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        for name, file in self._files.items():
            file.close()
            self._path(name).unlink(missing_ok=True)

    def open(self, name: str) -> io.BufferedWriter:
        self._files[name] = self._path(name).open("wb")
        return self._files[name]

    def finish(self) -> None:
        """Give the files their names, the index last; while they differ there is no index, so no prepared folder."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        if INDEX_FILE in self._files:
            (self._out / INDEX_FILE).unlink(missing_ok=True)
        for name in sorted(self._files, key=lambda n: n == INDEX_FILE):
            self._path(name).replace(self._out / name)

    def _path(self, name: str) -> Path:
        return self._out / f".{name}.part"


def _write_speech(
    entries: Iterable[Entry | Missing], sounds: int, parts: _Parts, options: PrepareOptions
) -> PrepareReport:
    audio, lines = parts.open(AUDIO_FILE), parts.open(INDEX_FILE)
    clips: Counter[tuple[str, str, str]] = Counter()
    samples: Counter[tuple[str, str, str]] = Counter()
    genders: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    examples: list[str] = []
    offset = 0
    workers = (options.workers or os.cpu_count() or 1) if sounds >= _FEW or options.workers else 1
    for entry, got in decode_all(entries, workers):
        if isinstance(got, Skip):
            skipped[got.reason] += 1
            if got.detail and len(examples) < _EXAMPLES:
                examples.append(got.detail)
            continue
        assert isinstance(entry, Entry)
        audio.write(got.samples.tobytes())
        own = {name: getattr(entry, name) for name in ("id", "source", "speaker", "lang", "split", "text")}
        utterance = Utterance(offset=offset, samples=len(got.samples), level_db=got.level_db, **own)
        # "replace": file names need not be UTF-8, the index is.
        lines.write((json.dumps(asdict(utterance), ensure_ascii=False) + "\n").encode("utf-8", "replace"))
        offset += len(got.samples)
        key = (entry.source, entry.split, entry.lang)
        clips[key] += 1
        samples[key] += len(got.samples)
        genders[entry.gender or "not said"] += len(got.samples)
    return PrepareReport(
        tuple((*key, count, samples[key] / SAMPLE_RATE / 3600) for key, count in sorted(clips.items())),
        {gender: count / SAMPLE_RATE / 3600 for gender, count in sorted(genders.items())},
        dict(skipped.most_common()),
        tuple(examples),
    )


def _fingerprint(folders: Sequence[Path], settings: Sequence[object]) -> tuple[str, int]:
    """A digest of settings and of the names, sizes and times of all that is read, and the number of sound files."""
    digest = hashlib.sha256(repr(settings).encode())
    sounds = 0
    for folder in folders:
        digest.update(f"\n{folder.resolve().name}\n".encode())
        for where, names in walk(folder):
            for name in names:
                if is_sound(name) or name.endswith((".txt", ".tsv", ".tar")):
                    status = (where / name).lstat()  # a dangling link is for the decoder to report
                    line = f"{(where / name).relative_to(folder)}\t{status.st_size}\t{status.st_mtime_ns}\n"
                    digest.update(line.encode("utf-8", "surrogateescape"))
                    sounds += is_sound(name)
        if (folder / "manifest.tsv").is_file():
            with (folder / "manifest.tsv").open("rb") as file:
                sounds += sum(1 for _ in file) - 1
    return digest.hexdigest(), sounds


@dataclass(frozen=True, slots=True)
class _Before:
    """What an earlier call left in the prepared folder, and from which inputs."""

    speech: str
    noise: str | None
    report: PrepareReport


def _read_before(out: Path) -> _Before | None:
    if not ((out / INDEX_FILE).is_file() and (out / AUDIO_FILE).is_file()):
        return None
    try:
        saved: dict[str, Any] = json.loads((out / REPORT_FILE).read_text(encoding="utf-8"))
        report = saved["report"]
        report["parts"] = tuple(tuple(part) for part in report["parts"])
        noise = saved["noise"] if (out / NOISE_FILE).is_file() else None
        return _Before(saved["speech"], noise, PrepareReport(**{**report, "examples": tuple(report["examples"])}))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # prepared by an earlier version, or by nobody


def _write_noise(folder: Path, file: io.BufferedWriter) -> int:
    paths = [where / name for where, names in walk(folder) for name in names if is_sound(name)]
    if not paths:
        raise ConfigError(f"{folder}: no sound files ({' '.join(sorted(SOUND_SUFFIXES))}) below it")
    total = 0
    for path in sorted(paths):
        pcm = read_audio(path)
        rms = float(np.sqrt(np.mean(pcm**2)) + 1e-9) if len(pcm) else 1.0
        scaled = np.clip(pcm * (0.05 / rms), -1, 1)
        file.write(np.round(scaled * 32767).astype("<i2").tobytes())
        total += len(scaled)
    return total


def _progress(entries: Iterator[Entry | Missing], total: int) -> Iterable[Entry | Missing]:
    """A bar on a terminal; progress is a comfort, so its library may be absent."""
    try:
        from tqdm import tqdm
    except ImportError:
        return entries
    bar: Iterable[Entry | Missing] = tqdm(entries, total=total, unit="clip", desc="prepare", disable=None)
    return bar
