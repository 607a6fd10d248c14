"""Rows of the table, by real recognisers on a few human clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.evaluation.conditions import CLEAN
from gateway.evaluation.judges import Judges
from gateway.evaluation.scores import Key, Score, Scores, read_scores
from gateway.evaluation.speech import Clip, load_clips


@pytest.fixture(scope="module")
def clips(speech_folder: Path) -> list[Clip]:
    return load_clips(speech_folder, "cv-native", 2)


def hissing(_number: int, pcm: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(len(pcm))
    return np.asarray(pcm + 0.3 * np.std(pcm) * noise, dtype=np.float32)


def test_nats_are_by_each_whisper_and_of_the_original_too(clips: list[Clip]) -> None:
    notes: list[str] = []
    judges = Judges(clips, ("tiny.en", "moonshine"), ("nats",), None, 1, notes)
    original, noisy = judges.row("original", lambda _n, pcm: pcm, CLEAN), judges.row("hiss", hissing, CLEAN)
    assert notes == []
    assert set(noisy.dwer) == {"tiny.en", "moonshine"}
    assert set(original.measures) == set(noisy.measures) == {"nats tiny.en"}
    assert 0 < original.measures["nats tiny.en"].value < noisy.measures["nats tiny.en"].value


def test_without_a_whisper_there_are_no_nats(clips: list[Clip]) -> None:
    notes: list[str] = []
    row = Judges(clips, ("moonshine",), ("nats",), None, 1, notes).row("hiss", hissing, CLEAN)
    assert row.measures == {}
    assert notes == ["nats left out: none of the recognisers says how probable words are, as Whisper does"]


def test_what_no_clip_says_is_noted_and_absent() -> None:
    notes: list[str] = []
    too_short = [Clip("nothing", "nobody", "en", "", np.zeros(3200, np.float32))]
    row = Judges(too_short, (), ("stoi",), None, 1, notes).row("hush", lambda _n, pcm: pcm, CLEAN)
    assert row.measures == {}
    assert notes == ["hush: stoi of 1 clips could not be judged"]


def test_differences_to_an_earlier_run_are_of_rows_of_the_same_name(clips: list[Clip], tmp_path: Path) -> None:
    judges = Judges(clips, ("tiny.en",), ("stoi",), None, 1, [])
    row = judges.row("hiss", hissing, CLEAN)
    judges.scores.write(tmp_path)
    (same,) = judges.with_differences([row], read_scores(tmp_path))
    assert {figure: more.value for figure, more in same.since.items()} == dict.fromkeys(
        ("dwer tiny.en", "wer tiny.en", "stoi"), pytest.approx(0, abs=1e-5)
    )
    lower = Scores({Key("hiss", "", "stoi"): [Score(clip.id, clip.speaker, 0.0, 1.0) for clip in clips]})
    (higher,) = judges.with_differences([row], lower)
    assert higher.since == {"stoi": row.measures["stoi"]}
    (alone,) = judges.with_differences([row])
    assert alone.since == {}
