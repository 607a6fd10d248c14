"""Words as a loss: Whisper says what it hears in the clean speech, then is held to it on the decoded speech.

Rule: the text is the recogniser's own, so no transcripts are needed and its spelling costs nothing; what is compared is
its distribution over the next token, given the same tokens before, for clean and for decoded mels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gateway.errors import CheckpointError

PROMPT = (50257, 50362)
"""<|startoftranscript|> and <|notimestamps|> of the English models."""
END = 50256
MAX_TOKENS = 28
"""Prompt, words and end: 3.84 s of speech rarely have more than 20 tokens."""
TAIL_FRAMES = 64
"""Silence after the clip: Whisper hears an end of speech there, and repeats itself less."""
DYNAMIC_RANGE = 2.0
"""Whisper's floor below the loudest bin of a clip, in its units (8 decades)."""


def as_whisper_hears(mel: Tensor) -> Tensor:
    """Mels (batch, frames, 80) with Whisper's floor, and silence after them: (batch, frames + 64, 80)."""
    floor = mel.amax(dim=(1, 2), keepdim=True) - DYNAMIC_RANGE
    silence = floor.expand(-1, TAIL_FRAMES, mel.shape[2])
    return torch.cat([torch.maximum(mel, floor), silence], dim=1)


class Listener:
    """Greedy transcripts as tokens, by CTranslate2 in int8: many times faster than the same in PyTorch."""

    def __init__(self, folder: Path, threads: int) -> None:
        try:
            import ctranslate2
        except ImportError as error:
            raise CheckpointError("ctranslate2 is not installed; install clarilink[train]") from error
        self._storage = ctranslate2.StorageView.from_array
        self._model = ctranslate2.models.Whisper(str(folder), compute_type="int8", intra_threads=threads)

    def tokens(self, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Of `as_whisper_hears` mels: tokens (batch, n) from prompt to end, and which of them count (batch, n - 1).

        Counted are the predictions of words and end; padding, and clips in which Whisper found no end (it repeats
        itself there), are not.
        """
        array = np.ascontiguousarray(heard.float().numpy().transpose(0, 2, 1))
        found = self._model.generate(
            self._storage(array), [list(PROMPT)] * len(array), beam_size=1, max_length=MAX_TOKENS
        )
        tokens = torch.full((len(array), MAX_TOKENS), END)
        counts = torch.zeros(len(array), MAX_TOKENS - 1, dtype=torch.bool)
        for row, result in enumerate(found):
            words = [t for t in result.sequences_ids[0] if t != END]
            if len(words) + len(PROMPT) + 1 > MAX_TOKENS:
                continue
            line = [*PROMPT, *words, END]
            tokens[row, : len(line)] = torch.tensor(line)
            counts[row, len(PROMPT) - 1 : len(line) - 1] = True
        return tokens, counts


def divergence(decoded: Tensor, clean: Tensor) -> Tensor:
    """Mean KL divergence in nats a token, from clean to decoded logits, both (n, tokens); 0 if there are none."""
    if not len(decoded):
        return decoded.sum() * 0.0
    return F.kl_div(
        F.log_softmax(decoded.float(), -1), F.log_softmax(clean.float(), -1), reduction="batchmean", log_target=True
    )
