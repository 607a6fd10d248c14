"""Which of several codecs keeps words better: how probable the words of the original stay on decoded mels.

A recogniser reads the original once, then says for each codec how probable those words are, each word given the ones
before it. Word errors count only what tips over; this moves with every small step, so that sixty clips tell apart what
a hundred clips of counted words do not. Lower is better; the original's own figure is the least there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gateway.codec.model import CodecModel
from gateway.evaluation.report import Interval, interval
from gateway.evaluation.whisper import Whisper
from gateway.trainer.data import Corpus, Utterance
from gateway.trainer.evaluate import encoded, original_mels

RECOGNISERS = ("base", "tiny.en")
ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class Compared:
    """By one `recogniser`: nats a token by codec, the original first, and by how many each codec needs more than the
    first one, paired by clip; intervals by speaker."""

    recogniser: str
    clips: int
    nats: dict[str, Interval]
    more: dict[str, Interval]


def compare(
    codecs: Mapping[str, CodecModel], corpus: Corpus, clips: Iterable[Utterance], lookahead: int, threads: int = 2
) -> list[Compared]:
    """Decode the clips' mels, both stages, by every codec; clips without a word are left out."""
    recognisers = [Whisper(name, threads) for name in RECOGNISERS]
    rows: dict[str, list[tuple[str, int, list[float]]]] = {name: [] for name in RECOGNISERS}
    for clip in clips:
        mels = [original_mels(next(iter(codecs.values())), corpus, clip)]
        for model in codecs.values():
            values = encoded(model, mels[0], lookahead)
            with torch.inference_mode():
                mels.append(model.decode_values(values, torch.zeros_like(values)))
        heard = [mel[0].numpy() for mel in mels]
        for recogniser in recognisers:
            if text := [token for token in recogniser.tokens(heard[0]) if recogniser.is_text(token)]:
                nats = [-float(recogniser.log_probabilities(mel, text).sum()) for mel in heard]
                rows[recogniser.name].append((clip.speaker, len(text), nats))
    names = [ORIGINAL, *codecs]
    return [_compared(name, names, kept) for name, kept in rows.items() if kept]


def _compared(recogniser: str, names: list[str], rows: list[tuple[str, int, list[float]]]) -> Compared:
    speakers, tokens, nats = zip(*rows, strict=True)
    amounts, sizes = np.array(nats), np.array(tokens, np.float64)

    def each(given: NDArray[np.float64], chosen: list[str]) -> dict[str, Interval]:
        return {name: interval(speakers, column, sizes) for name, column in zip(chosen, given.T, strict=True)}

    return Compared(recogniser, len(rows), each(amounts, names), each(amounts[:, 2:] - amounts[:, 1:2], names[2:]))


def compared_as_text(figures: Iterable[Compared]) -> str:
    """A line for each recogniser and codec."""
    lines = []
    for by in figures:
        lines.append(f"{by.recogniser}, {by.clips} clips, nats a token (fewer is better):")
        for name, nats in by.nats.items():
            more = by.more.get(name)
            against = "" if more is None else f"  {more.value:+.3f} ({more.low:+.3f}..{more.high:+.3f}) to the first"
            lines.append(f"  {nats.value:.3f}  {name}{against}")
    return "\n".join(lines)
