"""How improbable words become, by a real recogniser."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.evaluation.nats import Nats, judges
from gateway.evaluation.whisper import Whisper
from gateway.samples import sample_path


def test_words_become_less_probable_in_noise_long_before_they_are_lost() -> None:
    speech = read_audio(sample_path())[: 16_000 * 6]
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    nats = Nats("tiny.en", threads=1)
    clean, little, much = (nats("sample", speech, speech + depth * noise) for depth in (0.0, 0.003, 0.03))
    assert clean[1] == little[1] == much[1] > 5
    assert 0 < clean[0] < little[0] < much[0]


def test_where_no_word_is_heard_there_is_nothing_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Whisper, "tokens", lambda *_: [50256])  # in silence it may hear "you", or as here nothing
    silence = np.zeros(16_000, np.float32)
    assert Nats("tiny.en", threads=1)("silence", silence, silence) == (0.0, 0)


def test_only_whispers_judge() -> None:
    assert [judges(name) for name in ("base", "tiny.en", "moonshine")] == [True, True, False]
