"""Speech on disk to one flat file: levels, plain folders, the shared folder's manifest, mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.errors import ConfigError
from gateway.trainer.data import Corpus, active_level_db, folder_clips, manifest_clips, prepare, prepare_noise


def test_active_level_does_not_depend_on_pauses() -> None:
    voice = (0.1 * np.random.default_rng(1).standard_normal(32_000)).astype(np.float32)
    padded = np.concatenate([np.zeros(64_000, np.float32), voice, np.zeros(64_000, np.float32)])
    assert active_level_db(voice) == pytest.approx(-20, abs=0.3)
    assert active_level_db(padded) == pytest.approx(active_level_db(voice), abs=0.2)
    assert active_level_db(np.zeros(10, np.float32)) == -100.0


def test_a_plain_folder_gives_speakers_by_sub_folder_and_some_for_dev(tmp_path: Path) -> None:
    for talker in range(60):
        (tmp_path / f"t{talker:02}").mkdir()
        tone = 0.1 * np.sin(np.arange(8000) / 10)
        soundfile.write(tmp_path / f"t{talker:02}" / "a.flac", tone.astype(np.float32), 8000)
    rows = [row for row, _ in folder_clips(tmp_path)]
    assert len({row["speaker"] for row in rows}) == 60
    assert [row["split"] for row in rows].count("dev") == 1


def test_audio_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    pcm = (0.3 * np.random.default_rng(2).standard_normal(5000)).clip(-0.9, 0.9).astype(np.float32)
    (tmp_path / "in" / "x").mkdir(parents=True)
    soundfile.write(tmp_path / "in" / "x" / "a.wav", pcm, 16_000, subtype="FLOAT")
    index = prepare(tmp_path / "in", tmp_path / "out")
    corpus = Corpus(tmp_path / "out")
    assert corpus.utterances == index
    assert np.abs(corpus.pcm(index[0]) - pcm).max() <= 1 / 65536 + 1e-7
    assert np.array_equal(corpus.pcm(index[0], 100, 50), corpus.pcm(index[0])[100:150])


@pytest.mark.speech
def test_the_shared_folder_is_read_by_its_manifest(speech_folder: Path) -> None:
    clips = manifest_clips(speech_folder)
    for _ in range(5):
        row, pcm = next(clips)
        assert row["split"] in ("train", "dev")
        assert len(pcm) / 16_000 == pytest.approx(float(row["seconds"]), abs=0.1)
        assert 0.001 < np.abs(pcm).max() <= 1.0


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no sound files"):
        prepare(tmp_path, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"no index\.jsonl"):
        Corpus(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty: no sound files"):
        prepare_noise(tmp_path / "empty", tmp_path / "out")
