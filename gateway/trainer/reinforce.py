"""Stage 2: the encoder learns which digits make a recogniser hear the same words (GRPO, as in ClariCodec).

Rule: rewards compare what is heard in decoded with what is heard in clean mels, so no transcripts are needed and no
vocoder is in the loop; the acoustic loss terms go on as regularisers on the digits that run time would send.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gateway.codec.model import CodecModel
from gateway.trainer.acoustic import FEATURES_A_LATENT, AcousticTask, Clips
from gateway.trainer.credit import Aligner, by_frame
from gateway.trainer.policy import Rollout, advantages, log_probability, sample
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.tasks import CODEC, Turn
from gateway.trainer.whisper import tiny_en_path
from gateway.trainer.words import PROMPT, as_whisper_hears, next_words, teacher_lines, text_of


@lru_cache(1 << 16)
def error_rate(reference: str, heard: str, characters: float) -> float:
    """Word errors mixed with `characters` parts of character errors, each over the reference and at most 1."""
    import jiwer

    if not reference:
        return float(bool(heard))
    words = min(1.0, jiwer.wer(reference, heard))
    return float((1 - characters) * words + characters * min(1.0, jiwer.cer(reference, heard)))


class ReinforceTask(AcousticTask):
    """Acoustic terms on rounded digits, and the policy gradient of a group of sampled ones for every clip."""

    def __init__(self, codec: CodecModel, recipe: TrainRecipe, data: Path, device: torch.device) -> None:
        super().__init__(codec, recipe, data, device)
        credited = recipe.policy.credit > 0
        self._aligner = Aligner(tiny_en_path().parent, recipe.threads) if credited else None

    def reads(self) -> bool:
        """Always: rewards are words."""
        return True

    def step(self, drawn: Clips, rng: np.random.Generator, step: int) -> Iterator[Turn]:
        policy = self.recipe.policy
        batch = self.place(drawn)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        with self.autocast():
            waiting = self.hearing.lines(batch.target)
            terms, _ = self.acoustic_terms(batch, waiting)
        lines = waiting()
        loss = self.weighed(terms)
        # Once more through the encoder, uncompiled and in float32: a log-probability is a small difference.
        latent = self.codec.encoder.train_path(batch.heard, batch.gates)
        many = latent.repeat_interleave(policy.group, dim=0)
        rollout = sample(self.codec.quantizer, many, policy.sharpness, generator)
        features = self.features(rollout)
        words = self.word_chances(features, lines)
        rewards = self.rewards(features, lines, words)
        gain = advantages(rewards)[..., None]
        if self._aligner is not None:
            clean = self.hearing.whisper.normalised(batch.target[-1])
            frames = latent.shape[1]
            spans = self._aligner.spans(clean, lines, frames * FEATURES_A_LATENT)
            gain = gain + policy.credit * by_frame(words, spans, frames)
        chances = log_probability(self.codec.quantizer, many, rollout, policy.sharpness)
        terms["policy"] = -(gain * chances.view(len(lines), policy.group, -1)).mean()
        terms["reward"] = rewards.mean()
        terms["nats"] = -words.sum() / (policy.group * max(1, sum(map(len, lines))))
        terms["spread"] = (rewards.std(dim=1) > 1e-6).float().mean()
        yield CODEC, {"loss": loss + policy.weight * terms["policy"], **terms}

    @torch.no_grad()
    def features(self, rollout: Rollout) -> Tensor:
        """What the recogniser makes of every rollout: (clips x group, frames, width)."""
        with self.autocast():
            decoded = self.codec.decode_values(rollout.values, torch.zeros_like(rollout.values)).float()
            return self.hearing.whisper.normalised(self.hearing.whisper(as_whisper_hears(decoded))[-1])

    @torch.no_grad()
    def word_chances(self, features: Tensor, lines: list[list[int]]) -> Tensor:
        """Log-probability of every clean word in each rollout, those before it given, in nats: (clips, group, tokens),
        zero beyond a line's end."""
        group = self.recipe.policy.group
        taught = teacher_lines([line for line in lines for _ in range(group)], self.device)
        with self.autocast():
            logits = self.hearing.decoder.logits(self.hearing.decoder(features, taught.tokens)[taught.counts])
        chances = features.new_zeros(taught.counts.shape, dtype=torch.float32)
        chances[taught.counts] = -F.cross_entropy(logits.float(), next_words(taught), reduction="none")
        # The first prediction that counts is made at the prompt's last token; the last one is of the line's end.
        chances = chances[:, len(PROMPT) - 1 :]
        sizes = torch.tensor([len(line) for line in lines for _ in range(group)], device=self.device)
        chances = chances * (torch.arange(chances.shape[1], device=self.device) < sizes[:, None])
        return chances.view(len(lines), group, -1)

    @torch.no_grad()
    def rewards(self, features: Tensor, lines: list[list[int]], words: Tensor) -> Tensor:
        """Of every rollout, (clips, group): at most 0, for words as heard in the clean clip."""
        policy = self.recipe.policy
        sizes = torch.tensor([max(1, len(line)) for line in lines], device=self.device)
        rewards = policy.likelihood * words.sum(dim=2) / sizes[:, None]
        if policy.errors > 0:
            assert self.hearing.listener is not None  # the task always has one
            heard = [text_of(line) for line in self.hearing.listener.lines(features)]
            wanted = [text_of(line) for line in lines for _ in range(policy.group)]
            errors = [error_rate(w, h, policy.characters) for w, h in zip(wanted, heard, strict=True)]
            rewards = rewards - policy.errors * torch.tensor(errors, device=self.device).view_as(rewards)
        return rewards
