"""Alignment, and the measures on sound whose quality is known."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.errors import EvaluationError
from gateway.evaluation.quality import align, lag_samples, measure
from gateway.samples import sample_path


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(sample_path())[: 16_000 * 6]


@pytest.mark.parametrize("shift", [-900, -1, 0, 240, 1500])
def test_alignment_finds_the_lag(shift: int) -> None:
    rng = np.random.default_rng(0)
    envelope = np.repeat(rng.random(40), 800)
    original = (rng.standard_normal(len(envelope)) * envelope).astype(np.float32)
    decoded = np.roll(original, shift)
    assert abs(lag_samples(original, decoded) - shift) <= 40
    a, b = align(original, decoded)
    assert len(a) == len(b) >= len(original) - abs(shift) - 40


@pytest.mark.parametrize(
    ("name", "best", "worst"), [("stoi", (0.99, 1.0), 0.8), ("pesq", (4.5, 4.7), 2.0), ("dnsmos", (2.0, 5.0), 2.0)]
)
def test_noise_costs_what_it_should(speech: np.ndarray, name: str, best: tuple[float, float], worst: float) -> None:
    if name == "pesq":
        pytest.importorskip("pesq", reason="pesq is not built (it needs gcc, libc6-dev and python3-dev)")
    judge = measure(name)
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    clean, noisy = judge(speech, speech), judge(speech, speech + 0.1 * noise)
    assert clean is not None
    assert noisy is not None
    assert best[0] <= clean <= best[1]
    assert noisy < worst
    assert noisy < clean


def test_phones_are_lost_in_noise(speech: np.ndarray) -> None:
    judge = measure("phones")
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    assert judge(speech, speech) == 0.0
    some, most = judge(speech, speech + 0.005 * noise), judge(speech, speech + 0.1 * noise)
    assert some is not None
    assert most is not None
    assert 0.05 < some < most <= 1.0
    assert judge(np.zeros(16_000, np.float32), speech) is None


def test_what_cannot_be_judged_is_none(speech: np.ndarray) -> None:
    pytest.importorskip("pesq", reason="pesq is not built (it needs gcc, libc6-dev and python3-dev)")
    assert measure("pesq")(np.zeros(16_000, np.float32), np.zeros(16_000, np.float32)) is None
    assert measure("dnsmos")(speech, np.zeros(0, np.float32)) is None


def test_a_clip_too_short_for_stoi_is_none(speech: np.ndarray) -> None:
    short = speech[16_000 : 16_000 + 3200]
    assert measure("stoi")(short, short) is None


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EvaluationError, match="measure 'mos' is not known"):
        measure("mos")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EvaluationError, match=r"pesq is not installed; install clarilink\[pesq\]"):
        measure("pesq")


def test_phones_do_not_depend_on_what_was_heard_before(speech: np.ndarray) -> None:
    judge = measure("phones")
    noise = np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    clips = [(part, part + 0.01 * noise) for part in np.split(speech, 3)]
    first = []
    for original, noisy in clips:
        judge(0.5 * noise, 0.5 * noise)
        first.append(judge(original, noisy))
    assert [judge(original, noisy) for original, noisy in clips] == first
