"""Clips of the shared speech folder, chosen repeatably."""

from __future__ import annotations

import csv
import io
import os
import random
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.audio.files import decode_audio
from gateway.errors import EvaluationError

ENVIRONMENT = "CLARILINK_SPEECH"
SUBSETS = ("cv-native", "non-native", "studio", "other", "all")


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance: float32 PCM at 16 kHz, who speaks, and the transcript (empty where there is none)."""

    id: str
    speaker: str
    lang: str
    text: str
    pcm: NDArray[np.float32]


def speech_folder(given: Path | None = None) -> Path:
    """The folder given, or named by CLARILINK_SPEECH, or ../shared/speech beside the checkout.

    Raises EvaluationError when there is no manifest in it.
    """
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "speech"
    folder = given or Path(os.environ.get(ENVIRONMENT) or beside)
    if not (folder / "manifest.tsv").is_file():
        raise EvaluationError(f"{folder}: no manifest.tsv there; name a speech folder with --speech or {ENVIRONMENT}")
    return folder


def _belongs(row: dict[str, str], subset: str) -> bool:
    if row["split"] != "dev" or not 1.5 <= float(row["seconds"]) <= 20.0:
        return False
    english, common_voice = row["lang"] == "en", row["source"].startswith("cv")
    if subset == "cv-native":
        return english and common_voice and row["native"] == "yes" and row["age_group"] == "adult"
    if subset == "non-native":
        return english and row["native"] == "no" and row["age_group"] == "adult"
    if subset == "studio":
        return english and row["source"].startswith("rhasspy")
    if subset == "other":
        return not english
    return english


def load_clips(
    folder: Path, subset: str, count: int, seed: int = 1, language: Callable[[str], bool] = lambda _lang: True
) -> list[Clip]:
    """Up to `count` dev clips of a subset, taken in turn from every speaker in a seeded order; of languages for which
    `language` is true. Raises EvaluationError where there are none.
    """
    if subset not in SUBSETS:
        raise EvaluationError(f"subset {subset!r} is not known; there are {', '.join(SUBSETS)}")
    with (folder / "manifest.tsv").open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if _belongs(r, subset)]
    known = {lang: language(lang) for lang in {row["lang"] for row in rows}}
    rows = [row for row in rows if known[row["lang"]]]
    if not rows:
        unknown = f" in a language that is known ({', '.join(sorted(known))} are not)" if known else ""
        raise EvaluationError(f"{folder}: no dev clips of subset {subset}{unknown}")
    rng = random.Random(seed)
    by_speaker: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_speaker.setdefault(row["speaker"], []).append(row)
    speakers = sorted(by_speaker)
    rng.shuffle(speakers)
    for speaker in speakers:
        rng.shuffle(by_speaker[speaker])
    chosen: list[dict[str, str]] = []
    while len(chosen) < min(count, len(rows)):
        for speaker in speakers:
            if by_speaker[speaker] and len(chosen) < count:
                chosen.append(by_speaker[speaker].pop())
    wanted = {row["member"]: row for row in chosen}
    clips: dict[str, Clip] = {}
    for slice_name in sorted({row["slice"] for row in chosen}):
        with tarfile.open(folder / slice_name) as tar:
            for member in tar:
                row_or_none = wanted.get(member.name)
                stored = tar.extractfile(member) if row_or_none is not None else None
                if row_or_none is not None and stored is not None:
                    pcm = decode_audio(io.BytesIO(stored.read()), member.name)
                    clips[member.name] = Clip(
                        row_or_none["id"], row_or_none["speaker"], row_or_none["lang"], row_or_none["text"], pcm
                    )
    return [clips[row["member"]] for row in chosen if row["member"] in clips]
