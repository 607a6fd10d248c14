"""Damage to digits in training is what the recipe says, and only that."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gateway.codec.quantizer import level_value
from gateway.trainer.channel import apply_damage, draw_damage
from gateway.trainer.recipe import ChannelRecipe


def test_no_damage_changes_nothing() -> None:
    quiet = ChannelRecipe(stage_one_only_chance=0.0)
    damage = draw_damage(quiet, 4, 50, np.random.default_rng(0))
    digits = torch.randint(0, 8, (4, 50, 8))
    assert torch.equal(apply_damage(digits, level_value(digits), damage), level_value(digits))
    assert not damage.doubt.any()


def test_shares_are_as_asked() -> None:
    recipe = ChannelRecipe(
        stage_one_only_chance=0.0,
        bit_error_chance=1.0,
        bit_error_rate=(0.03, 0.03),
        erasure_chance=1.0,
        erasure_share=(0.1, 0.1),
        erasure_burst=6.0,
    )
    damage = draw_damage(recipe, 64, 500, np.random.default_rng(1))
    bits = sum(((damage.flips >> k) & 1).float().mean() for k in range(3)) / 3
    assert float(bits) == pytest.approx(0.03, rel=0.1)
    erased = damage.doubt[..., 0]
    assert float(erased.mean()) == pytest.approx(0.1, rel=0.15)
    bursts = int(((erased[:, 1:] > 0) & (erased[:, :-1] == 0)).sum()) + int(erased[:, 0].sum())
    assert float(erased.sum()) / bursts == pytest.approx(6.0, rel=0.15)


def test_stage_one_only_silences_stage_two() -> None:
    damage = draw_damage(ChannelRecipe(stage_one_only_chance=1.0), 2, 10, np.random.default_rng(2))
    assert not damage.doubt[..., :4].any()
    assert damage.doubt[..., 4:].all()
    digits = torch.randint(0, 8, (2, 10, 8))
    assert not apply_damage(digits, level_value(digits), damage)[..., 4:].any()


def test_flipped_digits_pass_no_gradient_and_others_do() -> None:
    digits = torch.zeros(1, 1, 8, dtype=torch.long)
    values = level_value(digits).requires_grad_()
    damage = draw_damage(ChannelRecipe(stage_one_only_chance=0.0), 1, 1, np.random.default_rng(3))
    damage.flips[0, 0, 2] = 5
    received = apply_damage(digits, values, damage)
    assert received[0, 0, 2] == level_value(torch.tensor(5))
    received.sum().backward()
    assert values.grad is not None
    assert values.grad[0, 0].tolist() == [1, 1, 0, 1, 1, 1, 1, 1]
