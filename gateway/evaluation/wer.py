"""Word errors: texts made comparable, and counted.

Rule: recognisers tend to loop on bad speech, so errors are clipped at the reference's length.
"""

from __future__ import annotations

from functools import lru_cache

from gateway.errors import EvaluationError

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})
"""Languages written without spaces: every character counts as a word there, as in Whisper's own evaluation."""


def primary_language(lang: str) -> str:
    """The primary language of a BCP 47 tag, without script and region: "zh-HK" is "zh". Whisper's codes are these."""
    return lang.split("-")[0].lower()


@lru_cache
def _normalisers() -> tuple[object, object, object]:
    try:
        from whisper_normalizer.basic import BasicTextNormalizer
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError as error:
        raise EvaluationError("whisper-normalizer is not installed; install clarilink[evaluate]") from error
    return EnglishTextNormalizer(), BasicTextNormalizer(), BasicTextNormalizer(split_letters=True)


def normalise(text: str, lang: str = "en") -> str:
    """Whisper's own text normalisation: case, punctuation, numbers, spelling variants; letters apart if `UNSPACED`."""
    english, basic, by_letter = _normalisers()
    code = primary_language(lang)
    chosen = english if code == "en" else by_letter if code in UNSPACED else basic
    return str(chosen(text)).strip()  # type: ignore[operator]


def word_errors(reference: str, hypothesis: str) -> int:
    """Substitutions, deletions and insertions, at most the number of reference words (1 for an empty reference)."""
    import jiwer

    words = len(reference.split())
    if words == 0:
        return min(1, len(hypothesis.split()))
    output = jiwer.process_words(reference, hypothesis)
    return int(min(words, output.substitutions + output.deletions + output.insertions))
