"""Causal ConvNeXt V2 encoder: mels at 100 Hz to latents at 12.5 Hz, with a lookahead of L latent frames.

Rule: all of the future the encoder ever sees enters at one layer, so L is a run-time choice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gateway.codec.layers import ConvNextBlock, Downsample, Lookahead, MemoryAttention, states_of
from gateway.codec.spec import MELS, CodecSpec


class EncoderState(NamedTuple):
    """One entry per stateful layer, in the order of the signal."""

    early: tuple[Tensor, ...]
    waiting: Tensor
    late: tuple[Any, ...]


class Encoder(nn.Module):
    """Stages at 50, 25 and 12.5 Hz, lookahead, then blocks with speaker memory between them."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        fast, middle, slow = spec.widths
        depths = spec.encoder_depths

        def blocks(width: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(ConvNextBlock(width, spec.kernel, spec.expansion) for _ in range(count))

        self.stem = Downsample(MELS, fast, norm=False)
        self.fast = blocks(fast, depths[0])
        self.to_middle = Downsample(fast, middle)
        self.middle = blocks(middle, depths[1])
        self.to_slow = Downsample(middle, slow)
        self.lookahead = Lookahead(slow, spec.max_lookahead)
        memory = [MemoryAttention(slow, spec.heads, spec.memory_frames) for _ in range(depths[2] - 1)]
        self.late = nn.ModuleList(
            [
                *[layer for pair in zip(blocks(slow, depths[2] - 1), memory, strict=True) for layer in pair],
                ConvNextBlock(slow, spec.kernel, spec.expansion),
            ]
        )

    def initial_state(self, batch: int) -> EncoderState:
        early = states_of([*self.fast, *self.middle], batch)
        return EncoderState(early, self.lookahead.initial_state(batch), states_of(self.late, batch))

    def _early(self, mel: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        x = self.stem(mel)
        new: list[Tensor] = []
        for block, state in zip(self.fast, states[: len(self.fast)], strict=True):
            x, state = block(x, state)
            new.append(state)
        x = self.to_middle(x)
        for block, state in zip(self.middle, states[len(self.fast) :], strict=True):
            x, state = block(x, state)
            new.append(state)
        return self.to_slow(x), tuple(new)

    def _late(self, x: Tensor, states: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        new: list[Any] = []
        for layer, state in zip(self.late, states, strict=True):
            x, state = layer(x, state)
            new.append(state)
        return x, tuple(new)

    def forward(self, mel: Tensor, state: EncoderState, lookahead: int) -> tuple[Tensor, EncoderState]:
        """Mels (batch, 8 n, 80) to the latents whose lookahead is complete: (batch, n or fewer, width)."""
        x, early = self._early(mel, state.early)
        return self._after(x, early, state, lookahead)

    def finish(self, state: EncoderState, lookahead: int) -> Tensor:
        """The latents still waiting for their future, which is now known to be nothing: (batch, waiting, width)."""
        batch, _, channels = state.waiting.shape
        nothing = torch.zeros(batch, lookahead, channels, dtype=state.waiting.dtype, device=state.waiting.device)
        return self._after(nothing, state.early, state, lookahead)[0]

    def _after(
        self, x: Tensor, early: tuple[Tensor, ...], state: EncoderState, lookahead: int
    ) -> tuple[Tensor, EncoderState]:
        x, waiting = self.lookahead(x, state.waiting, lookahead)
        if x.shape[1] == 0:
            return x, EncoderState(early, waiting, state.late)
        x, late = self._late(x, state.late)
        return x, EncoderState(early, waiting, late)

    def train_path(self, mel: Tensor, gates: Tensor) -> Tensor:
        """Whole clips on a fresh state with lookahead taps scaled by `gates`: (batch, n, width) for every n."""
        fresh = self.initial_state(mel.shape[0])
        x, _ = self._early(mel, fresh.early)
        return self._late(self.lookahead.masked(x, gates), fresh.late)[0]
