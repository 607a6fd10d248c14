"""Causal layers: any chunking gives the same output, and no output sees the future."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from gateway.codec.layers import CausalDepthwise, ConvNextBlock, Downsample, Lookahead, MemoryAttention, Upsample

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "depthwise": lambda: CausalDepthwise(12, 7),
    "convnext": lambda: ConvNextBlock(12, 7, 3),
    "memory": lambda: MemoryAttention(12, 3, 9),
}


@pytest.fixture(params=sorted(LAYERS))
def layer(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(2)
    made = LAYERS[request.param]()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("cuts", [(1,) * 40, (40,), (3, 17, 20), (39, 1)])
def test_chunks_equal_the_whole(layer: nn.Module, cuts: tuple[int, ...]) -> None:
    x = torch.randn(2, 40, 12)
    whole, _ = layer(x, layer.initial_state(2))
    state, parts = layer.initial_state(2), []
    for part in x.split(cuts, dim=1):
        y, state = layer(part, state)
        parts.append(y)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)


def test_no_output_sees_the_future(layer: nn.Module) -> None:
    x = torch.randn(1, 40, 12)
    changed = x.clone()
    changed[:, 20:] = torch.randn(1, 20, 12)
    a, b = layer(x, layer.initial_state(1))[0], layer(changed, layer.initial_state(1))[0]
    assert torch.equal(a[:, :20], b[:, :20])
    assert not torch.allclose(a[:, 20:], b[:, 20:])


def test_memory_forgets_what_is_older_than_its_length() -> None:
    torch.manual_seed(2)
    layer = MemoryAttention(12, 3, 9).requires_grad_(False)
    x = torch.randn(1, 40, 12)
    changed = x.clone()
    changed[:, 10] += 5
    difference = (layer(x, layer.initial_state(1))[0] - layer(changed, layer.initial_state(1))[0]).abs().sum(-1)[0]
    changed_at = difference.nonzero().flatten().tolist()
    assert (changed_at[0], changed_at[-1]) == (10, 18)


@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_lookahead_waits_for_its_frames_and_equals_the_training_path(lookahead: int) -> None:
    torch.manual_seed(2)
    layer = Lookahead(6, 2).requires_grad_(False)
    x = torch.randn(1, 15, 6)
    state, parts = layer.initial_state(1), []
    for part in x.split(4, dim=1):
        y, state = layer(part, state, lookahead)
        parts.append(y)
    ready = torch.cat(parts, dim=1)
    assert ready.shape[1] == 15 - lookahead
    gates = torch.tensor([float(k < lookahead) for k in range(2)])
    assert torch.allclose(ready, layer.masked(x, gates)[:, : 15 - lookahead], atol=1e-6)


def test_pairs_are_joined_and_parted() -> None:
    torch.manual_seed(2)
    x = torch.randn(2, 12, 5)
    assert Downsample(5, 7)(x).shape == (2, 6, 7)
    assert Upsample(5, 3)(x).shape == (2, 24, 3)
