"""`clarilink evaluate`: one table of systems on the same clips in one run.

Rule: every figure of a row comes from the same decoded audio, against the clean original.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.audio.files import write_wav
from gateway.errors import EvaluationError
from gateway.evaluation.asr import RECOGNISERS, Recogniser, hears, load_recogniser
from gateway.evaluation.cache import RememberingRecogniser
from gateway.evaluation.conditions import CLEAN, Condition, band, made_up_noise, noise, noise_recordings, reverb
from gateway.evaluation.pictures import draw
from gateway.evaluation.quality import MEASURES, align, measure
from gateway.evaluation.report import EvaluationReport, Interval, Row, interval, write_report
from gateway.evaluation.speech import Clip, load_clips, speech_folder
from gateway.evaluation.systems import (
    ORIGINAL,
    OURS,
    SEARCHED,
    System,
    bits_a_second,
    build_damaged,
    build_protected,
    build_systems,
)
from gateway.evaluation.wer import UNSPACED, normalise, primary_language, word_errors
from gateway.tools.bench import run_bench

SAMPLE_RATE = 16_000

T = TypeVar("T")
Pcm = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to compare on what.

    `channels` are names or files of channels that ours is sent through at 300 bit/s, `bit_errors` shares of bits
    flipped in it, `protected` pairs of a channel and a protection; all with clean input, and with
    the encoder's search where `search`. `noise_db`, `reverb_s` and
    `bands` are conditions of the input that all `systems` are given besides the clean one. `noise` is a folder of
    recordings, by default the one beside the speech.
    """

    speech: Path | None = None
    subset: str = "cv-native"
    clips: int = 100
    seed: int = 1
    systems: tuple[str, ...] = (
        "original",
        "8khz",
        "codec2-3200",
        "codec2-1300",
        "codec2-700C",
        "ours-300",
        "ours-300-search",
        "ours-150",
    )
    channels: tuple[str, ...] = ()
    bit_errors: tuple[float, ...] = ()
    search: bool = False
    protected: tuple[tuple[str, str], ...] = ()
    noise_db: tuple[float, ...] = ()
    reverb_s: tuple[float, ...] = ()
    bands: tuple[str, ...] = ()
    noise: Path | None = None
    asr: tuple[str, ...] = RECOGNISERS
    measures: tuple[str, ...] = MEASURES
    speed: bool = True
    weights: Path | None = None
    out: Path | None = None
    threads: int = 2


def run_evaluation(options: EvaluateOptions) -> EvaluationReport:
    """Decode, recognise, score; progress on standard error, files under `options.out` if given.

    What was recognised is remembered there too, so that a second run hears only what changed.
    """
    folder = speech_folder(options.speech)
    notes: list[str] = []
    unknown: set[str] = set()

    def known(lang: str) -> bool:
        if options.asr and not any(hears(name, lang) for name in options.asr):
            unknown.add(lang)
        return lang not in unknown

    clips = load_clips(folder, options.subset, options.clips, options.seed, known)
    if unknown:
        notes.append(f"clips in {', '.join(sorted(unknown))} left out: no recogniser asked for knows the language")
    systems = build_systems(options.systems, options.weights, notes)
    damaged = build_damaged(options.channels, options.bit_errors, options.weights, options.search)
    damaged |= build_protected(options.protected, options.weights, options.search)
    judges = _Judges(options, clips, notes)
    rows = [judges.row(name, system, CLEAN) for name, system in chain(systems.items(), damaged.items())]
    for condition in _conditions(options, folder, notes):
        # No codec is asked to do better than the telephone band under a condition: that row would say little.
        rows += [judges.row(name, system, condition) for name, system in systems.items() if name != "8khz"]
    report = EvaluationReport(
        options.subset,
        len(clips),
        len({clip.speaker for clip in clips}),
        round(sum(len(clip.pcm) for clip in clips) / SAMPLE_RATE, 1),
        tuple(judges.with_differences(rows)),
        run_bench(options.weights, repeats=1).as_dict() if options.speed else {},
        tuple(notes),
    )
    if options.out is not None:
        write_report(options.out, report)
        draw(options.out, report)
    return report


def _conditions(options: EvaluateOptions, speech: Path, notes: list[str]) -> list[Condition]:
    conditions = [*map(band, options.bands), *map(reverb, options.reverb_s)]
    if options.noise_db:
        beside = speech.parent / "noise"
        if options.noise is None and not (beside / "manifest.tsv").is_file():
            notes.append(f"noise is made up (wind, hiss, engines): there are no recordings in {beside}")
            recordings = made_up_noise()
        else:
            recordings = noise_recordings(options.noise or beside)
        conditions += [noise(snr, recordings) for snr in options.noise_db]
    return conditions


class _Judges:
    """Recognisers and measures over one set of clips."""

    def __init__(self, options: EvaluateOptions, clips: list[Clip], notes: list[str]) -> None:
        self._out, self._clips, self._notes = options.out, clips, notes
        self._speakers = [clip.speaker for clip in clips]
        self._measures = {}
        for name in options.measures:
            try:
                self._measures[name] = measure(name)
            except EvaluationError as error:
                notes.append(f"{name} left out: {error}")
        languages = {clip.lang for clip in clips}
        by_letter = sorted(lang for lang in languages if primary_language(lang) in UNSPACED)
        if by_letter and options.asr:
            notes.append(f"errors in {', '.join(by_letter)} are counted by characters")
        self._recognisers: list[Recogniser] = []
        for name in options.asr:
            unknown = sorted(lang for lang in languages if not hears(name, lang))
            if unknown:
                notes.append(f"{name} left out: it does not know {', '.join(unknown)}")
            elif options.out is None:
                self._recognisers.append(load_recogniser(name, options.threads))
            else:
                self._recognisers.append(RememberingRecogniser(name, options.out, options.threads))
        self._references = {r.name: self._recognise(r, [c.pcm for c in clips], "original") for r in self._recognisers}
        self._transcripts = [normalise(clip.text, clip.lang) for clip in clips]
        self._errors: dict[tuple[str, str, str], NDArray[np.float64]] = {}

    def _recognise(self, recogniser: Recogniser, sounds: list[Pcm], what: str) -> list[str]:
        pairs = list(zip(self._clips, sounds, strict=True))
        return [
            normalise(recogniser.transcribe(pcm, clip.lang), clip.lang)
            for clip, pcm in _progress(pairs, f"{what}, {recogniser.name}")
        ]

    def row(self, name: str, system: System, condition: Condition) -> Row:
        """Every figure of one system under one condition."""
        label = f"{name}, {condition.name}" if condition.name else name
        untouched = name == ORIGINAL and condition is CLEAN
        numbered = list(enumerate(self._clips))
        decoded = [system(i, condition.spoil(i, clip.pcm)) for i, clip in _progress(numbered, label)]
        if self._out is not None:
            _write_audio(self._out / "audio" / label.replace("/", "_"), self._clips, decoded)
        dwer, wer = {}, {}
        for recogniser in self._recognisers:
            reference = self._references[recogniser.name]
            heard = reference if untouched else self._recognise(recogniser, decoded, label)
            if not untouched:
                errors = self._errors[name, condition.name, recogniser.name] = _errors(reference, heard)
                dwer[recogniser.name] = interval(self._speakers, errors, _words(reference))
            if any(self._transcripts):
                wer[recogniser.name] = interval(
                    self._speakers, _errors(self._transcripts, heard), _words(self._transcripts)
                )
        # Of the original against itself only the measure that needs no original says anything.
        named = {n: m for n, m in self._measures.items() if not untouched or n == "dnsmos"}
        measures = {}
        pairs = [align(clip.pcm, pcm) for clip, pcm in zip(self._clips, decoded, strict=True)] if named else []
        for figure, judge in named.items():
            scores = [judge(original, heard) for original, heard in _progress(pairs, f"{label}, {figure}")]
            measures.update(self._mean(figure, label, scores))
        return Row(name, condition.name, bits_a_second(name), dwer, wer, measures)

    def _mean(self, figure: str, label: str, scores: list[float | None]) -> dict[str, Interval]:
        judged = [(speaker, score) for speaker, score in zip(self._speakers, scores, strict=True) if score is not None]
        if len(judged) < len(scores):
            self._notes.append(f"{label}: {figure} of {len(scores) - len(judged)} clips could not be judged")
        if not judged:
            return {}
        values = np.array([score for _, score in judged])
        return {figure: interval([speaker for speaker, _ in judged], values, np.ones(len(values)))}

    def with_differences(self, rows: list[Row]) -> Iterator[Row]:
        """Rows with how many more words they lose than ours at 300 bit/s, not searched and searched, under the same
        condition."""
        for row in rows:
            behind = {ours: self._behind(row, ours) for ours in (OURS, SEARCHED) if ours != row.system}
            yield replace(row, behind={ours: figures for ours, figures in behind.items() if figures})

    def _behind(self, row: Row, ours: str) -> dict[str, Interval]:
        """Words that a row loses more than system `ours`, by recogniser; of those that heard both."""
        found = {}
        for name, reference in self._references.items():
            mine = self._errors.get((row.system, row.condition, name))
            theirs = self._errors.get((ours, row.condition, name))
            if mine is not None and theirs is not None:
                found[name] = interval(self._speakers, mine - theirs, _words(reference))
        return found


def _errors(reference: list[str], heard: list[str]) -> NDArray[np.float64]:
    return np.array([word_errors(r, h) for r, h in zip(reference, heard, strict=True)], dtype=np.float64)


def _words(reference: list[str]) -> NDArray[np.float64]:
    return np.array([len(r.split()) for r in reference], dtype=np.float64)


def _progress(items: list[T], what: str) -> Iterator[T]:
    for i, item in enumerate(items, 1):
        if sys.stderr.isatty() or i == len(items):
            sys.stderr.write(f"\r{what}: {i}/{len(items)}" + ("\n" if i == len(items) else ""))
            sys.stderr.flush()
        yield item


def _write_audio(folder: Path, clips: list[Clip], decoded: list[Pcm]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for clip, pcm in zip(clips, decoded, strict=True):
        write_wav(folder / f"{clip.id.replace('/', '_')}.wav", [pcm])
