"""What a training task is, and which parts of the codec it trains.

Rule: a task draws its batch from a generator handed in, touching nothing else that changes, and yields losses of it,
one for each player in turn; the runner owns optimisers, steps and files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from gateway.codec.model import CodecModel
from gateway.trainer.loader import Draw
from gateway.trainer.recipe import Part, TrainRecipe

CODEC = "codec"
"""The player that every task has: the parts of the codec that learn, and heads only training needs."""

Turn = tuple[str, dict[str, Tensor]]
"""Whose turn it is, and loss terms of one batch; 'loss' is what is minimised."""

DEFAULT_PARTS: dict[str, tuple[Part, ...]] = {
    "acoustic": ("encoder", "codebook", "decoder"),
    "vocoder": ("vocoder",),
    "whole": ("encoder", "codebook", "decoder", "vocoder"),
    "reinforce": ("encoder",),
}


class Task(Protocol):
    """A trainable thing."""

    @property
    def module(self) -> nn.Module:
        """Everything a checkpoint must hold, the codec included."""
        ...

    @property
    def players(self) -> dict[str, tuple[nn.Module, float]]:
        """Modules that learn against each other, each with its factor of the learning rate; `CODEC` is one."""
        ...

    @property
    def draw(self) -> Draw:
        """Draws what a step works on."""
        ...

    def step(self, drawn: Any, rng: np.random.Generator, step: int) -> Iterator[Turn]:
        """Losses of what was drawn, one turn for each player; between turns the runner updates the player."""
        ...


def part_of(name: str) -> Part:
    """The part a parameter of `CodecModel` belongs to, by its name."""
    top, _, rest = name.partition(".")
    if top == "quantizer":
        if rest.startswith("outputs"):
            return "codebook"
        return "decoder" if rest.startswith("doubt") else "encoder"
    parts: dict[str, Part] = {"encoder": "encoder", "decoder": "decoder", "vocoder": "vocoder"}
    return parts[top]


def trained_parts(recipe: TrainRecipe) -> dict[Part, int]:
    """Parts that learn under a recipe, with the step from which they do."""
    return recipe.train or dict.fromkeys(DEFAULT_PARTS[recipe.task], 0)


def thaw(codec: CodecModel, recipe: TrainRecipe, step: int) -> None:
    """Freeze every parameter of the codec but those that learn at `step`."""
    parts = trained_parts(recipe)
    for name, parameter in codec.named_parameters():
        since = parts.get(part_of(name))
        parameter.requires_grad_(since is not None and step >= since)


def build_task(codec: CodecModel, recipe: TrainRecipe, data: Path, device: torch.device) -> Task:
    """The task of a recipe on prepared data, its networks on `device`."""
    if recipe.task == "vocoder":
        from gateway.trainer.vocoder import VocoderTask

        return VocoderTask(codec, recipe, data, device)
    from gateway.trainer.acoustic import AcousticTask
    from gateway.trainer.reinforce import ReinforceTask
    from gateway.trainer.whole import WholeTask

    kinds = {"acoustic": AcousticTask, "whole": WholeTask, "reinforce": ReinforceTask}
    return kinds[recipe.task](codec, recipe, data, device)
