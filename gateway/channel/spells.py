"""What lasts for a while and then changes: states in turn, and slow random drift, as functions of time.

Rule: what is drawn depends on the time that has passed, never on how often one asked; times never go back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")

STEPS_A_CORRELATION = 10


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

    Drawn on a grid of a tenth of `correlation_s` and straight in between, which takes 1.6 % off the deviation.
    """

    def __init__(self, rng: np.random.Generator, correlation_s: float, start_s: float) -> None:
        self._step_s = correlation_s / STEPS_A_CORRELATION
        self._keep = math.exp(-1 / STEPS_A_CORRELATION)
        self._add = math.sqrt(1 - self._keep**2)
        self._start_s = start_s
        self._drawn = _normals(rng)
        self._index = 0
        self._before = next(self._drawn)
        self._after = self._follows(self._before)

    def at(self, at_s: float) -> float:
        """The value at `at_s`."""
        place = (at_s - self._start_s) / self._step_s
        while place >= self._index + 1:
            self._index += 1
            self._before, self._after = self._after, self._follows(self._after)
        return self._before + max(0.0, place - self._index) * (self._after - self._before)

    def _follows(self, value: float) -> float:
        return self._keep * value + self._add * next(self._drawn)


def _normals(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.standard_normal(256).tolist()
