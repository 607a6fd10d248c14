"""R-FSQ: two residual stages, each a projection to 4 digits of 8 levels, bounded as in iFSQ.

Rule: levels are the centres of 8 equal cells of (-1, 1); 2 sigmoid(1.6 z) - 1 sends a unit-variance z evenly over
them (iFSQ, arXiv 2601.17124; residual use as in ClariCodec, arXiv 2605.19541). Rounding passes gradients straight
through; there is no commitment loss.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gateway.codec.spec import DIGITS, DIGITS_PER_STAGE, LEVELS, STAGES


class Quantized(NamedTuple):
    """Digits (batch, t, 8) as integers 0..7, their level values in (-1, 1), and the unbounded projections."""

    digits: Tensor
    values: Tensor
    projections: Tensor


def level_value(digits: Tensor) -> Tensor:
    """Integers 0..7 to the cell centres -7/8, -5/8 ... 7/8."""
    return (2.0 * digits.float() + 1.0) / LEVELS - 1.0


def bounded(z: Tensor) -> Tensor:
    """iFSQ's map of the real line to (-1, 1)."""
    return 2.0 * torch.sigmoid(1.6 * z) - 1.0


def nearest_digit(y: Tensor) -> Tensor:
    """Values in (-1, 1) to the cell they lie in, 0..7."""
    return torch.floor((y + 1.0) * (LEVELS / 2)).clamp(0, LEVELS - 1)


class ResidualFsq(nn.Module):
    """Latents (batch, t, width) to digits, and digit values back to latents."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inputs = nn.ModuleList(nn.Linear(width, DIGITS_PER_STAGE) for _ in range(STAGES))
        outputs = [nn.Linear(DIGITS_PER_STAGE, width, bias=False) for _ in range(STAGES)]
        for stage in outputs:
            nn.init.normal_(stage.weight, std=0.5)
        self.outputs = nn.ModuleList(outputs)
        # What the decoder adds for digits it is unsure of, by how unsure it is (0 certain .. 1 erased).
        self.doubt = nn.Linear(DIGITS, width)

    def forward(self, latent: Tensor) -> Quantized:
        """Quantise; `values` carry straight-through gradients."""
        residual = self.norm(latent).float()
        digits, values, projections = [], [], []
        for project, restore in zip(self.inputs, self.outputs, strict=True):
            z = project(residual.to(latent.dtype)).float()
            y = bounded(z)
            digit = nearest_digit(y)
            value = y + (level_value(digit) - y).detach()
            residual = residual - restore(value.to(latent.dtype)).float()
            digits.append(digit.long())
            values.append(value)
            projections.append(z)
        return Quantized(torch.cat(digits, -1), torch.cat(values, -1), torch.cat(projections, -1))

    def restore(self, values: Tensor, doubt: Tensor) -> Tensor:
        """Level values and doubt, each (batch, t, 8), to latents (batch, t, width)."""
        first, second = values[..., :DIGITS_PER_STAGE], values[..., DIGITS_PER_STAGE:]
        return torch.as_tensor(self.outputs[0](first) + self.outputs[1](second) + self.doubt(doubt))


def unit_moments_loss(projections: Tensor) -> Tensor:
    """Usage regulariser: digits of zero mean, unit variance and no correlation use all 2^24 codes evenly."""
    z = projections.reshape(-1, DIGITS)
    mean = z.mean(dim=0)
    centred = z - mean
    covariance = centred.T @ centred / z.shape[0]
    return mean.square().mean() + (covariance - torch.eye(DIGITS, device=z.device)).square().mean()
