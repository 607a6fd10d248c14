"""How well words survive in decoded mels, which is what a run of the codec is judged by, and in the vocoder's sound.

Rule: the recogniser hears original mels and decoded mels in one run; the figure is its word errors between the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gateway.codec.level import TARGET_LEVEL_DB
from gateway.codec.model import CodecModel
from gateway.codec.spec import FRAME_SAMPLES
from gateway.errors import ConfigError
from gateway.evaluation.wer import normalise, word_errors
from gateway.evaluation.whisper import Whisper
from gateway.trainer.data import Corpus, Utterance


@dataclass(frozen=True, slots=True)
class DevFigures:
    """Over the chosen dev clips: word error rate against the recogniser's own text of the original, and mel L1.

    `dwer_sound` is of the vocoder's sound, at 300 bit/s; the others need no vocoder.
    """

    clips: int
    dwer: float
    dwer_sound: float
    dwer_stage_one: float
    mel: float


def choose_clips(corpus: Corpus, count: int, source: str = "cv") -> list[Utterance]:
    """Every k-th English dev clip whose source starts with `source`, `count` of them."""
    clips = [
        u for u in corpus.split("dev") if u.lang == "en" and u.source.startswith(source) and u.samples < 15 * 16000
    ]
    if not clips:
        raise ConfigError(f"no English dev clips of source {source}*")
    return [clips[int(i)] for i in np.linspace(0, len(clips) - 1, min(count, len(clips)))]


def original_mels(model: CodecModel, corpus: Corpus, clip: Utterance) -> torch.Tensor:
    """Mels (1, 8 n, 80) of a clip at the level that the codec works at."""
    pcm = corpus.pcm(clip) * 10 ** ((TARGET_LEVEL_DB - clip.level_db) / 20)
    pcm = np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES)).astype(np.float32)
    with torch.inference_mode():
        return model.mels(torch.from_numpy(pcm)[None])


def encoded(model: CodecModel, mel: torch.Tensor, lookahead: int) -> torch.Tensor:
    """Level values (1, n, 8) of mels (1, 8 n, 80)."""
    gates = torch.tensor([1.0 if k < lookahead else 0.0 for k in range(model.spec.max_lookahead)])
    with torch.inference_mode():
        return model.encode_mels(mel, gates).values


def evaluate_mels(
    model: CodecModel, corpus: Corpus, clips: list[Utterance], lookahead: int, listening: CodecModel | None = None
) -> DevFigures:
    """Decode the clips' mels with both stages and with stage 1 alone, by decoder and vocoder of `listening` if that is
    given; recognise; count."""
    listening = listening or model
    recogniser = Whisper("tiny.en")

    def recognise(mel: torch.Tensor) -> str:
        return normalise(recogniser.transcribe_mels(mel[0].numpy()))

    errors, errors_sound, errors_one, words, mel_sum = 0.0, 0.0, 0.0, 0, 0.0
    for clip in clips:
        mel = original_mels(model, corpus, clip)
        values = encoded(model, mel, lookahead)
        with torch.inference_mode():
            whole = listening.decode_values(values, torch.zeros_like(values))
            again = model.mels(listening.sound(whole))
            doubt = torch.zeros_like(values)
            doubt[..., 4:] = 1.0
            half = listening.decode_values(values * (1 - doubt), doubt)
        reference = recognise(mel)
        count = max(1, len(reference.split()))
        words += count
        errors += word_errors(reference, recognise(whole))
        errors_sound += word_errors(reference, recognise(again))
        errors_one += word_errors(reference, recognise(half))
        mel_sum += float((whole - mel).abs().mean())
    return DevFigures(len(clips), errors / words, errors_sound / words, errors_one / words, mel_sum / len(clips))
