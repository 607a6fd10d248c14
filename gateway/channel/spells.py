"""What lasts for a while and then changes: states in turn, and slow random drift, as functions of time.

Rule: what is drawn depends on the time that has passed, never on how often one asked; times never go back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")

STEPS_A_CORRELATION = 10
BLOCK_STEPS = 1024
_KEEP = math.exp(-1 / STEPS_A_CORRELATION)
_ADD = math.sqrt(1 - _KEEP**2)


class Spells(Generic[T]):
    """States one after the other; `spells` gives each and its length in seconds, without end."""

    def __init__(self, spells: Iterator[tuple[T, float]], start_s: float) -> None:
        self._spells = spells
        self._value, length_s = next(spells)
        self._end_s = start_s + length_s

    def at(self, at_s: float) -> T:
        """The state at `at_s`."""
        while at_s >= self._end_s:
            self._value, length_s = next(self._spells)
            self._end_s += length_s
        return self._value

    def during(self, begin_s: float, end_s: float) -> list[T]:
        """Every state from `begin_s` to `end_s`, in order."""
        found = [self.at(begin_s)]
        while end_s >= self._end_s:
            found.append(self.at(self._end_s))
        return found


class Drift:
    """A Gaussian process of mean 0 and deviation 1, correlation exp(-t / correlation_s) (Ornstein-Uhlenbeck).

    Drawn on a grid of a tenth of `correlation_s` and straight in between, which takes 1.6 % off the deviation. The grid
    is drawn in blocks, each from a generator of its own and beginning afresh, so that a long silence costs nothing.
    """

    def __init__(self, rng: np.random.Generator, correlation_s: float, start_s: float) -> None:
        self._key = int(rng.integers(2**63))
        self._step_s = correlation_s / STEPS_A_CORRELATION
        self._start_s = start_s
        self._block = -1
        self._values: list[float] = []

    def at(self, at_s: float) -> float:
        """The value at `at_s`, not before `start_s`."""
        place = max(0.0, at_s - self._start_s) / self._step_s
        index = int(place)
        block, offset = divmod(index, BLOCK_STEPS)
        if block != self._block:
            self._block = block
            self._values = [*self._drawn(block, BLOCK_STEPS), *self._drawn(block + 1, 1)]
        before = self._values[offset]
        return before + (place - index) * (self._values[offset + 1] - before)

    def _drawn(self, block: int, count: int) -> Iterator[float]:
        fresh = np.random.default_rng([self._key, block]).standard_normal(count).tolist()
        return accumulate(fresh, lambda before, drawn: _KEEP * before + _ADD * drawn)
