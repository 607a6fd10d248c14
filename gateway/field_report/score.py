"""How many words of an over were kept: a recogniser hears both sides, and its texts are compared.

Rule: without recogniser the report has no scores and says why. What people understood is not measured here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray
from gateway.errors import EvaluationError
from gateway.evaluation.asr import Recogniser, hears, load_recogniser
from gateway.evaluation.quality import measure
from gateway.evaluation.wer import normalise, word_errors

PIECE_S, QUIET_S = 28.0, 8.0
"""Recognisers hear 30 s at a time; pieces are cut where it is quietest in the last 8 s of them."""


@dataclass(frozen=True, slots=True)
class Score:
    """Words of one over: `wrong` of `words` differ between what was heard and `reference`, which is the transcript
    where there is one (then `lost_before` of them are what the recogniser gets wrong in what was said, too)."""

    reference: str
    has_transcript: bool
    said_text: str
    heard_text: str
    words: int
    wrong: int
    lost_before: int
    stoi: float | None = None

    @property
    def word_error(self) -> float | None:
        """Share of words."""
        return self.wrong / self.words if self.words else None


def open_listener(name: str, language: str, threads: int = 2) -> Recogniser:
    """The recogniser of that name. Raises EvaluationError where it is not installed or does not know the language."""
    if not hears(name, language):
        raise EvaluationError(f"recogniser {name!r} does not know the language {language!r}")
    return load_recogniser(name, threads)


def text_of(listener: Recogniser, pcm: FloatArray, language: str) -> str:
    """What is recognised, of any length."""
    return " ".join(filter(None, (listener.transcribe(piece, language) for piece in pieces(pcm))))


def pieces(pcm: FloatArray) -> list[FloatArray]:
    """Parts of at most 28 s, cut in the quietest 100 ms near their ends."""
    found = []
    longest, search = int(PIECE_S * SAMPLE_RATE_HZ), int(QUIET_S * SAMPLE_RATE_HZ)
    while len(pcm) > longest:
        part = np.abs(pcm[longest - search : longest])
        window = SAMPLE_RATE_HZ // 10
        loudness = np.convolve(part, np.ones(window, np.float32), "valid")
        cut = longest - search + int(np.argmin(loudness)) + window // 2
        found.append(pcm[:cut])
        pcm = pcm[cut:]
    return [*found, pcm] if len(pcm) >= SAMPLE_RATE_HZ // 10 else found


def score(said_text: str, heard_text: str, transcript: str, language: str, stoi: float | None = None) -> Score:
    """Words wrong in `heard_text`, against `transcript` or, if that is empty, against `said_text`."""
    reference = normalise(transcript or said_text, language)
    heard = normalise(heard_text, language)
    before = word_errors(reference, normalise(said_text, language)) if transcript else 0
    return Score(
        reference=transcript or said_text,
        has_transcript=bool(transcript),
        said_text=said_text,
        heard_text=heard_text,
        words=len(reference.split()),
        wrong=word_errors(reference, heard) if reference else 0,
        lost_before=before,
        stoi=stoi,
    )


def stoi_of(said: FloatArray, heard: FloatArray, lag_s: float) -> float | None:
    """STOI of `heard`, moved by the measured lag; None where it cannot be judged or its package is not installed."""
    try:
        judge = measure("stoi")
    except EvaluationError:
        return None
    shift = round(lag_s * SAMPLE_RATE_HZ)
    a, b = (said, heard[shift:]) if shift >= 0 else (said[-shift:], heard)
    length = min(len(a), len(b))
    if length < SAMPLE_RATE_HZ // 2:
        return None
    # What was never heard counts as silence.
    padded = np.pad(b[: len(a)], (0, max(0, len(a) - len(b))))
    return judge(a, padded)
