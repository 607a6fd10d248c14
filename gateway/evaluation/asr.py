"""Speech recognisers by name, their weights inside packages: nothing is downloaded."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.errors import EvaluationError
from gateway.evaluation import moonshine, whisper

RECOGNISERS = ("base", "tiny.en", "moonshine")
"""Whisper base and tiny.en, and Moonshine tiny."""


class Recogniser(Protocol):
    """Writes down what it hears."""

    name: str

    def transcribe(self, pcm: NDArray[np.float32], lang: str = "en") -> str:
        """Text of up to 30 s of speech (samples,) at 16 kHz; `lang` (BCP 47) must be one that it `hears`."""
        ...


def load_recogniser(name: str, threads: int = 2) -> Recogniser:
    """The recogniser of that name; `threads` is for Whisper alone. Raises EvaluationError where it is not installed."""
    _check(name)
    return moonshine.Moonshine() if name == moonshine.Moonshine.name else whisper.Whisper(name, threads)


def hears(name: str, lang: str) -> bool:
    """Whether a recogniser knows a language, a BCP 47 tag."""
    _check(name)
    return moonshine.knows(lang) if name == moonshine.Moonshine.name else whisper.knows(name, lang)


def _check(name: str) -> None:
    if name not in RECOGNISERS:
        raise EvaluationError(f"recogniser {name!r} is not known; there are {', '.join(RECOGNISERS)}")
