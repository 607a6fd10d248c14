"""Stage 2: the encoder learns which digits make a recogniser hear the same words (GRPO, as in ClariCodec).

Rule: rewards compare what is heard in decoded with what is heard in clean mels, so no transcripts are needed and no
vocoder is in the loop; the acoustic loss terms go on as regularisers on the digits that run time would send.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gateway.trainer.acoustic import AcousticBatch, AcousticTask, Clips
from gateway.trainer.policy import Rollout, advantages, log_probability, sample
from gateway.trainer.tasks import CODEC, Turn
from gateway.trainer.words import Lines, as_whisper_hears, next_words, teacher_lines, text_of


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
        rewards = self.rewards(batch, lines, rollout)
        gain = advantages(rewards).view(-1)
        surprise = log_probability(self.codec.quantizer, many, rollout, policy.sharpness)
        terms["policy"] = -(gain * surprise).mean()
        terms["reward"] = rewards.mean()
        terms["spread"] = (rewards.std(dim=1) > 1e-6).float().mean()
        yield CODEC, {"loss": loss + policy.weight * terms["policy"], **terms}

    @torch.no_grad()
    def rewards(self, batch: AcousticBatch, lines: list[list[int]], rollout: Rollout) -> Tensor:
        """Of every rollout, (clips, group): at most 0, for words as heard in the clean clip."""
        policy = self.recipe.policy
        assert self.hearing.listener is not None  # the task always has one
        with self.autocast():
            decoded = self.codec.decode_values(rollout.values, torch.zeros_like(rollout.values)).float()
            features = self.hearing.whisper.normalised(self.hearing.whisper(as_whisper_hears(decoded))[-1])
        heard = [text_of(line) for line in self.hearing.listener.lines(features)]
        wanted = [text_of(line) for line in lines for _ in range(policy.group)]
        errors = [error_rate(w, h, policy.characters) for w, h in zip(wanted, heard, strict=True)]
        rewards = -torch.tensor(errors, device=self.device)
        if policy.likelihood > 0:
            taught = teacher_lines([line for line in lines for _ in range(policy.group)], self.device)
            rewards = rewards + policy.likelihood * self.likelihood(features, taught)
        return rewards.view(len(lines), policy.group)

    def likelihood(self, features: Tensor, taught: Lines) -> Tensor:
        """Mean log-probability of the clean words in nats a token, per clip: (batch,)."""
        with self.autocast():
            logits = self.hearing.decoder.logits(self.hearing.decoder(features, taught.tokens)[taught.counts])
        losses = F.cross_entropy(logits.float(), next_words(taught), reduction="none")
        clip = taught.counts.nonzero()[:, 0]
        total = losses.new_zeros(len(taught.counts)).index_add_(0, clip, losses)
        return -total / taught.counts.sum(dim=1).clamp_min(1)
