"""Codec2 through its own tools: what comes back, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.errors import EvaluationError
from gateway.evaluation import codec2
from gateway.evaluation.quality import align, lag_samples
from gateway.samples import sample_path

needs_tools = pytest.mark.skipif(
    not codec2.available(), reason="c2enc and c2dec are not installed (Debian package codec2)"
)


@needs_tools
@pytest.mark.parametrize("mode", codec2.MODES)
def test_every_mode_gives_back_the_whole_utterance(mode: str) -> None:
    pcm = read_audio(sample_path())[16_000:65_123]
    decoded = codec2.through_codec2(pcm, mode)
    assert decoded.dtype == np.float32
    lag = lag_samples(pcm, decoded)
    assert 0 < lag < 640
    assert len(decoded) >= len(pcm) + lag, "the last word is not cut"
    assert 0.01 < np.sqrt(np.mean(decoded**2)) / np.sqrt(np.mean(pcm**2)) < 10
    original, moved = align(pcm, decoded)
    assert len(original) == len(moved) == len(pcm)


@needs_tools
def test_refusals_name_the_mode_and_the_tool() -> None:
    silence = np.zeros(1600, np.float32)
    with pytest.raises(EvaluationError, match=r"mode '2K' is not known; there are 3200, 1300, 700C, 450"):
        codec2.through_codec2(silence, "2K")
    with pytest.raises(EvaluationError, match=r"c2enc nonsense ended with [1-9]"):
        codec2._pipe("c2enc", "nonsense", b"")


def test_telephone_band_has_no_highs() -> None:
    t = np.arange(16_000) / 16_000
    low, high = (np.sin(2 * np.pi * f * t).astype(np.float32) for f in (1000, 6000))
    inner = slice(1000, -1000)
    assert np.max(np.abs(codec2.telephone_band(low)[inner] - low[inner])) < 1e-3
    assert np.max(np.abs(codec2.telephone_band(high)[inner])) < 1e-3
    assert len(codec2.telephone_band(low[:12_345])) == 12_345
