"""Counting word errors, and real recognisers on the packaged sample."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.files import read_audio
from gateway.evaluation.asr import EvaluationError, Recogniser, hears, model_folder, normalise, word_errors
from gateway.samples import sample_path

words = st.lists(st.sampled_from(["the", "ship", "is", "sinking", "now"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("reference", "heard", "errors"),
    [
        ("the ship is here", "the ship is here", 0),
        ("the ship is here", "the sheep is", 2),
        ("the ship", "a b c d e f g h", 2),
        ("", "noise", 1),
        ("", "", 0),
        ("two words", "", 2),
    ],
)
def test_word_errors(reference: str, heard: str, errors: int) -> None:
    assert word_errors(reference, heard) == errors


@given(words, words)
def test_errors_never_exceed_the_reference(reference: str, heard: str) -> None:
    assert 0 <= word_errors(reference, heard) <= max(1, len(reference.split()))


def test_normalisation_is_whispers() -> None:
    assert normalise("Mr. Smith's colour, 21!") == "mister smith is color 21"
    assert normalise("Grüße, Herr Müller!", "de") == "grüße herr müller"


@pytest.mark.parametrize("lang", ["zh", "zh-HK", "ja", "th"])
def test_without_spaces_characters_are_words(lang: str) -> None:
    assert normalise("你好, 世界", lang).split() == ["你", "好", "世", "界"]


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
    ],
)
def test_what_a_recogniser_knows(name: str, lang: str, known: bool) -> None:
    assert hears(name, lang) is known


@pytest.mark.parametrize("name", ["tiny.en", "base"])
def test_recognisers_understand_the_sample(name: str) -> None:
    text = normalise(Recogniser(name, threads=1).transcribe(read_audio(sample_path())))
    expected = normalise(
        "Harbor control, this is the research vessel Northern Light. We are two miles west of the lighthouse with "
        "three divers in the water. Please keep all traffic clear of our position. The wind is rising, and we expect "
        "to finish by half past four. Over."
    )
    assert word_errors(expected, text) <= 3


def test_base_is_joined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = model_folder("base")
    model = folder / "model.bin"
    before = model.stat()
    assert model_folder("base") == folder
    assert model.stat().st_mtime_ns == before.st_mtime_ns
    model.write_bytes(b"cut off")
    model_folder("base")
    assert model.stat().st_size == before.st_size


def test_unknown_recognisers_are_named() -> None:
    with pytest.raises(EvaluationError, match=r"'large' is not known; there are base, tiny\.en"):
        model_folder("large")
