"""The prepared folder: levels, audio as it was stored, mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.codec.level import active_level_db
from gateway.errors import ConfigError
from gateway.trainer.data import Corpus
from gateway.trainer.prepare import prepare


def test_active_level_does_not_depend_on_pauses() -> None:
    voice = (0.1 * np.random.default_rng(1).standard_normal(32_000)).astype(np.float32)
    padded = np.concatenate([np.zeros(64_000, np.float32), voice, np.zeros(64_000, np.float32)])
    assert active_level_db(voice) == pytest.approx(-20, abs=0.3)
    assert active_level_db(padded) == pytest.approx(active_level_db(voice), abs=0.2)
    assert active_level_db(np.zeros(10, np.float32)) == -100.0


def test_audio_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    pcm = (0.3 * np.random.default_rng(2).standard_normal(5000)).clip(-0.9, 0.9).astype(np.float32)
    (tmp_path / "in" / "x").mkdir(parents=True)
    soundfile.write(tmp_path / "in" / "x" / "a.wav", pcm, 16_000, subtype="FLOAT")
    prepare(tmp_path / "in", tmp_path / "out")
    corpus = Corpus(tmp_path / "out")
    (clip,) = corpus.utterances
    assert np.abs(corpus.pcm(clip) - pcm).max() <= 1 / 65536 + 1e-7
    assert np.array_equal(corpus.pcm(clip, 100, 50), corpus.pcm(clip)[100:150])
    assert corpus.split("train") == [clip]


def test_a_folder_that_was_not_prepared_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no index\.jsonl"):
        Corpus(tmp_path)
