"""Credit where it is due: of a rollout's words, each is put down to the digits of the frames in which it is said.

A reward for a whole clip tells each of its digits apart from all others only over very many rollouts. A word's own
log-probability, given those before it, depends on little more than the sound from just before it to its end.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gateway.trainer.acoustic import FEATURES_A_LATENT
from gateway.trainer.words import PROMPT, FastWhisper

BEFORE = 4
"""Code frames before a word's first whose digits still shape its sound: a decoder's memory, and a word's onset."""
AFTER = 1
"""Code frames after its last: where one word ends and the next begins is known to a frame or so."""


class Aligner(FastWhisper):
    """When every token is said, by the attention of Whisper's alignment heads."""

    def spans(self, features: Tensor, lines: list[list[int]], frames: int) -> list[NDArray[np.int64]]:
        """Of each line (tokens,) in normalised encoder outputs (clips, any, width), of which `frames` are speech: the
        first and last of them for every token, (tokens, 2)."""
        spoken = [clip for clip, line in enumerate(lines) if line]
        if not spoken:
            return [np.zeros((0, 2), np.int64) for _ in lines]
        array = np.ascontiguousarray(features[spoken].detach().float().cpu().numpy())
        found = self._model.align(self._storage(array), [PROMPT[0]], [lines[clip] for clip in spoken], frames)
        pairs = dict(zip(spoken, (result.alignments for result in found), strict=True))
        return [_spans(pairs.get(clip, []), len(line)) for clip, line in enumerate(lines)]


def _spans(pairs: list[tuple[int, int]], tokens: int) -> NDArray[np.int64]:
    """Warping path of (token, frame) pairs to spans; the end of the text has one too, which is left out."""
    spans = np.full((tokens, 2), -1, np.int64)
    for token, frame in pairs:
        if token < tokens:
            if spans[token, 0] < 0:
                spans[token, 0] = frame
            spans[token, 1] = frame
    return spans


def by_frame(words: Tensor, spans: list[NDArray[np.int64]], frames: int) -> Tensor:
    """What rollouts make of each word, (clips, group, tokens), as advantages of their code frames, (clips, group,
    frames): over a clip's group their mean is zero, over the batch their mean square one."""
    centred = words - words.mean(dim=1, keepdim=True)
    answers = torch.zeros(len(spans), words.shape[2], frames)
    for clip, spoken in enumerate(spans):
        for token, (first, last) in enumerate(spoken.tolist()):
            if first >= 0:
                begin = max(0, first // FEATURES_A_LATENT - BEFORE)
                answers[clip, token, begin : last // FEATURES_A_LATENT + AFTER + 1] = 1.0
    credit = centred @ answers.to(words.device)
    return credit / (credit.square().mean().sqrt() + 1e-4)
