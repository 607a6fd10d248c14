"""What a microphone test says, for microphones that we make up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gateway.audio.microphone import Fault, judge

T = np.arange(48_000) / 16_000


def spoken(level: float, noise: float) -> np.ndarray:
    """Words, with pauses between them, in noise."""
    speech = level * np.sin(2 * np.pi * 200 * T) * (np.sin(2 * np.pi * 1.5 * T) > 0)
    return np.asarray(speech + noise * np.random.default_rng(1).standard_normal(len(T)), np.float32)


@pytest.mark.parametrize(
    ("pcm", "fault"),
    [
        (spoken(0.1, 0.0005), Fault.NONE),
        (np.zeros(0, np.float32), Fault.NOTHING),
        (np.zeros(48_000, np.float32), Fault.SILENT),
        (np.full(48_000, 0.2, np.float32), Fault.SILENT),
        (np.clip(spoken(2.0, 0.001), -1, 1), Fault.CLIPS),
        (spoken(0.002, 0.0001), Fault.QUIET),
        (spoken(0.0, 0.05), Fault.NO_SPEECH),
        (spoken(0.05, 0.05), Fault.NO_SPEECH),
    ],
)
def test_the_operator_is_told_what_to_do(pcm: np.ndarray, fault: Fault) -> None:
    verdict = judge(pcm)
    assert verdict.fault is fault
    assert verdict.words.startswith(fault.value)


def test_levels_are_in_the_words() -> None:
    assert judge(spoken(0.1, 0.0005)).words == "good (speech -23 dB, background -66 dB)"
    assert "% clipped)" in judge(np.clip(spoken(2.0, 0.001), -1, 1)).words


@given(arrays.arrays(np.float32, st.integers(0, 2000), elements=st.floats(-1, 1, width=32)))
def test_any_sound_is_judged(pcm: np.ndarray) -> None:
    assert judge(pcm).words
