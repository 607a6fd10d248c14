"""Recognisers and measures over one set of clips: what they make of a system's sound is a row of the table.

Rule: every figure of a row comes from the same decoded audio, against the clean original.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.audio.files import write_wav
from gateway.errors import EvaluationError
from gateway.evaluation.asr import Recogniser, hears, load_recogniser
from gateway.evaluation.cache import RememberingRecogniser
from gateway.evaluation.conditions import CLEAN, Condition
from gateway.evaluation.nats import Nats, judges
from gateway.evaluation.quality import MEASURES, NATS, align, measure
from gateway.evaluation.report import Interval, Row
from gateway.evaluation.scores import Key, Score, Scores
from gateway.evaluation.speech import Clip
from gateway.evaluation.systems import ORIGINAL, OURS, SEARCHED, System, bits_a_second
from gateway.evaluation.wer import UNSPACED, normalise, primary_language, word_errors

T = TypeVar("T")
Pcm = NDArray[np.float32]


class Judges:
    """Of `clips`: recognisers `asr` and `measures`, by name. Measures that are not installed are noted and left out;
    raises EvaluationError for names that are not known, and for recognisers that are not installed.

    With `out` they remember there what they heard, and keep the decoded audio. `scores` has every figure by clip.
    """

    def __init__(
        self,
        clips: list[Clip],
        asr: tuple[str, ...],
        measures: tuple[str, ...],
        out: Path | None,
        threads: int,
        notes: list[str],
    ) -> None:
        self.scores = Scores()
        self._clips, self._out, self._notes = clips, out, notes
        self._measures = {}
        for name in measures:
            try:
                if name != NATS:
                    self._measures[name] = measure(name)
            except EvaluationError as error:
                if name not in MEASURES:
                    raise
                notes.append(f"{name} left out: {error}")
        languages = {clip.lang for clip in clips}
        by_letter = sorted(lang for lang in languages if primary_language(lang) in UNSPACED)
        if by_letter and asr:
            notes.append(f"errors in {', '.join(by_letter)} are counted by characters")
        self._recognisers: list[Recogniser] = []
        for name in asr:
            unknown = sorted(lang for lang in languages if not hears(name, lang))
            if unknown:
                notes.append(f"{name} left out: it does not know {', '.join(unknown)}")
            elif out is None:
                self._recognisers.append(load_recogniser(name, threads))
            else:
                self._recognisers.append(RememberingRecogniser(name, out, threads))
        able = [r.name for r in self._recognisers if judges(r.name)]
        self._nats = [Nats(name, threads) for name in able] if NATS in measures else []
        if NATS in measures and not able:
            notes.append(f"{NATS} left out: none of the recognisers says how probable words are, as Whisper does")
        self._references = {r.name: self._recognise(r, [c.pcm for c in clips], ORIGINAL) for r in self._recognisers}
        self._transcripts = [normalise(clip.text, clip.lang) for clip in clips]

    def row(self, name: str, system: System, condition: Condition) -> Row:
        """Every figure of one system under one condition."""
        label = f"{name}, {condition.name}" if condition.name else name
        untouched = name == ORIGINAL and condition is CLEAN
        numbered = list(enumerate(self._clips))
        decoded = [system(i, condition.spoil(i, clip.pcm)) for i, clip in _progress(numbered, label)]
        if self._out is not None:
            _write_audio(self._out / "audio" / label.replace("/", "_"), self._clips, decoded)
        dwer: dict[str, Interval] = {}
        wer: dict[str, Interval] = {}
        measures: dict[str, Interval] = {}
        for recogniser in self._recognisers:
            by = recogniser.name
            reference = self._references[by]
            heard = reference if untouched else self._recognise(recogniser, decoded, label)
            if not untouched:
                dwer[by] = self._words(Key(name, condition.name, f"dwer {by}"), reference, heard)
            if any(self._transcripts):
                wer[by] = self._words(Key(name, condition.name, f"wer {by}"), self._transcripts, heard)
        for nats in self._nats:
            figure = f"{NATS} {nats.name}"
            pairs = list(zip(self._clips, decoded, strict=True))
            judged = [
                (clip, *nats(clip.id, clip.pcm, pcm, clip.lang)) for clip, pcm in _progress(pairs, f"{label}, {figure}")
            ]
            scores = [Score(clip.id, clip.speaker, amount, tokens) for clip, amount, tokens in judged if tokens]
            measures |= self._kept(Key(name, condition.name, figure), scores, len(judged))
        # Of the original against itself only the measure that needs no original says anything.
        named = {n: m for n, m in self._measures.items() if not untouched or n == "dnsmos"}
        aligned = [align(clip.pcm, pcm) for clip, pcm in zip(self._clips, decoded, strict=True)] if named else []
        for figure, judge in named.items():
            values = [judge(original, heard) for original, heard in _progress(aligned, f"{label}, {figure}")]
            found = [
                Score(clip.id, clip.speaker, value, 1.0)
                for clip, value in zip(self._clips, values, strict=True)
                if value is not None
            ]
            measures |= self._kept(Key(name, condition.name, figure), found, len(values))
        return Row(name, condition.name, bits_a_second(name), dwer, wer, measures)

    def with_differences(self, rows: list[Row], earlier: Scores | None = None) -> Iterator[Row]:
        """Rows with how many more words they lose than ours at 300 bit/s, not searched and searched, under the same
        condition, and with how much more all their figures are than those of the same row in an `earlier` run."""
        for row in rows:
            behind = {ours: self._behind(row, ours) for ours in (OURS, SEARCHED) if ours != row.system}
            since = {} if earlier is None else self._since(row, earlier)
            yield replace(row, behind={ours: figures for ours, figures in behind.items() if figures}, since=since)

    def _behind(self, row: Row, ours: str) -> dict[str, Interval]:
        """Words that a row loses more than system `ours`, by recogniser; of those that heard both."""
        found = {}
        for by in self._references:
            figure = f"dwer {by}"
            more = self.scores.less(Key(row.system, row.condition, figure), Key(ours, row.condition, figure))
            if more is not None:
                found[by] = more
        return found

    def _since(self, row: Row, earlier: Scores) -> dict[str, Interval]:
        words = [*(f"dwer {by}" for by in row.dwer), *(f"wer {by}" for by in row.wer)]
        keys = [Key(row.system, row.condition, figure) for figure in (*words, *row.measures)]
        found = {key.figure: self.scores.less(key, key, earlier) for key in keys}
        return {figure: more for figure, more in found.items() if more is not None}

    def _recognise(self, recogniser: Recogniser, sounds: list[Pcm], what: str) -> list[str]:
        pairs = list(zip(self._clips, sounds, strict=True))
        return [
            normalise(recogniser.transcribe(pcm, clip.lang), clip.lang)
            for clip, pcm in _progress(pairs, f"{what}, {recogniser.name}")
        ]

    def _words(self, key: Key, reference: list[str], heard: list[str]) -> Interval:
        texts = zip(self._clips, reference, heard, strict=True)
        return self.scores.add(
            key, [Score(clip.id, clip.speaker, word_errors(r, h), len(r.split())) for clip, r, h in texts]
        )

    def _kept(self, key: Key, scores: Sequence[Score], asked: int) -> dict[str, Interval]:
        """The figure by its name, if any of the `asked` clips could be judged."""
        if len(scores) < asked:
            label = f"{key.system}, {key.condition}" if key.condition else key.system
            self._notes.append(f"{label}: {key.figure} of {asked - len(scores)} clips could not be judged")
        return {key.figure: self.scores.add(key, scores)} if scores else {}


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
