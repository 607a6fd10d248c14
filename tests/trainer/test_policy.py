"""The quantiser as a policy: draws follow the probabilities it states, and reward moves them."""

from __future__ import annotations

import pytest
import torch

from gateway.codec.quantizer import ResidualFsq, level_value
from gateway.trainer.policy import advantages, level_logits, log_probability, sample


@pytest.fixture
def quantizer() -> ResidualFsq:
    torch.manual_seed(3)
    return ResidualFsq(16)


def test_levels_are_normalised_and_peak_at_the_nearest() -> None:
    z = torch.linspace(-3, 3, 101)
    logits = level_logits(z, 5.0)
    assert torch.allclose(logits.exp().sum(-1), torch.ones(101), atol=1e-5)
    quantised = torch.floor((2 * torch.sigmoid(1.6 * z) - 1 + 1) * 4).clamp(0, 7)
    assert torch.equal(logits.argmax(-1), quantised.long())


def test_one_step_between_levels_costs_the_sharpness() -> None:
    # An aim exactly at level 4 (value 0.125): its neighbours are one step away.
    z = torch.logit(torch.tensor(0.5625)) / 1.6
    logits = level_logits(z, 5.0)
    assert (logits[4] - logits[3]).item() == pytest.approx(5.0, abs=1e-3)
    assert (logits[4] - logits[2]).item() == pytest.approx(20.0, abs=1e-3)


def test_sharp_policies_do_what_rounding_does(quantizer: ResidualFsq) -> None:
    latent = torch.randn(2, 50, 16)
    drawn = sample(quantizer, latent, 1e4, torch.Generator().manual_seed(0))
    agree = (drawn.digits == quantizer(latent).digits).float().mean()
    assert agree > 0.99  # but for aims almost exactly between two levels
    assert torch.equal(drawn.values, level_value(drawn.digits))


def test_draws_are_as_frequent_as_they_are_probable(quantizer: ResidualFsq) -> None:
    latent = torch.randn(1, 1, 16).expand(1, 20_000, 16)
    drawn = sample(quantizer, latent, 1.0, torch.Generator().manual_seed(0))
    z = quantizer.inputs[0](quantizer.norm(latent[:, :1]).float())[0, 0]
    expected = level_logits(z, 1.0).exp()
    for digit in range(4):
        seen = torch.bincount(drawn.digits[0, :, digit], minlength=8) / 20_000
        assert torch.allclose(seen, expected[digit], atol=0.015)


def test_seeded(quantizer: ResidualFsq) -> None:
    latent = torch.randn(1, 20, 16)
    first, again = (sample(quantizer, latent, 5.0, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first.digits, again.digits)


def test_log_probability_is_that_of_the_draw_and_carries_gradients(quantizer: ResidualFsq) -> None:
    latent = torch.randn(3, 10, 16, requires_grad=True)
    drawn = sample(quantizer, latent, 5.0, torch.Generator().manual_seed(1))
    value = log_probability(quantizer, latent, drawn, 5.0)
    assert value.shape == (3, 10)
    assert bool((value < 0).all())
    rounded = quantizer(latent)
    best = log_probability(quantizer, latent, drawn._replace(digits=rounded.digits, values=rounded.values), 5.0)
    # Of a clip: in a single frame what was drawn in the first stage may leave the second stage a better aim.
    assert bool((best.mean(1) >= value.mean(1)).all())
    value.sum().backward()
    assert latent.grad is not None
    assert float(latent.grad.abs().sum()) > 0


def test_following_the_gradient_makes_a_rewarded_draw_likelier(quantizer: ResidualFsq) -> None:
    latent = torch.randn(1, 12, 16)
    group = latent.repeat(8, 1, 1)
    optimizer = torch.optim.SGD(quantizer.inputs.parameters(), lr=1.0)
    generator = torch.Generator().manual_seed(2)

    def mean_reward() -> float:
        """A made-up recogniser that likes high first digits."""
        return float(sample(quantizer, latent.repeat(200, 1, 1), 5.0, generator).digits[..., 0].float().mean())

    before = mean_reward()
    for _ in range(60):
        drawn = sample(quantizer, group, 5.0, generator)
        gain = advantages(drawn.digits[..., 0].float().mean(1)[None])[0]
        loss = -(gain[:, None] * log_probability(quantizer, group, drawn, 5.0)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert mean_reward() > before + 0.5


def test_groups_that_agree_teach_nothing() -> None:
    gain = advantages(torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 2.0]]))
    assert gain[0].tolist() == [0.0, 0.0, 0.0]
    assert gain[1].mean().item() == pytest.approx(0.0, abs=1e-6)
    assert gain[1, 2] > 0.9
