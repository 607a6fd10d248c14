"""Clips for training: repeatable, bounded, at the common level, and spoilt only on the encoder's side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.audio.denoise import denoise
from gateway.codec.level import TARGET_LEVEL_DB, active_level_db
from gateway.errors import ConfigError
from gateway.trainer.augment import ClipSource
from gateway.trainer.prepare import prepare
from gateway.trainer.recipe import AugmentRecipe

NOTHING = AugmentRecipe(
    speed_chance=0.0,
    gain_db=0.0,
    noise_chance=0.0,
    equaliser_chance=0.0,
    hand_microphone_chance=0.0,
    reverb_chance=0.0,
)
EVERYTHING = AugmentRecipe(
    speed_chance=1.0,
    noise_chance=1.0,
    equaliser_chance=1.0,
    hand_microphone_chance=1.0,
    reverb_chance=1.0,
    overdrive_chance=1.0,
    suppressed_chance=1.0,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    for talker in range(2):
        (root / "in" / f"t{talker}").mkdir(parents=True)
        for clip in range(2):
            soundfile.write(root / "in" / f"t{talker}" / f"{clip}.wav", 0.02 * rng.standard_normal(30_000), 16_000)
    prepare(root / "in", root / "out")
    return root / "out"


def test_without_augmentation_both_sides_are_the_same_at_the_common_level(data: Path) -> None:
    heard, clean = ClipSource(data, NOTHING, 24).batch(4, np.random.default_rng(1))
    assert heard.shape == clean.shape == (4, 24 * 1280)
    assert np.array_equal(heard, clean)
    assert active_level_db(clean[0]) == pytest.approx(TARGET_LEVEL_DB, abs=0.5)


def test_formants_move_on_both_sides_and_unwanted_ones_change_no_draw(data: Path) -> None:
    plain, _ = ClipSource(data, NOTHING, 24).clip(np.random.default_rng(1))
    moving = NOTHING.model_copy(update={"formant_chance": 1.0, "formant_range": (1.2, 1.2)})
    heard, clean = ClipSource(data, moving, 24).clip(np.random.default_rng(1))
    assert np.array_equal(heard, clean)
    assert heard.shape == plain.shape
    assert not np.allclose(heard, plain, atol=1e-3)


def test_an_overdriven_microphone_cuts_peaks_and_is_as_loud_as_before(data: Path) -> None:
    clean, _ = ClipSource(data, NOTHING, 24).clip(np.random.default_rng(1))
    driven = NOTHING.model_copy(update={"overdrive_chance": 1.0, "overdrive_db": (12.0, 12.0)})
    heard, target = ClipSource(data, driven, 24).clip(np.random.default_rng(1))
    assert np.array_equal(target, clean)
    assert np.mean(heard**2) == pytest.approx(np.mean(clean**2), rel=1e-3)
    crest = [float(np.abs(pcm).max() / np.sqrt(np.mean(pcm**2))) for pcm in (clean, heard)]
    assert crest[1] < 0.6 * crest[0]
    assert np.mean(np.abs(heard) > 0.999 * np.abs(heard).max()) > 0.05


def test_a_suppressor_may_stand_before_the_encoder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = ClipSource(data, NOTHING, 24).clip(np.random.default_rng(1))
    suppressed = NOTHING.model_copy(update={"suppressed_chance": 1.0})
    heard, target = ClipSource(data, suppressed, 24).clip(np.random.default_rng(1))
    assert np.array_equal(target, plain)
    assert np.array_equal(heard, denoise(plain))
    assert not np.allclose(heard, plain, atol=1e-3)  # white noise is no speech
    monkeypatch.setattr("gateway.audio.denoise.available", lambda: False)
    with pytest.raises(ConfigError, match="pyrnnoise is not installed"):
        ClipSource(data, suppressed, 24)


def test_everything_at_once_stays_in_range_and_repeats(data: Path) -> None:
    source = ClipSource(data, EVERYTHING, 24)
    for seed in range(12):
        heard, clean = source.clip(np.random.default_rng(seed))
        again, _ = source.clip(np.random.default_rng(seed))
        assert np.array_equal(heard, again)
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() <= 1.0
        assert not np.allclose(heard, clean, atol=1e-3)
