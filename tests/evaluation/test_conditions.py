"""Conditions: the same for every system, at the level asked for, and bounded."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.codec.level import active_level_db
from gateway.errors import EvaluationError
from gateway.evaluation.conditions import CLEAN, band, made_up_noise, noise, noise_recordings, overdrive, reverb


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [0.02 * rng.standard_normal(n).astype(np.float32) for n in (5000, 90_000)]


@pytest.mark.parametrize("snr", [-5.0, 5.0, 20.0])
def test_noise_is_as_loud_as_asked_and_repeats(
    speechlike: np.ndarray, recordings: list[np.ndarray], snr: float
) -> None:
    quiet = 0.1 * speechlike  # far from clipping
    condition = noise(snr, recordings)
    assert condition.name == f"noise {snr:g} dB"
    for number in range(3):
        noisy = condition.spoil(number, quiet)
        assert np.array_equal(noisy, condition.spoil(number, quiet))
        level = 10 * np.log10(np.mean((noisy - quiet) ** 2))
        assert active_level_db(quiet) - level == pytest.approx(snr, abs=0.1)
    assert not np.array_equal(condition.spoil(0, quiet), condition.spoil(2, quiet))


def test_loud_noise_does_not_clip(speechlike: np.ndarray, recordings: list[np.ndarray]) -> None:
    noisy = noise(-20.0, recordings).spoil(0, speechlike)
    assert np.abs(noisy).max() <= 1.0


def test_a_hand_microphone_keeps_the_middle() -> None:
    t = np.arange(16_000) / 16_000
    kept = []
    for hz in (80, 1000, 6000):
        tone = np.sin(2 * np.pi * hz * t).astype(np.float32)
        kept.append(float(np.std(band("hand-microphone").spoil(0, tone)) / np.std(tone)))
    assert kept[1] > 0.98
    assert kept[0] < 0.1
    assert kept[2] < 0.15


def test_a_room_fills_the_pauses_and_repeats(speechlike: np.ndarray) -> None:
    click = np.zeros(16_000, np.float32)
    click[100] = 0.5
    room = reverb(0.5).spoil(1, click)
    assert np.array_equal(room, reverb(0.5).spoil(1, click))
    assert room[100] == pytest.approx(0.5, rel=0.01)
    energy = [float(np.sum(room[100 + start : 100 + start + 1600] ** 2)) for start in (1600, 3200, 4800)]
    # 60 dB in half a second: 12 dB in a tenth.
    assert [10 * np.log10(a / b) for a, b in pairwise(energy)] == pytest.approx([12, 12], abs=1.5)
    assert np.sum(room**2) == pytest.approx(0.5, rel=0.02)  # as loud as the direct sound, so twice its energy
    assert len(reverb(2.0).spoil(0, speechlike)) == len(speechlike)


def test_made_up_noise_is_the_same_every_time_and_has_kinds() -> None:
    first, again = made_up_noise(), made_up_noise()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    low = [
        float(np.mean(np.abs(np.fft.rfft(n)[: len(n) // 16]) ** 2) / np.mean(np.abs(np.fft.rfft(n)) ** 2))
        for n in first
    ]
    assert low[2] == pytest.approx(1, abs=0.1)
    assert min(low[0], low[1], low[3]) > 4


def test_clean_is_clean(speechlike: np.ndarray) -> None:
    assert CLEAN.spoil(3, speechlike) is speechlike


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"no manifest\.tsv there"):
        noise_recordings(tmp_path)
    (tmp_path / "manifest.tsv").write_text("path\tkind\n")
    with pytest.raises(EvaluationError, match="lists no recordings"):
        noise_recordings(tmp_path)
    soundfile.write(tmp_path / "a.wav", np.zeros(100, np.float32), 16_000)
    (tmp_path / "manifest.tsv").write_text("path\tkind\na.wav\thiss\n")
    assert len(noise_recordings(tmp_path)[0]) == 100
    with pytest.raises(EvaluationError, match="band 'x' is not known"):
        band("x")


def test_an_overdriven_clip_has_lower_peaks_and_its_loudness(speechlike: np.ndarray) -> None:
    condition = overdrive(12.0)
    assert condition.name == "overdriven 12 dB"
    driven = condition.spoil(0, speechlike)
    assert np.mean(driven**2) == pytest.approx(np.mean(speechlike**2), rel=1e-3)
    assert np.abs(driven).max() < 0.8 * np.abs(speechlike).max()
    assert np.array_equal(overdrive(0.0).spoil(0, speechlike), speechlike)
