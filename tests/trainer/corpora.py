"""Small corpora for tests of what listens to dev clips."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from gateway.evaluation.speech import load_clips
from gateway.trainer.data import Corpus, Utterance


def row(number: int, **changes: object) -> Utterance:
    values: dict[str, object] = {
        "id": str(number), "offset": 0, "samples": 32_000, "level_db": -26.0, "source": "cv_x",
        "speaker": str(number), "lang": "en", "split": "dev", "text": "",
    }  # fmt: skip
    return Utterance(**{**values, **changes})  # type: ignore[arg-type]


def speech_corpus(speech_folder: Path, folder: Path, count: int) -> Corpus:
    """As many clips of native adults, prepared in `folder`."""
    audio, rows, offset = [], [], 0
    for clip in load_clips(speech_folder, "cv-native", count):
        samples = np.round(clip.pcm * 32767).astype("<i2")
        rows.append(row(len(rows), offset=offset, samples=len(samples)))
        audio.append(samples)
        offset += len(samples)
    np.concatenate(audio).tofile(folder / "audio.i16")
    (folder / "index.jsonl").write_text("".join(json.dumps(asdict(r)) + "\n" for r in rows))
    return Corpus(folder)
