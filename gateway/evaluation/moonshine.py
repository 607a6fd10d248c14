"""Moonshine tiny (Jeffries et al. 2024, arXiv 2410.15608): English, of another kind than Whisper.

It hears the waveform, not mels, was trained by other people on other speech, and neither training nor search has
anything of it: the judge of whether words are clearer or only Whisper is pleased.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.errors import EvaluationError
from gateway.evaluation.wer import primary_language

SAMPLE_RATE = 16_000
LONGEST_S = 30
"""As for Whisper, so that both hear the same."""


def knows(lang: str) -> bool:
    """Whether it knows a language: English."""
    return primary_language(lang) == "en"


class Moonshine:
    """Greedy, a clip in one piece: its own search for pauses is off."""

    name = "moonshine"

    def __init__(self) -> None:
        try:
            from moonshine_voice import ModelArch, MoonshineError, get_model_path
            from moonshine_voice.transcriber import Transcriber
        except ImportError as error:
            raise EvaluationError(
                "recogniser package moonshine-voice is not installed; install clarilink[evaluate]"
            ) from error
        folder = get_model_path("tiny-en")
        try:
            self._model = Transcriber(folder, ModelArch.TINY, options={"vad_threshold": 0})
        except MoonshineError as error:
            # From 0.1.1 on the package has no weights any more.
            raise EvaluationError(f"recogniser moonshine: {folder}: {error}; install moonshine-voice 0.1.0") from error

    def transcribe(self, pcm: NDArray[np.float32], lang: str = "en") -> str:
        """Text of up to 30 s of speech (samples,) at 16 kHz; `lang` must be English."""
        heard = np.nan_to_num(pcm[: LONGEST_S * SAMPLE_RATE])
        return " ".join(
            line.text for line in self._model.transcribe_without_streaming(heard.tolist(), SAMPLE_RATE).lines
        )
