"""What the air does to digits in training: stage-2 loss, bit errors, bursts of erased frames.

Rule: damage is drawn outside the compiled step and enters as tensors, so shapes never change.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gateway.codec.quantizer import level_value
from gateway.codec.spec import DIGITS, DIGITS_PER_STAGE
from gateway.trainer.recipe import ChannelRecipe


class Damage(NamedTuple):
    """`flips`: integers 0..7 to XOR onto the digits; `doubt`: 0 certain, 1 erased; both (batch, frames, 8)."""

    flips: Tensor
    doubt: Tensor


def draw_damage(recipe: ChannelRecipe, batch: int, frames: int, rng: np.random.Generator) -> Damage:
    """Damage of one batch."""
    flips = np.zeros((batch, frames, DIGITS), dtype=np.int64)
    doubt = np.zeros((batch, frames, DIGITS), dtype=np.float32)
    for clip in range(batch):
        if rng.random() < recipe.stage_one_only_chance:
            doubt[clip, :, DIGITS_PER_STAGE:] = 1.0
        if rng.random() < recipe.bit_error_chance:
            rate = rng.uniform(*recipe.bit_error_rate)
            bits = rng.random((frames, DIGITS, 3)) < rate
            flips[clip] = bits @ np.array([4, 2, 1])
        if rng.random() < recipe.erasure_chance:
            doubt[clip, _bursts(rng.uniform(*recipe.erasure_share), recipe.erasure_burst, frames, rng)] = 1.0
    return Damage(torch.from_numpy(flips), torch.from_numpy(doubt))


def _bursts(share: float, mean_burst: float, frames: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Erased frames of a two-state Gilbert chain with the given share and mean burst."""
    leave = 1.0 / mean_burst
    enter = share * leave / max(1e-6, 1.0 - share)
    bad = rng.random() < share
    erased = np.zeros(frames, dtype=bool)
    for t in range(frames):
        erased[t] = bad
        bad = rng.random() >= leave if bad else rng.random() < enter
    return erased


def apply_damage(digits: Tensor, values: Tensor, damage: Damage) -> Tensor:
    """Values the decoder sees: flipped digits lose their gradient, doubtful ones become 0 (the mean of all levels)."""
    flipped = level_value(digits ^ damage.flips)
    received = torch.where(damage.flips > 0, flipped, values)
    return received * (1.0 - damage.doubt)
