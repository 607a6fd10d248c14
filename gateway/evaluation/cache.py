"""Recognised texts, remembered by the sound they came from, so that running a table again costs only what changed.

Rule: the key is the sound itself with recogniser and language, so a stale text cannot be found for a changed system.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.evaluation.asr import Recogniser, load_recogniser

FILE_NAME = "transcripts.jsonl"
METHOD = "greedy int8 1"
"""Part of the key: change it with anything in how `Recogniser` decodes."""


class RememberingRecogniser:
    """As `Recogniser`, with texts kept in a file of JSON lines; the model is loaded at the first sound not known."""

    def __init__(self, name: str, folder: Path, threads: int = 2) -> None:
        self.name = name
        self._threads = threads
        self._recogniser: Recogniser | None = None
        self._path = folder / FILE_NAME
        folder.mkdir(parents=True, exist_ok=True)
        self._texts = _read(self._path)
        # A run that was stopped may have left half a line: new ones must not be glued to it.
        if self._path.is_file() and not self._path.read_bytes().endswith(b"\n"):
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def transcribe(self, pcm: NDArray[np.float32], lang: str = "en") -> str:
        """Text of up to 30 s of speech (samples,) at 16 kHz."""
        digest = hashlib.sha256(f"{METHOD}|{self.name}|{lang}|".encode())
        digest.update(np.ascontiguousarray(pcm, dtype="<f4").tobytes())
        key = digest.hexdigest()
        if key not in self._texts:
            self._recogniser = self._recogniser or load_recogniser(self.name, self._threads)
            text = self._recogniser.transcribe(pcm, lang)
            self._texts[key] = text
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "text": text}) + "\n")
        return self._texts[key]


def _read(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                texts[str(entry["key"])] = str(entry["text"])
            except (ValueError, KeyError, TypeError):
                continue  # half a line: heard again when needed
    return texts
