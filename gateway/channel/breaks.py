"""Breaks in a link: in order for a while, gone for a while.

Rule: breaks last in time, not in packets, so that a sender of few packets loses as large a share as one of many.

Lengths of both are exponential, as those of bridges, trees and buildings along a road are within a factor of two; with
`longest_s` no break lasts longer, its mean being kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.figures import check_range
from gateway.channel.spells import Spells


@dataclass(frozen=True, slots=True)
class BreaksModel(PathModel):
    """`share` of the time the link is gone, for `mean_s` on average and never longer than `longest_s`."""

    share: float = 0.02
    mean_s: float = 1.0
    longest_s: float | None = None

    def __post_init__(self) -> None:
        check_range("share", self.share, 0.000001, 0.99)
        check_range("mean_s", self.mean_s, 0.001, 1e6)
        if self.longest_s is not None and self.longest_s < 2 * self.mean_s:
            raise ValueError(f"longest_s: got {self.longest_s:g}; needed: twice mean_s or more")

    @property
    def mean_between_s(self) -> float:
        """From the end of a break to the next one."""
        return self.mean_s * (1 - self.share) / self.share

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return _BreaksPath(Spells(_spells(self, rng), start_s))


class _BreaksPath(Path):
    def __init__(self, spells: Spells[bool]) -> None:
        self._spells = spells

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        return Conditions(loss=float(any(self._spells.during(begin_s, end_s))), cause="break")


def _spells(model: BreaksModel, rng: np.random.Generator) -> Iterator[tuple[bool, float]]:
    scale_s = model.mean_s if model.longest_s is None else _scale_s(model.mean_s, model.longest_s)
    in_break = bool(rng.random() < model.share)
    while True:
        if in_break:
            length_s = rng.exponential(scale_s)
            while model.longest_s is not None and length_s > model.longest_s:
                length_s = rng.exponential(scale_s)
            yield True, length_s
        else:
            yield False, rng.exponential(model.mean_between_s)
        in_break = not in_break


def _scale_s(mean_s: float, longest_s: float) -> float:
    """Scale of the exponential distribution that has `mean_s` when cut off at `longest_s`."""
    low, high = mean_s, 1000 * longest_s
    for _ in range(100):
        middle = math.sqrt(low * high)
        mean = middle - longest_s / math.expm1(min(700.0, longest_s / middle))
        low, high = (middle, high) if mean < mean_s else (low, middle)
    return low
