"""Causal ConvNeXt V2 encoder: mels at 100 Hz to latents at 12.5 Hz, with a lookahead of L latent frames.

Beside its early stages runs, where the spec asks for it, what a speech recogniser knows (recognition.py).

Rule: all of the future the encoder ever sees enters at one layer, so L is a run-time choice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gateway.codec.layers import ConvNextBlock, Downsample, Lookahead, MemoryAttention, states_of
from gateway.codec.recognition import RecognitionBranch, RecognitionState
from gateway.codec.spec import MELS, CodecSpec


class EncoderState(NamedTuple):
    """One entry per stateful layer, in the order of the signal; `recognition` where there is such a branch."""

    early: tuple[Tensor, ...]
    recognition: RecognitionState | None
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
        self.recognition = (
            RecognitionBranch(spec.recognition_width, spec.recognition_depth, spec.recognition_frames, slow)
            if spec.recognition_depth
            else None
        )
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
        recognition = None if self.recognition is None else self.recognition.initial_state(batch)
        return EncoderState(early, recognition, self.lookahead.initial_state(batch), states_of(self.late, batch))

    def _early(self, mel: Tensor, state: EncoderState) -> tuple[Tensor, tuple[Tensor, ...], RecognitionState | None]:
        """All that needs no future: (batch, 8 n, 80) to (batch, n, width)."""
        x = self.stem(mel)
        new: list[Tensor] = []
        for block, old in zip(self.fast, state.early[: len(self.fast)], strict=True):
            x, after = block(x, old)
            new.append(after)
        x = self.to_middle(x)
        for block, old in zip(self.middle, state.early[len(self.fast) :], strict=True):
            x, after = block(x, old)
            new.append(after)
        x = self.to_slow(x)
        if self.recognition is None or state.recognition is None:
            return x, tuple(new), None
        recognised, recognition = self.recognition(mel, state.recognition)
        return x + recognised, tuple(new), recognition

    def _late(self, x: Tensor, states: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        new: list[Any] = []
        for layer, state in zip(self.late, states, strict=True):
            x, state = layer(x, state)
            new.append(state)
        return x, tuple(new)

    def forward(self, mel: Tensor, state: EncoderState, lookahead: int) -> tuple[Tensor, EncoderState]:
        """Mels (batch, 8 n, 80) to the latents whose lookahead is complete: (batch, n or fewer, width)."""
        x, early, recognition = self._early(mel, state)
        return self._after(x, state._replace(early=early, recognition=recognition), lookahead)

    def finish(self, state: EncoderState, lookahead: int) -> Tensor:
        """The latents still waiting for their future, which is now known to be nothing: (batch, waiting, width)."""
        batch, _, channels = state.waiting.shape
        nothing = torch.zeros(batch, lookahead, channels, dtype=state.waiting.dtype, device=state.waiting.device)
        return self._after(nothing, state, lookahead)[0]

    def _after(self, x: Tensor, state: EncoderState, lookahead: int) -> tuple[Tensor, EncoderState]:
        x, waiting = self.lookahead(x, state.waiting, lookahead)
        late = state.late
        if x.shape[1]:
            x, late = self._late(x, late)
        return x, state._replace(waiting=waiting, late=late)

    def train_path(self, mel: Tensor, gates: Tensor, position: Tensor | None = None) -> Tensor:
        """Whole clips on a fresh state with lookahead taps scaled by `gates`: (batch, n, width) for every n.

        `position` is the recognition branch's number of the first frame, 0 if None.
        """
        fresh = self.initial_state(mel.shape[0])
        if position is not None and fresh.recognition is not None:
            fresh = fresh._replace(recognition=fresh.recognition._replace(position=position))
        x, _, _ = self._early(mel, fresh)
        return self._late(self.lookahead.masked(x, gates), fresh.late)[0]
