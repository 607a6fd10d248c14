"""The search's decoder: mels, states and gradients as autograd has them, in one piece and in chunks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gateway.codec import Codec
from gateway.codec.frozen import FrozenDecoder, attend, split_heads
from gateway.codec.model import CodecModel
from gateway.codec.quantizer import level_value
from gateway.codec.spec import DIGITS, DIGITS_PER_STAGE


def some_values(frames: int, seed: int) -> Tensor:
    return level_value(torch.randint(0, 8, (frames, DIGITS), generator=torch.Generator().manual_seed(seed)))


def by_autograd(
    model: CodecModel, before: Tensor, values: Tensor, stages: int, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Mels of `values` after those of `before`, and the gradient of their sum by `weight`."""
    wanted = values.clone().requires_grad_(True)
    doubt = torch.zeros(1, len(before) + len(values), DIGITS)
    doubt[..., stages * DIGITS_PER_STAGE :] = 1.0
    joined = torch.cat([before, wanted])[None] * (1 - doubt)
    mel = model.decode_values(joined, doubt)[0, 8 * len(before) :]
    (mel * weight).sum().backward()
    assert wanted.grad is not None
    return mel.detach(), wanted.grad


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize("frames", [1, 8])
def test_mels_and_gradients_are_those_of_the_model(small_codec: Codec, frames: int, stages: int) -> None:
    before, values = some_values(70, 1), some_values(frames, 2)
    weight = torch.randn(8 * frames, 80, generator=torch.Generator().manual_seed(3))
    mel, gradient = by_autograd(small_codec.model, before, values, stages, weight)
    frozen = FrozenDecoder(small_codec.model)
    state = frozen.initial_state()
    for chunk in before.split([3, 1, 60, 6]):
        _, state, _ = frozen(chunk, state, stages)
    ours, _, back = frozen(values, state, stages)
    assert torch.allclose(ours, mel, atol=1e-4)
    assert torch.allclose(back(weight), gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()))
    assert float(gradient[:, : stages * DIGITS_PER_STAGE].abs().min()) > 0
    if stages == 1:
        assert float(back(weight)[:, DIGITS_PER_STAGE:].abs().max()) == 0.0


def test_in_bfloat16_the_gradient_points_the_same_way(small_codec: Codec) -> None:
    values, weight = some_values(8, 4), torch.randn(64, 80, generator=torch.Generator().manual_seed(5))
    exact, rounded = (FrozenDecoder(small_codec.model, kind) for kind in (torch.float32, torch.bfloat16))
    (mel, _, back), (near, _, near_back) = (d(values, d.initial_state(), 2) for d in (exact, rounded))
    assert near.dtype == torch.float32
    assert float((near - mel).abs().mean()) < 0.03 * float(mel.abs().mean())
    assert float(torch.cosine_similarity(near_back(weight).flatten(), back(weight).flatten(), dim=0)) > 0.99


def test_a_state_is_not_changed_by_decoding_from_it(small_codec: Codec) -> None:
    frozen = FrozenDecoder(small_codec.model)
    _, state, _ = frozen(some_values(5, 6), frozen.initial_state(), 2)
    first, _, _ = frozen(some_values(4, 7), state, 2)
    again, _, _ = frozen(some_values(4, 7), state, 2)
    assert torch.equal(first, again)


def test_attention_and_its_gradient_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(8)
    qkv = torch.randn(5, 3 * 2 * 16, generator=generator, requires_grad=True)
    old_keys, old_values = torch.randn(2, 2, 7, 16, generator=generator)
    bias = torch.randn(2, 5, 12, generator=generator)
    query, keys, values = split_heads(qkv, 2)
    joined = torch.cat([old_keys, keys], 1), torch.cat([old_values, values], 1)
    wanted = torch.nn.functional.scaled_dot_product_attention(query, *joined, attn_mask=bias)
    weight = torch.randn(5, 32, generator=generator)
    (gradient,) = torch.autograd.grad((wanted.transpose(0, 1).reshape(5, 32) * weight).sum(), qkv)
    with torch.no_grad():
        ours, back = attend(query, *joined, bias)
        assert torch.allclose(ours, wanted.transpose(0, 1).reshape(5, 32), atol=1e-5)
        assert torch.allclose(back(weight), gradient, atol=1e-5)
