"""The microphone's verdict on what people do to microphones, and the tone."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.acoustics import active_level_db
from gateway.audio.files import read_audio
from gateway.audio.selftest import Finding, meter, microphone_verdict, tone_pcm
from gateway.samples import sample_path


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Three seconds with a pause."""
    pcm = read_audio(sample_path())[: 16_000 * 3]
    pcm = pcm * np.float32(10 ** ((-24 - active_level_db(pcm)) / 20))
    pcm[-8000:] = 0
    return (pcm + 1e-4 * np.random.default_rng(1).standard_normal(len(pcm))).astype(np.float32)


@pytest.mark.parametrize(
    ("gain_db", "finding"),
    [(0, Finding.GOOD), (-35, Finding.FAINT), (13, Finding.LOUD), (30, Finding.CLIPS), (-80, Finding.NOTHING)],
)
def test_levels(speech: np.ndarray, gain_db: float, finding: Finding) -> None:
    heard = np.clip(speech * 10 ** (gain_db / 20), -1, 1).astype(np.float32)
    heard = heard if finding is Finding.CLIPS else heard * np.float32(min(1.0, 0.99 / np.abs(heard).max()))
    verdict = microphone_verdict(heard)
    assert verdict.finding is finding, verdict
    assert finding.value in verdict.text
    assert verdict.is_good == (finding in (Finding.GOOD, Finding.LOUD))


def test_noise(speech: np.ndarray) -> None:
    noise = np.random.default_rng(2).standard_normal(len(speech)).astype(np.float32)
    assert microphone_verdict(speech + 0.01 * noise).finding is Finding.NOISY
    assert microphone_verdict(0.01 * noise).finding is Finding.NO_SPEECH
    assert microphone_verdict(np.zeros(0, np.float32)).finding is Finding.NOTHING
    assert "clipped" in microphone_verdict(np.sign(noise)).text


def test_the_tone_neither_clicks_nor_clips() -> None:
    tone = tone_pcm(0.5)
    assert len(tone) == 8000
    assert 0.2 < np.abs(tone).max() < 0.3
    assert max(abs(tone[0]), abs(tone[-1])) < 1e-3
    spectrum = np.abs(np.fft.rfft(tone))
    assert np.argmax(spectrum) * 2 == 1000


def test_the_meter_has_its_ends() -> None:
    assert meter(-100, -100) == "|" + "." * 39
    assert meter(0, 0) == "#" * 39 + "|"
    assert meter(-30, -10).count("#") == 20 + 1
