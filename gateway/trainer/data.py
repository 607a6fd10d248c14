"""Prepared speech: one flat int16 file and an index, so that a training step only slices memory.

Rule: nothing is altered on disk but the container; levels, noise and band are the augmenter's business.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigError

SAMPLE_RATE = 16_000
AUDIO_FILE = "audio.i16"
INDEX_FILE = "index.jsonl"
NOISE_FILE = "noise.i16"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One clip in the flat file: `offset` and `samples` in samples, `level_db` its active level in dBFS."""

    id: str
    offset: int
    samples: int
    level_db: float
    source: str
    speaker: str
    lang: str
    split: str
    text: str


class Corpus:
    """A prepared folder, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        if not (folder / INDEX_FILE).is_file():
            raise ConfigError(f"{folder}: no {INDEX_FILE} there; run `python -m gateway.trainer prepare` first")
        with (folder / INDEX_FILE).open(encoding="utf-8") as lines:
            self.utterances = [Utterance(**json.loads(line)) for line in lines]
        self.audio: NDArray[np.int16] = np.memmap(folder / AUDIO_FILE, dtype="<i2", mode="r")

    def split(self, name: str) -> list[Utterance]:
        """The utterances of one split (train or dev)."""
        return [u for u in self.utterances if u.split == name]

    def pcm(self, utterance: Utterance, start: int = 0, samples: int | None = None) -> NDArray[np.float32]:
        """float32 samples of one utterance, or of a slice of it."""
        stop = utterance.samples if samples is None else min(utterance.samples, start + samples)
        stored = self.audio[utterance.offset + start : utterance.offset + stop]
        return stored.astype(np.float32) / np.float32(32768)
