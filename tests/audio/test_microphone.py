"""What a microphone test says: of speech as people do it to microphones, and of microphones that we make up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gateway.audio.files import read_audio
from gateway.audio.microphone import Finding, judge
from gateway.codec.level import active_level_db
from gateway.samples import sample_path

T = np.arange(48_000) / 16_000


def spoken(level: float, noise: float) -> np.ndarray:
    """Words, with pauses between them, in noise."""
    speech = level * np.sin(2 * np.pi * 200 * T) * (np.sin(2 * np.pi * 1.5 * T) > 0)
    return np.asarray(speech + noise * np.random.default_rng(1).standard_normal(len(T)), np.float32)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Three seconds with a pause, at -24 dB."""
    pcm = read_audio(sample_path())[: 16_000 * 3]
    pcm = pcm * np.float32(10 ** ((-24 - active_level_db(pcm)) / 20))
    pcm[-8000:] = 0
    return (pcm + 1e-4 * np.random.default_rng(1).standard_normal(len(pcm))).astype(np.float32)


@pytest.mark.parametrize(
    ("gain_db", "finding"),
    [(0, Finding.GOOD), (-35, Finding.QUIET), (13, Finding.LOUD), (30, Finding.CLIPS), (-80, Finding.SILENT)],
)
def test_levels(speech: np.ndarray, gain_db: float, finding: Finding) -> None:
    heard = np.clip(speech * 10 ** (gain_db / 20), -1, 1).astype(np.float32)
    heard = heard if finding is Finding.CLIPS else heard * np.float32(min(1.0, 0.99 / np.abs(heard).max()))
    verdict = judge(heard)
    assert verdict.finding is finding, verdict
    assert verdict.is_good == (finding in (Finding.GOOD, Finding.LOUD))


def test_noise(speech: np.ndarray) -> None:
    noise = np.random.default_rng(2).standard_normal(len(speech)).astype(np.float32)
    noisy = judge(speech + 0.01 * noise)
    assert noisy.finding is Finding.NOISY
    assert noisy.is_good
    assert judge(0.01 * noise).finding is Finding.NO_SPEECH


@pytest.mark.parametrize(
    ("pcm", "finding"),
    [
        (spoken(0.1, 0.0005), Finding.GOOD),
        (np.zeros(0, np.float32), Finding.NOTHING),
        (np.zeros(48_000, np.float32), Finding.SILENT),
        (np.full(48_000, 0.2, np.float32), Finding.SILENT),
        (np.clip(spoken(2.0, 0.001), -1, 1), Finding.CLIPS),
        (spoken(0.002, 0.0001), Finding.QUIET),
        (spoken(0.0, 0.05), Finding.NO_SPEECH),
        (spoken(0.05, 0.05), Finding.NO_SPEECH),
    ],
)
def test_the_operator_is_told_what_to_do(pcm: np.ndarray, finding: Finding) -> None:
    verdict = judge(pcm)
    assert verdict.finding is finding
    assert verdict.words.startswith(finding.value)


def test_levels_are_in_the_words() -> None:
    assert judge(spoken(0.1, 0.0005)).words == "good (speech -23 dB, peak -20 dB, background -66 dB)"
    assert "% clipped)" in judge(np.clip(spoken(2.0, 0.001), -1, 1)).words


@given(arrays.arrays(np.float32, st.integers(0, 2000), elements=st.floats(-1, 1, width=32)))
def test_any_sound_is_judged(pcm: np.ndarray) -> None:
    assert judge(pcm).words
