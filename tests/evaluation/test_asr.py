"""Real recognisers by name on the packaged sample."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.errors import EvaluationError
from gateway.evaluation.asr import RECOGNISERS, hears, load_recogniser
from gateway.evaluation.wer import normalise, word_errors
from gateway.samples import sample_path


@pytest.mark.parametrize(
    ("name", "lang", "known"),
    [
        ("base", "en", True),
        ("base", "zh-HK", True),
        ("base", "sv-SE", True),
        ("base", "hsb", False),
        ("tiny.en", "en", True),
        ("tiny.en", "en-GB", True),
        ("tiny.en", "de", False),
        ("moonshine", "en-GB", True),
        ("moonshine", "de", False),
    ],
)
def test_what_a_recogniser_knows(name: str, lang: str, known: bool) -> None:
    assert hears(name, lang) is known


@pytest.mark.parametrize("name", RECOGNISERS)
def test_recognisers_understand_the_sample(name: str) -> None:
    text = normalise(load_recogniser(name, threads=1).transcribe(read_audio(sample_path())))
    expected = normalise(
        "Harbor control, this is the research vessel Northern Light. We are two miles west of the lighthouse with "
        "three divers in the water. Please keep all traffic clear of our position. The wind is rising, and we expect "
        "to finish by half past four. Over."
    )
    assert word_errors(expected, text) <= 3


@pytest.mark.parametrize("name", RECOGNISERS)
def test_nothing_and_damage_are_heard_without_an_error(name: str) -> None:
    recogniser = load_recogniser(name, threads=1)
    assert recogniser.name == name
    for pcm in (np.zeros(0), np.zeros(100), np.full(16_000, np.nan)):
        assert isinstance(recogniser.transcribe(pcm.astype(np.float32)), str)


def test_unknown_recognisers_are_named() -> None:
    with pytest.raises(EvaluationError, match=r"'large' is not known; there are base, tiny\.en, moonshine"):
        load_recogniser("large")
    with pytest.raises(EvaluationError, match="'large' is not known"):
        hears("large", "en")
