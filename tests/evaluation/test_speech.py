"""Choosing and reading clips, on a made-up speech folder."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.errors import EvaluationError
from gateway.evaluation.speech import ENVIRONMENT, load_clips, speech_folder

COLUMNS = [
    "id",
    "slice",
    "member",
    "source",
    "speaker",
    "gender",
    "native",
    "age_group",
    "seconds",
    "split",
    "lang",
    "text",
]


def row(number: int, **changes: str) -> dict[str, str]:
    base = {
        "id": f"clip-{number}",
        "slice": f"dev-{number % 2}.tar",
        "member": f"clip-{number}.opus",
        "source": "cv_made_up",
        "speaker": f"s{number % 3}",
        "gender": "f",
        "native": "yes",
        "age_group": "adult",
        "seconds": "2.000",
        "split": "dev",
        "lang": "en",
        "text": 'SAY "NUMBER ' + str(number),
    }
    return base | changes


ROWS = [
    *(row(i) for i in range(9)),
    row(9, split="train"),
    row(10, native="no"),
    row(11, age_group="child"),
    row(12, lang="de"),
    row(13, source="rhasspy_kathleen", native="yes"),
    row(14, seconds="0.400"),
    row(15, seconds="31.000"),
    row(16, native="no", age_group="child"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    lines = ["\t".join(COLUMNS), *("\t".join(r[c] for c in COLUMNS) for r in ROWS)]
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    for name in ("dev-0.tar", "dev-1.tar"):
        with tarfile.open(folder / name, "w") as tar:
            for r in ROWS:
                if r["slice"] == name:
                    sound = io.BytesIO()
                    soundfile.write(sound, tone, 16_000, format="OGG", subtype="OPUS")
                    info = tarfile.TarInfo(r["member"])
                    info.size = len(sound.getvalue())
                    tar.addfile(info, io.BytesIO(sound.getvalue()))
    return folder


def ids(folder: Path, subset: str, count: int = 99, seed: int = 1) -> list[str]:
    return [clip.id for clip in load_clips(folder, subset, count, seed)]


def test_subsets(folder: Path) -> None:
    assert set(ids(folder, "cv-native")) == {f"clip-{i}" for i in range(9)}
    assert ids(folder, "non-native") == ["clip-10"]
    assert ids(folder, "studio") == ["clip-13"]
    assert ids(folder, "other") == ["clip-12"]
    assert set(ids(folder, "all")) == {f"clip-{i}" for i in (*range(9), 10, 11, 13, 16)}


def test_choice_is_stable_spread_and_grows(folder: Path) -> None:
    assert ids(folder, "cv-native", 5) == ids(folder, "cv-native", 5)
    assert ids(folder, "cv-native", 9, seed=1) != ids(folder, "cv-native", 9, seed=2)
    assert {clip.speaker for clip in load_clips(folder, "cv-native", 3)} == {"s0", "s1", "s2"}
    assert ids(folder, "cv-native", 9)[:4] == ids(folder, "cv-native", 4), "more clips keep those chosen before"


def test_sound_and_text_arrive_as_they_are(folder: Path) -> None:
    (clip,) = load_clips(folder, "studio", 1)
    assert clip.pcm.dtype == np.float32
    assert abs(len(clip.pcm) - 32_000) < 700
    assert 0.25 < np.abs(clip.pcm[8000:24_000]).max() < 0.35
    assert (clip.text, clip.lang, clip.speaker) == ('SAY "NUMBER 13', "en", "s1")


def test_the_folder_is_found_by_option_then_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(folder))
    assert speech_folder() == folder
    with pytest.raises(EvaluationError, match=r"/nowhere: no manifest\.tsv there; name a speech folder"):
        speech_folder(Path("/nowhere"))


def test_a_subset_without_clips_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.tsv").write_text("\t".join(COLUMNS) + "\n")
    with pytest.raises(EvaluationError, match="no dev clips of subset studio"):
        load_clips(tmp_path, "studio", 1)
