"""R-FSQ: eight equal levels a digit, gradients straight through, usage even for unit-variance inputs."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec.quantizer import ResidualFsq, bounded, level_value, nearest_digit, unit_moments_loss


@given(st.floats(-20, 20))
def test_the_chosen_level_is_the_nearest_one(z: float) -> None:
    y = bounded(torch.tensor([z]))
    digit = nearest_digit(y)
    levels = level_value(torch.arange(8))
    assert abs(float(level_value(digit)) - float(y)) <= float((levels - y).abs().min()) + 1e-6


def test_unit_variance_uses_all_levels_about_evenly() -> None:
    z = torch.randn(100_000, generator=torch.Generator().manual_seed(1))
    shares = torch.bincount(nearest_digit(bounded(z)).long(), minlength=8) / len(z)
    entropy = -(shares * shares.log2()).sum()
    assert entropy > 2.95  # of 3 bits


def test_stage_two_codes_what_stage_one_left_and_restore_undoes_both() -> None:
    torch.manual_seed(3)
    quantizer = ResidualFsq(32)
    latent = torch.randn(2, 50, 32)
    out = quantizer(latent)
    assert out.digits.shape == (2, 50, 8)
    assert torch.allclose(out.values, level_value(out.digits), atol=1e-6)
    whole = quantizer.restore(out.values, torch.zeros_like(out.values))
    first = quantizer.outputs[0](out.values[..., :4]) + quantizer.doubt.bias
    second = quantizer.outputs[1](out.values[..., 4:])
    assert torch.allclose(whole, first + second, atol=1e-5)
    # What stage 2 sees depends on stage 1's digits: another first stage gives other second digits.
    with torch.no_grad():
        quantizer.outputs[0].weight.mul_(3)
    assert not torch.equal(quantizer(latent).digits[..., 4:], out.digits[..., 4:])


def test_gradients_pass_straight_through_both_stages() -> None:
    torch.manual_seed(3)
    quantizer = ResidualFsq(16)
    latent = torch.randn(1, 5, 16, requires_grad=True)
    quantizer(latent).values.square().sum().backward()
    assert latent.grad is not None
    assert all(float(latent.grad[0, t].abs().sum()) > 0 for t in range(5))
    assert all(p.weight.grad is not None for p in quantizer.inputs)


def test_usage_loss_is_least_for_unit_moments() -> None:
    z = torch.randn(1, 20_000, 8, generator=torch.Generator().manual_seed(1))
    even = unit_moments_loss(z)
    assert even < 0.01
    assert unit_moments_loss(z * 2) > 10 * even
    assert unit_moments_loss(z + 1) > 10 * even
    assert unit_moments_loss(z[..., :1].expand(1, 20_000, 8)) > 10 * even
