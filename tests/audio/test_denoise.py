"""Noise suppression: less noise, the same speech in the same place, whatever the chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audio import denoise as module
from gateway.audio.acoustics import coloured_noise
from gateway.audio.denoise import KEPT, Denoiser, denoise, wanted
from gateway.audio.files import read_audio
from gateway.errors import ConfigError
from gateway.evaluation.quality import lag_samples
from gateway.samples import sample_path

pytest.importorskip("pyrnnoise", reason="pyrnnoise is not installed (extra denoise)")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(sample_path())[: 16_000 * 6]


def test_noise_goes_and_speech_stays(speech: np.ndarray) -> None:
    noise = coloured_noise(len(speech), -0.5, np.random.default_rng(0))
    noise *= np.float32(0.3 * speech.std() / noise.std())
    before, after = noise, denoise(speech + noise) - denoise(speech)
    assert np.mean(after**2) < 0.5 * np.mean(before**2)
    alone = denoise(noise)
    assert np.mean(alone[16_000:] ** 2) < 1.5 * KEPT**2 * np.mean(noise[16_000:] ** 2)
    assert np.corrcoef(denoise(speech), speech)[0, 1] > 0.9


def test_some_of_what_was_heard_stays_at_its_time() -> None:
    noise = (0.05 * np.random.default_rng(0).standard_normal(80_000)).astype(np.float32)
    kept = denoise(noise)[32_000:]
    assert np.std(kept) == pytest.approx(KEPT * np.std(noise), rel=0.2)
    assert np.corrcoef(kept, noise[32_000:])[0, 1] > 0.9


def test_speech_keeps_its_place(speech: np.ndarray) -> None:
    clean = denoise(speech)
    assert len(clean) == len(speech)
    assert abs(lag_samples(speech, clean)) <= 16
    size = 2 * len(speech)
    correlation = np.fft.irfft(np.fft.rfft(clean, size) * np.conj(np.fft.rfft(speech, size)), size)
    assert int(np.argmax(correlation)) in (0, 1, size - 1), "to the sample"


@given(st.lists(st.integers(0, 3000), max_size=8), st.booleans())
@settings(max_examples=25, deadline=None)
def test_chunks_do_not_matter_and_nothing_is_lost(cuts: list[int], loud: bool) -> None:
    pcm = (4.0 if loud else 0.1) * np.random.default_rng(len(cuts)).standard_normal(sum(cuts)).astype(np.float32)
    denoiser = Denoiser()
    parts = [denoiser.push(part) for part in np.split(pcm, np.cumsum(cuts)[:-1] if cuts else [])]
    streamed = np.concatenate([*parts, denoiser.flush()])
    assert len(streamed) == len(pcm)
    assert np.abs(streamed).max(initial=0.0) <= 1.0
    np.testing.assert_allclose(streamed, denoise(pcm), atol=2e-4)


def test_what_is_not_a_number_is_silence() -> None:
    assert np.isfinite(denoise(np.full(4000, np.nan, np.float32))).all()


def test_it_is_wanted_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wanted("auto")
    assert wanted("on")
    assert not wanted("off")
    monkeypatch.setattr(module, "available", lambda: False)
    assert not wanted("auto")
    with pytest.raises(ConfigError, match=r"pyrnnoise is not installed; install clarilink\[denoise\]"):
        wanted("on")


def test_loud_speech_does_not_wrap_round(speech: np.ndarray) -> None:
    loud = (speech / np.abs(speech).max()).astype(np.float32)
    before, after = (np.abs(np.diff(pcm)).max() for pcm in (loud, denoise(loud)))
    assert after < 1.3 * before, "a sample that exceeds 16 bits came back with the other sign"
