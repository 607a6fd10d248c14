"""The encoder's recognition branch: a causal transformer over mels that begins as the encoder of a speech recogniser.

Rule: it sees whole code frames, never the future: what a later frame says about an earlier one enters through the
encoder's one lookahead layer. Sizes and arithmetic are those of Whisper's encoder (Radford et al. 2022), so its weights
fit; attention reaches over the frames of this and earlier code frames alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gateway.codec.spec import FRAME_HOPS, MELS

FRAMES_A_CODE = FRAME_HOPS // 2
"""Transformer frames of 20 ms in one code frame."""
POSITIONS = 1500
"""Positions come round after 30 s, as long as Whisper's longest input."""
HEAD_SIZE = 64
_PAST_MELS = 3
"""Mels before a code frame that its convolutions reach: two of kernel 3, the second with stride 2."""


class RecognitionState(NamedTuple):
    """Last mels (batch, 3, 80); keys and values (layers, batch, heads, memory, 64) with those that are real (memory,);
    number of the next frame, modulo `POSITIONS`."""

    mels: Tensor
    keys: Tensor
    values: Tensor
    filled: Tensor
    position: Tensor


def sinusoids(length: int, channels: int) -> Tensor:
    """Whisper's positions: (length, channels), sines then cosines of wavelengths from 2 pi to 20000 pi."""
    steps = torch.exp(-torch.arange(channels // 2) * (torch.log(torch.tensor(10_000.0)) / (channels // 2 - 1)))
    angles = torch.arange(length)[:, None] * steps[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class TransformerLayer(nn.Module):
    """Attention and feed-forward, each behind its norm, each residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`x` (batch, t, width) after `keys` and `values` (batch, heads, memory, 64) of earlier frames; `mask`
        (t, memory + t) is 0 or -inf. Gives the output and the keys and values with the new ones behind them."""
        batch, time, width = x.shape
        projected = self.project(self.attention_norm(x)).view(batch, time, 3, width // HEAD_SIZE, HEAD_SIZE)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        keys = torch.cat([keys.to(key.dtype), key], dim=2)
        values = torch.cat([values.to(value.dtype), value], dim=2)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask.to(query.dtype))
        x = x + self.attended(mixed.transpose(1, 2).flatten(2))
        return x + self.contract(F.gelu(self.expand(self.norm(x)))), keys, values


class RecognitionBranch(nn.Module):
    """Mels at 100 Hz to what a recogniser makes of them at 12.5 Hz: (batch, 8 n, 80) to (batch, n, outputs)."""

    positions: Tensor

    def __init__(self, width: int, depth: int, memory_frames: int, outputs: int) -> None:
        super().__init__()
        self.width, self.memory = width, (memory_frames - 1) * FRAMES_A_CODE
        self.first = nn.Linear(3 * MELS, width)
        self.second = nn.Linear(3 * width, width)
        self.register_buffer("positions", sinusoids(POSITIONS, width), persistent=False)
        self.layers = nn.ModuleList(TransformerLayer(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(FRAMES_A_CODE * width, outputs)

    def initial_state(self, batch: int) -> RecognitionState:
        weight = self.output.weight
        empty = weight.new_zeros(len(self.layers), batch, self.width // HEAD_SIZE, self.memory, HEAD_SIZE)
        none = torch.zeros(self.memory, dtype=torch.bool, device=weight.device)
        start = torch.zeros((), dtype=torch.long, device=weight.device)
        return RecognitionState(weight.new_zeros(batch, _PAST_MELS, MELS), empty, empty, none, start)

    def forward(self, mel: Tensor, state: RecognitionState) -> tuple[Tensor, RecognitionState]:
        joined = torch.cat([state.mels.to(mel.dtype), mel], dim=1)
        x = F.gelu(self.first(joined.unfold(1, 3, 1).flatten(2)))
        x = F.gelu(self.second(x.unfold(1, 3, 2).flatten(2)))
        time = x.shape[1]
        numbers = (state.position + torch.arange(time, device=x.device)) % POSITIONS
        x = x + self.positions[numbers]
        filled = torch.cat([state.filled, state.filled.new_ones(time)])
        mask = torch.where(filled & self._within_reach(time, x.device), 0.0, float("-inf"))
        keys, values = [], []
        for number, layer in enumerate(self.layers):
            x, key, value = layer(x, state.keys[number], state.values[number], mask)
            keys.append(key[:, :, time:])
            values.append(value[:, :, time:])
        grouped = self.norm(x).reshape(x.shape[0], time // FRAMES_A_CODE, FRAMES_A_CODE * self.width)
        after = RecognitionState(
            joined[:, joined.shape[1] - _PAST_MELS :],
            torch.stack(keys),
            torch.stack(values),
            filled[time:],
            (state.position + time) % POSITIONS,
        )
        return self.output(grouped), after

    def _within_reach(self, time: int, device: torch.device) -> Tensor:
        """Which keys each query may see (time, memory + time): those of its own and the last code frames."""
        query = (torch.arange(time, device=device) + self.memory)[:, None] // FRAMES_A_CODE
        key = torch.arange(self.memory + time, device=device) // FRAMES_A_CODE
        return (key <= query) & (key >= query - self.memory // FRAMES_A_CODE)
