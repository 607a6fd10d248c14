"""The quantiser as a stochastic policy: digits drawn at random around the encoder's aim, with their log-probability.

Rule: logits of a digit's levels are -sharpness d^2, d being the distance to the level in steps between levels; hard
samples by Gumbel-max (ClariCodec, arXiv 2605.19541, section on reinforcement learning).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gateway.codec.quantizer import ResidualFsq, bounded, level_value
from gateway.codec.spec import DIGITS_PER_STAGE, LEVELS


class Rollout(NamedTuple):
    """Digits drawn (batch, t, 8), as integers 0..7 and as level values."""

    digits: Tensor
    values: Tensor


def level_logits(z: Tensor, sharpness: float) -> Tensor:
    """Unbounded projections (...) to log-probabilities of the 8 levels (..., 8)."""
    levels = level_value(torch.arange(LEVELS, device=z.device))
    steps = (bounded(z.float())[..., None] - levels) * (LEVELS / 2)
    return (-sharpness * steps.square()).log_softmax(-1)


@torch.no_grad()
def sample(quantizer: ResidualFsq, latent: Tensor, sharpness: float, generator: torch.Generator) -> Rollout:
    """Draw digits for latents (batch, t, width), the second stage given what the first drew."""
    residual = quantizer.norm(latent).float()
    digits, values = [], []
    for project, restore in zip(quantizer.inputs, quantizer.outputs, strict=True):
        logits = level_logits(project(residual), sharpness)
        uniform = torch.rand(logits.shape, generator=generator).clamp(1e-9, 1 - 1e-9).to(logits.device)
        digit = (logits - (-uniform.log()).log()).argmax(-1)
        value = level_value(digit)
        residual = residual - restore(value)
        digits.append(digit)
        values.append(value)
    return Rollout(torch.cat(digits, -1), torch.cat(values, -1))


def log_probability(quantizer: ResidualFsq, latent: Tensor, rollout: Rollout, sharpness: float) -> Tensor:
    """Of a frame's digits under the policy of latents (batch, t, width), their mean: (batch, t), with gradients."""
    residual = quantizer.norm(latent).float()
    total: Tensor = residual.new_zeros(residual.shape[:2])
    for stage, (project, restore) in enumerate(zip(quantizer.inputs, quantizer.outputs, strict=True)):
        mine = slice(stage * DIGITS_PER_STAGE, (stage + 1) * DIGITS_PER_STAGE)
        logits = level_logits(project(residual), sharpness)
        chosen = logits.gather(-1, rollout.digits[..., mine, None])[..., 0]
        total = total + chosen.mean(dim=2) / len(quantizer.inputs)
        residual = residual - restore(rollout.values[..., mine])
    return total


def advantages(rewards: Tensor) -> Tensor:
    """Group-relative advantages of rewards (clips, group): zero for groups that agree (GRPO, arXiv 2402.03300)."""
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    spread = rewards.std(dim=1, keepdim=True)
    return torch.where(spread > 1e-6, centred / (spread + 1e-4), torch.zeros_like(centred))
