"""Remembered transcripts: found again only for the same sound, recogniser and language; half a line does no harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.evaluation import cache
from gateway.evaluation.cache import FILE_NAME, RememberingRecogniser


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a stand-in recogniser was asked, in order."""
    asked: list[str] = []

    class Fake:
        def __init__(self, name: str, threads: int) -> None:
            self._name = name

        def transcribe(self, pcm: np.ndarray, lang: str) -> str:
            asked.append(f"{self._name} {lang} {pcm.sum():.0f}")
            return f"téxt\n{pcm.sum():.0f}"

    monkeypatch.setattr(cache, "load_recogniser", Fake)
    return asked


def ones(count: int) -> np.ndarray:
    return np.ones(count, np.float32)


def test_the_same_sound_is_heard_once_across_runs(tmp_path: Path, heard: list[str]) -> None:
    first = RememberingRecogniser("base", tmp_path / "out")
    texts = [first.transcribe(ones(3)), first.transcribe(ones(4)), first.transcribe(ones(3))]
    assert texts == ["téxt\n3", "téxt\n4", "téxt\n3"]
    again = RememberingRecogniser("base", tmp_path / "out")
    assert again.transcribe(ones(4)) == "téxt\n4"
    assert heard == ["base en 3", "base en 4"]


def test_recogniser_and_language_are_part_of_the_key(tmp_path: Path, heard: list[str]) -> None:
    for name, lang in (("base", "en"), ("base", "de"), ("tiny.en", "en")):
        RememberingRecogniser(name, tmp_path).transcribe(ones(3), lang)
    assert heard == ["base en 3", "base de 3", "tiny.en en 3"]


def test_half_a_line_is_heard_again_and_spoils_nothing_after_it(tmp_path: Path, heard: list[str]) -> None:
    first = RememberingRecogniser("base", tmp_path)
    first.transcribe(ones(3))
    first.transcribe(ones(4))
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:-20])
    RememberingRecogniser("base", tmp_path).transcribe(ones(4))
    third = RememberingRecogniser("base", tmp_path)
    assert [third.transcribe(ones(n)) for n in (3, 4)] == ["téxt\n3", "téxt\n4"]
    assert heard == ["base en 3", "base en 4", "base en 4"]
