"""How improbable the original's words become in what a listener gets, by a Whisper: the finest measure of words lost.

Counted errors show only what tips over; this moves with every small step, so that thirty clips tell apart what a
hundred clips of counted words do not. Fewer are better; the original's own figure is the least there is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.evaluation import moonshine
from gateway.evaluation.whisper import Whisper


def judges(recogniser: str) -> bool:
    """Whether a recogniser can say how probable a text is: Whispers can."""
    return recogniser != moonshine.Moonshine.name


class Nats:
    """By one Whisper, which reads every original once."""

    def __init__(self, name: str, threads: int = 2) -> None:
        self.name = name
        self._whisper = Whisper(name, threads)
        self._texts: dict[str, list[int]] = {}

    def __call__(
        self, clip: str, original: NDArray[np.float32], decoded: NDArray[np.float32], lang: str = "en"
    ) -> tuple[float, int]:
        """Nats of all tokens of the text that it hears in `original` (samples,), known by its `clip`, and how many
        tokens these are: 0 where it hears no word."""
        if clip not in self._texts:
            heard = self._whisper.tokens(self._whisper.mels(original), lang)
            self._texts[clip] = [token for token in heard if self._whisper.is_text(token)]
        text = self._texts[clip]
        if not text:
            return 0.0, 0
        return -float(self._whisper.log_probabilities(self._whisper.mels(decoded), text, lang).sum()), len(text)
