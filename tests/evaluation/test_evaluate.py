"""The table: alignment, intervals, notes, and a real run on a few human clips."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.evaluation import cache, codec2
from gateway.evaluation.asr import EvaluationError
from gateway.evaluation.evaluate import EvaluateOptions, align, lag_samples, run_evaluation, table
from gateway.evaluation.speech import load_clips
from gateway.evaluation.speech import speech_folder as find_speech_folder


@pytest.mark.parametrize("shift", [-900, -1, 0, 240, 1500])
def test_alignment_finds_the_lag(shift: int) -> None:
    rng = np.random.default_rng(0)
    envelope = np.repeat(rng.random(40), 800)
    original = (rng.standard_normal(len(envelope)) * envelope).astype(np.float32)
    decoded = np.roll(original, shift)
    assert abs(lag_samples(original, decoded) - shift) <= 40
    a, b = align(original, decoded)
    assert len(a) == len(b) >= len(original) - abs(shift) - 40


def test_clips_are_chosen_repeatably_and_spread_over_speakers(speech_folder: Path) -> None:
    first, again = (load_clips(speech_folder, "cv-native", 12) for _ in range(2))
    assert [c.id for c in first] == [c.id for c in again]
    assert len({c.speaker for c in first}) >= 10
    assert all(len(c.pcm) > 16_000 and c.text for c in first)


@pytest.mark.skipif(not codec2.available(), reason="c2enc and c2dec are not installed (Debian package codec2)")
def test_a_small_table(speech_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = EvaluateOptions(
        speech=speech_folder, clips=3, systems=("original", "codec2-3200"), asr=("tiny.en",), out=tmp_path, threads=1
    )
    report = run_evaluation(options)
    original, classic = report.rows
    assert original.stoi is None
    assert not original.dwer
    assert classic.stoi is not None
    assert 0.4 < classic.stoi.low <= classic.stoi.value <= classic.stoi.high < 0.95
    interval = classic.dwer["tiny.en"]
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert json.loads((tmp_path / "report.json").read_text())["clips"] == 3
    assert len(list((tmp_path / "audio" / "codec2-3200").glob("*.wav"))) == 3
    assert "codec2-3200" in table(report)
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows] == ["original", "codec2-3200"]
    assert rows[0]["dwer_tiny.en"] == ""
    assert float(rows[1]["dwer_tiny.en_high"]) == pytest.approx(interval.high, abs=1e-4)

    # What was recognised is remembered: the second run needs no recogniser at all.
    monkeypatch.setattr(cache, "Recogniser", None)
    assert run_evaluation(options) == report


def test_what_is_missing_is_named(speech_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"no manifest\.tsv there"):
        find_speech_folder(tmp_path)
    with pytest.raises(EvaluationError, match="system 'opus' is not known"):
        run_evaluation(EvaluateOptions(speech=speech_folder, clips=1, systems=("opus",), asr=()))
    with pytest.raises(EvaluationError, match="subset 'x' is not known"):
        load_clips(speech_folder, "x", 1)


def test_codec2_absent_is_a_note(speech_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec2, "available", lambda: False)
    report = run_evaluation(EvaluateOptions(speech=speech_folder, clips=1, systems=("original", "codec2-1300"), asr=()))
    assert [row.system for row in report.rows] == ["original"]
    assert "codec2-1300 skipped" in report.notes[0]


def test_differences_are_paired_clip_by_clip(
    speech_folder: Path, tmp_path: Path, small_codec: Codec, small_spec: CodecSpec
) -> None:
    save_weights(tmp_path / "w.safetensors", small_spec, small_codec.model.state_dict())
    report = run_evaluation(
        EvaluateOptions(
            speech=speech_folder,
            clips=3,
            systems=("8khz", "ours-300", "original"),
            asr=("tiny.en",),
            weights=tmp_path / "w.safetensors",
            stoi=False,
            threads=1,
        )
    )
    telephone, ours, original = report.rows
    assert original.behind == ours.behind == {}
    difference = telephone.behind["tiny.en"]
    assert difference.value == pytest.approx(telephone.dwer["tiny.en"].value - ours.dwer["tiny.en"].value)
    assert difference.high < 0  # untrained weights lose every word, on every clip
    assert "8khz less ours-300, dWER tiny.en: -" in table(report)
