"""Causal layers with explicit state: `initial_state(batch)` and `forward(x, state) -> (y, state)`.

Rule: a module holds weights only. Offline use is one long chunk on a fresh state, so streaming and offline cannot
drift apart. Tensors are (batch, time, channels) throughout.
Shapes and streaming state follow the practice of Mimi (Defossez et al. 2024); blocks are ConvNeXt V2 (Woo et al. 2023).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalDepthwise(nn.Module):
    """Depthwise convolution over the last `kernel` frames; state is the last kernel - 1 inputs."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(kernel, channels) * kernel**-0.5)
        self.bias = nn.Parameter(torch.zeros(channels))

    def initial_state(self, batch: int) -> Tensor:
        kernel, channels = self.weight.shape
        return self.weight.new_zeros(batch, kernel - 1, channels)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, t, channels) to the same shape."""
        joined = torch.cat([state.to(x.dtype), x], dim=1)
        time = x.shape[1]
        if torch.is_inference_mode_enabled():
            # With a handful of frames calls cost more than sums: three here, two a tap below (76 us become 10).
            y = (joined.unfold(1, len(self.weight), 1).transpose(2, 3) * self.weight).sum(dim=2) + self.bias
        else:  # a compiler makes one loop of these
            y = self.bias + joined[:, :time] * self.weight[0]
            for tap in range(1, self.weight.shape[0]):
                y = y + joined[:, tap : tap + time] * self.weight[tap]
        return y, joined[:, time:]


class GlobalResponseNorm(nn.Module):
    """ConvNeXt V2's response normalisation, over the channels of each frame alone: never over time, so it is causal."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        magnitude = x.abs()
        response = magnitude / (magnitude.mean(dim=-1, keepdim=True) + 1e-4)
        return x + self.gain * (x * response) + self.bias


class ConvNextBlock(nn.Module):
    """Causal ConvNeXt V2 block: depthwise, norm, expand, GELU, GRN, contract, residual."""

    def __init__(self, channels: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = CausalDepthwise(channels, kernel)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, channels * expansion)
        self.grn = GlobalResponseNorm(channels * expansion)
        self.contract = nn.Linear(channels * expansion, channels)
        nn.init.normal_(self.contract.weight, std=0.3 * (channels * expansion) ** -0.5)
        nn.init.zeros_(self.contract.bias)

    def initial_state(self, batch: int) -> Tensor:
        return self.depthwise.initial_state(batch)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        y, state = self.depthwise(x, state)
        y = self.contract(self.grn(F.gelu(self.expand(self.norm(y)), approximate="tanh")))
        return x + y, state


class MemoryState(NamedTuple):
    """Keys and values (batch, heads, memory, size) of the last frames, and which are real (batch, memory)."""

    keys: Tensor
    values: Tensor
    filled: Tensor


class MemoryAttention(nn.Module):
    """Causal attention over the last `memory` frames: the speaker memory of one over.

    Positions enter as a learnt bias per head and distance, so the layer has no notion of absolute time.
    """

    distance: Tensor

    def __init__(self, channels: int, heads: int, memory: int) -> None:
        super().__init__()
        self.heads, self.memory, self.size = heads, memory, channels // heads
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)
        nn.init.normal_(self.output.weight, std=0.3 * channels**-0.5)
        nn.init.zeros_(self.output.bias)
        slopes = torch.linspace(0.0, 0.3, heads)[:, None]
        self.bias = nn.Parameter(-slopes * torch.arange(memory))

    def initial_state(self, batch: int) -> MemoryState:
        empty = self.bias.new_zeros(batch, self.heads, self.memory - 1, self.size)
        return MemoryState(empty, empty, torch.zeros(batch, self.memory - 1, dtype=torch.bool, device=empty.device))

    def forward(self, x: Tensor, state: MemoryState) -> tuple[Tensor, MemoryState]:
        """(batch, t, channels) to the same shape."""
        batch, time, channels = x.shape
        qkv = self.project(self.norm(x)).view(batch, time, 3, self.heads, self.size)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        keys = torch.cat([state.keys.to(key.dtype), key], dim=2)
        values = torch.cat([state.values.to(value.dtype), value], dim=2)
        filled = torch.cat([state.filled, state.filled.new_ones(batch, time)], dim=1)
        mask = torch.where(filled[:, None, None, :], distance_bias(self.bias, time), float("-inf")).to(query.dtype)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        y = x + self.output(mixed.transpose(1, 2).reshape(batch, time, channels))
        return y, MemoryState(keys[:, :, time:], values[:, :, time:], filled[:, time:])


def distance_bias(bias: Tensor, time: int) -> Tensor:
    """What attention with a `bias` (heads, memory) for each distance adds to the logits of query i (frame
    memory - 1 + i of the keys) for key j: (heads, time, keys); -inf for keys out of reach."""
    memory = bias.shape[1]
    if time == 1:  # as in a stream, where every key is within reach
        return bias.flip(1)[:, None]
    ahead = torch.arange(time, device=bias.device)[:, None] + (memory - 1)
    distance = ahead - torch.arange(memory - 1 + time, device=bias.device)
    inside = (distance >= 0) & (distance < memory)
    return torch.where(inside, bias[:, distance.clamp(0, memory - 1)], float("-inf"))


class Lookahead(nn.Module):
    """Adds up to `max_frames` future frames to each frame; fewer are used by masking the later taps."""

    def __init__(self, channels: int, max_frames: int) -> None:
        super().__init__()
        self.channels, self.max_frames = channels, max_frames
        self.taps = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in range(max_frames))

    def initial_state(self, batch: int) -> Tensor:
        """Frames waiting for their future; none at first: (batch, 0, channels)."""
        return torch.zeros(batch, 0, self.channels)

    def forward(self, x: Tensor, state: Tensor, lookahead: int) -> tuple[Tensor, Tensor]:
        """(batch, t, channels) to (batch, t + waiting - lookahead, channels): frames whose future is known."""
        joined = torch.cat([state.to(x.dtype).to(x.device), x], dim=1)
        ready = max(0, joined.shape[1] - lookahead)
        y = joined[:, :ready]
        for k in range(lookahead if ready else 0):
            y = y + self.taps[k](joined[:, k + 1 : k + 1 + ready])
        return y, joined[:, ready:]

    def masked(self, x: Tensor, gates: Tensor) -> Tensor:
        """Training path of fixed shape: tap k is scaled by gates[k] (0 or 1); beyond the end lie zeros."""
        time = x.shape[1]
        padded = F.pad(x, (0, 0, 0, self.max_frames))
        y = x
        for k, tap in enumerate(self.taps):
            y = y + gates[k] * tap(padded[:, k + 1 : k + 1 + time])
        return y


class Downsample(nn.Module):
    """Pairs of frames become one: a stride-2 convolution of kernel 2, so chunks need no state."""

    def __init__(self, inputs: int, outputs: int, norm: bool = True) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs) if norm else nn.Identity()
        self.project = nn.Linear(2 * inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, channels = x.shape
        return torch.as_tensor(self.project(self.norm(x).reshape(batch, time // 2, 2 * channels)))


class Upsample(nn.Module):
    """One frame becomes a pair."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.norm = nn.LayerNorm(inputs)
        self.project = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, _ = x.shape
        return torch.as_tensor(self.project(self.norm(x))).reshape(batch, 2 * time, self.outputs)


def states_of(layers: Iterable[nn.Module], batch: int) -> tuple[Any, ...]:
    """Initial states of layers in order; None for those that need none."""
    return tuple(
        layer.initial_state(batch) if isinstance(layer, ConvNextBlock | MemoryAttention) else None for layer in layers
    )
