"""Causal Vocos-like vocoder: mels to waveform by a ConvNeXt backbone and an inverse-STFT head (Siuzdak 2023).

Rule: frame t writes into the very samples its analysis window covered, so the only delay is the window's overlap.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gateway.codec.layers import CausalDepthwise, ConvNextBlock, states_of
from gateway.codec.spec import HOP, MELS, WINDOW, CodecSpec

BINS = WINDOW // 2 + 1
MAX_LOG_MAGNITUDE = 5.0
"""Bound on the head's log magnitude: no input, however damaged, makes a bang."""


def synthesis_basis() -> Tensor:
    """Inverse real DFT, windowed and normalised for overlap-add: (2 * 201, 400), rows for real then imaginary parts."""
    sample = torch.arange(WINDOW, dtype=torch.float64)
    k = torch.arange(BINS, dtype=torch.float64)[:, None]
    scale = torch.full((BINS, 1), 2.0 / WINDOW, dtype=torch.float64)
    scale[0] = scale[-1] = 1.0 / WINDOW
    angle = 2 * math.pi * k * sample / WINDOW
    window = torch.hann_window(WINDOW, dtype=torch.float64)
    envelope = torch.zeros(HOP, dtype=torch.float64)
    for start in range(0, WINDOW, HOP):
        part = window[start : start + HOP].square()
        envelope[: len(part)] += part
    # Sample n of the window overlaps those at n + 160 k, so the sum of squares depends on n mod 160 alone.
    weights = window / envelope[sample.long() % HOP]
    return (torch.cat([scale * torch.cos(angle), -scale * torch.sin(angle)]) * weights).float()


class VocoderState(NamedTuple):
    """Layer states and the tail (batch, 240) of samples that later frames still add to."""

    layers: tuple[Tensor, ...]
    tail: Tensor


class Vocoder(nn.Module):
    """Mels (batch, n, 80) to samples (batch, 160 n), delayed by 240 samples."""

    basis: Tensor

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        width = spec.vocoder_width
        self.embed = nn.Linear(MELS, width)
        self.context = CausalDepthwise(width, spec.kernel)
        self.embed_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            ConvNextBlock(width, spec.kernel, spec.expansion) for _ in range(spec.vocoder_depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2 * BINS)
        self.register_buffer("basis", synthesis_basis(), persistent=False)

    def initial_state(self, batch: int) -> VocoderState:
        layers = (self.context.initial_state(batch), *states_of(self.blocks, batch))
        return VocoderState(layers, self.basis.new_zeros(batch, WINDOW - HOP))

    def forward(self, mel: Tensor, state: VocoderState) -> tuple[Tensor, VocoderState]:
        x, first = self.context(self.embed(mel), state.layers[0])
        x = self.embed_norm(x)
        new = [first]
        for block, old in zip(self.blocks, state.layers[1:], strict=True):
            x, old = block(x, old)
            new.append(old)
        log_magnitude, phase = self.head(self.norm(x)).float().chunk(2, dim=-1)
        magnitude = log_magnitude.clamp_max(MAX_LOG_MAGNITUDE).exp()
        spectrum = torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], dim=-1)
        frames = spectrum @ self.basis
        samples, tail = overlap_add(frames, state.tail)
        return samples, VocoderState(tuple(new), tail)


def overlap_add(frames: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
    """Windowed frames (batch, n, 400) onto `tail` (batch, 240): finished samples (batch, 160 n) and the new tail."""
    batch, count, _ = frames.shape
    padded = torch.nn.functional.pad(frames, (0, 3 * HOP - WINDOW)).reshape(batch, count, 3, HOP)
    total = frames.new_zeros(batch, count + 2, HOP)
    total = total + torch.cat([padded[:, :, 0], frames.new_zeros(batch, 2, HOP)], dim=1)
    total = total + torch.cat(
        [frames.new_zeros(batch, 1, HOP), padded[:, :, 1], frames.new_zeros(batch, 1, HOP)], dim=1
    )
    total = total + torch.cat([frames.new_zeros(batch, 2, HOP), padded[:, :, 2]], dim=1)
    joined = total.reshape(batch, (count + 2) * HOP)
    length = tail.shape[1]
    joined = torch.cat([joined[:, :length] + tail.to(joined.dtype), joined[:, length:]], dim=1)
    return joined[:, : count * HOP], joined[:, count * HOP : count * HOP + length]
