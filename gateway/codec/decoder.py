"""Causal decoder: digit values with their doubt at 12.5 Hz to mels at 100 Hz.

Rule: an erased frame is a frame whose digits are all in full doubt; concealment is what the decoder makes of it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from gateway.codec.layers import ConvNextBlock, MemoryAttention, Upsample, states_of
from gateway.codec.spec import MELS, CodecSpec

DecoderState = tuple[Any, ...]


class Decoder(nn.Module):
    """Speaker memory and blocks at 12.5 Hz, then 25 and 50 Hz, and a linear head to pairs of mel frames."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        fast, middle, slow = spec.widths
        depths = spec.decoder_depths

        def block(width: int) -> ConvNextBlock:
            return ConvNextBlock(width, spec.kernel, spec.expansion)

        memory = [MemoryAttention(slow, spec.heads, spec.memory_frames) for _ in range(depths[2])]
        self.layers = nn.ModuleList(
            [
                *[layer for attention in memory for layer in (block(slow), attention)],
                Upsample(slow, middle),
                *[block(middle) for _ in range(depths[1])],
                Upsample(middle, fast),
                *[block(fast) for _ in range(depths[0])],
                Upsample(fast, MELS),
            ]
        )

    def initial_state(self, batch: int) -> DecoderState:
        return states_of(self.layers, batch)

    def forward(self, latent: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Latents (batch, n, width) to mels (batch, 8 n, 80) in the front end's units."""
        x = latent
        new: list[Any] = []
        for layer, old in zip(self.layers, state, strict=True):
            if isinstance(layer, Upsample):
                x = layer(x)
                new.append(None)
            else:
                x, old = layer(x, old)
                new.append(old)
        return x, tuple(new)
