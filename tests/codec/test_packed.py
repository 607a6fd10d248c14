"""8-bit layers: close to the float32 ones, whatever the shape and the scale of rows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gateway.codec import Codec
from gateway.codec.model import CodecModel
from gateway.codec.packed import PackedLinear, pack, packs, quantise_rows


@given(st.integers(1, 12), st.sampled_from([32, 96, 160]), st.integers(32, 70), st.booleans(), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_packed_layer_is_close_to_its_model(rows: int, inputs: int, outputs: int, bias: bool, seed: int) -> None:
    torch.manual_seed(seed)
    layer = nn.Linear(inputs, outputs, bias=bias)
    layer.weight.data *= torch.logspace(-3, 1, outputs)[:, None]  # every row has a scale of its own
    x = torch.randn(2, rows, inputs)
    with torch.inference_mode():
        exact, packed = layer(x), PackedLinear(layer)(x)
    assert packed.dtype == torch.float32
    for output in range(outputs):
        error = (packed[..., output] - exact[..., output]).norm()
        # Rounded uniform weights are 0.4 % off, bfloat16 rows and products 0.2 %: of |w| |x|, for each product.
        assert error <= 0.012 * (rows * 2) ** 0.5 * layer.weight[output].norm() + 0.004 * exact[..., output].norm()


@given(st.integers(0, 10**6), st.floats(1e-4, 1e3))
@settings(deadline=None)
def test_rounding_again_changes_nothing(seed: int, scale: float) -> None:
    weight = scale * torch.randn(40, 32, generator=torch.Generator().manual_seed(seed))
    steps, factors = quantise_rows(weight)
    assert steps.abs().amax(1).eq(127).all()
    again, same = quantise_rows(steps.float() * factors.float()[:, None])
    assert torch.equal(again, steps)
    assert torch.equal(same, factors)


def test_nothing_in_nothing_out() -> None:
    assert PackedLinear(nn.Linear(32, 64))(torch.zeros(1, 0, 32)).shape == (1, 0, 64)
    steps, factors = quantise_rows(torch.zeros(32, 32))
    assert not steps.any()
    assert torch.isfinite(factors.float()).all()


@pytest.mark.parametrize("shape", [(7, 64), (4, 384), (384, 4), (384, 8), (384,)])
def test_narrow_matrices_stay_as_they_are(shape: tuple[int, ...]) -> None:
    assert not packs(torch.zeros(shape))


def test_a_codec_is_packed_when_it_is_loaded() -> None:
    model = Codec.load().model
    packed = [name for name, layer in model.named_modules() if isinstance(layer, PackedLinear)]
    assert any(name.startswith("encoder.late") for name in packed)
    assert any(name.startswith("vocoder.blocks") for name in packed)
    left = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert left
    assert all(min(layer.weight.shape) <= 8 or layer.in_features == 80 for layer in left)
    unpacked = CodecModel(model.spec)
    pack(unpacked.vocoder)
    assert any(isinstance(layer, nn.Linear) for layer in unpacked.decoder.modules())
