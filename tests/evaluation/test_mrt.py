"""The rhyme test runs on recordings by their names; what they score is the institute's business."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from gateway.audio.files import read_audio
from gateway.errors import EvaluationError
from gateway.evaluation.mrt import rhyme_test
from gateway.evaluation.systems import build_systems
from gateway.samples import sample_path

installed = pytest.mark.skipif(
    importlib.util.find_spec("abcmrt") is None, reason="abcmrt16 is not installed (extra mrt, 356 MB)"
)


@installed
def test_speech_that_is_not_the_words_is_guessed_at(tmp_path: Path) -> None:
    pcm = soxr.resample(read_audio(sample_path())[:24_000], 16_000, 48_000)
    for name in ("F1_b1_w1_orig.wav", "M3_b24_w2.wav", "not one of them.wav"):
        soundfile.write(tmp_path / name, pcm, 48_000)
    ((name, success),) = rhyme_test(tmp_path, build_systems(("original",), None, []), 10)
    assert name == "original"
    assert -0.2 <= success <= 0.6  # corrected for guessing among six


@installed
def test_no_recordings(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "other.wav", np.zeros(100), 48_000)
    with pytest.raises(EvaluationError, match="no recordings of the rhyme test"):
        list(rhyme_test(tmp_path, {}, 10))


def test_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EvaluationError, match=r"install clarilink\[mrt\]"):
        list(rhyme_test(tmp_path, {}, 10))
