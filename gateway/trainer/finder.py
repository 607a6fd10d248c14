"""Better digits than the encoder's, found by gradient on the decoder: what training on searched speech learns from.

Rule: the decoder only judges here; who calls sees to it that no weight gathers a gradient. For a batch of whole clips,
where codec/search.py goes through one over a segment at a time; the map to the real line is the same.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gateway.codec.quantizer import level_value, nearest_digit
from gateway.trainer.policy import Rollout
from gateway.trainer.recipe import SearchRecipe

Likeness = Callable[[Tensor, Tensor, list[Tensor]], Tensor]
"""Loss of level values (clips, t, 8), given clean mels and the recogniser's layers for them."""
_EDGE = 0.95
_MOMENTA = (0.8, 0.95)


class DigitFinder:
    """A few steps of Adam on the level values, rounded straight through."""

    def __init__(self, recipe: SearchRecipe, likeness: Likeness) -> None:
        self._recipe, self._likeness = recipe, likeness

    def find(self, digits: Tensor, clean: Tensor, target: list[Tensor]) -> Rollout:
        """From `digits` (clips, t, 8) to those after the last step."""
        recipe = self._recipe
        point = torch.atanh(level_value(digits).clamp(-_EDGE, _EDGE)).requires_grad_(True)
        optimiser = torch.optim.Adam([point], lr=recipe.rate, betas=_MOMENTA)
        for step in range(recipe.steps):
            soft = torch.tanh(point)
            values = soft + (level_value(nearest_digit(soft)) - soft).detach()
            optimiser.param_groups[0]["lr"] = recipe.rate * (1 - 0.7 * step / recipe.steps)
            (point.grad,) = torch.autograd.grad(self._likeness(values, clean, target), point)
            optimiser.step()
        found = nearest_digit(torch.tanh(point.detach())).long()
        return Rollout(found, level_value(found))
