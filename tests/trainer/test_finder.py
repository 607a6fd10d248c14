"""Digits found by search for training: better ones by the measure given, from the encoder's, repeatably."""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.codec.quantizer import level_value
from gateway.trainer.finder import DigitFinder
from gateway.trainer.recipe import SearchRecipe

WANTED = torch.randint(0, 8, (2, 5, 8), generator=torch.Generator().manual_seed(1))


def distance(values: Tensor, clean: Tensor, target: list[Tensor]) -> Tensor:
    assert clean.shape == (2, 40, 80)
    assert not target
    return (values - level_value(WANTED)).abs().mean()


def find(steps: int) -> Tensor:
    start = torch.full_like(WANTED, 4)
    found = DigitFinder(SearchRecipe(steps=steps, rate=0.3), distance).find(start, torch.zeros(2, 40, 80), [])
    assert torch.equal(found.values, level_value(found.digits))
    return found.digits


def test_more_steps_come_nearer() -> None:
    misses = [float((find(steps) - WANTED).abs().float().mean()) for steps in (1, 8, 60)]
    assert misses[0] > misses[1] > misses[2]
    assert misses[2] < 0.5


def test_the_same_start_finds_the_same() -> None:
    assert torch.equal(find(7), find(7))


def test_digits_at_the_edge_can_be_left() -> None:
    start = torch.full_like(WANTED, 7)
    found = DigitFinder(SearchRecipe(steps=60, rate=0.3), distance).find(start, torch.zeros(2, 40, 80), [])
    assert float((found.digits - WANTED).abs().float().mean()) < 0.7
