"""What steps draw does not depend on who draws it."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gateway.trainer.distributed import Place
from gateway.trainer.loader import drawn, to_device
from gateway.trainer.recipe import TrainRecipe


class Inner(NamedTuple):
    flags: Tensor


class Drawn(NamedTuple):
    values: Tensor
    inner: Inner


def draw(rng: np.random.Generator) -> Drawn:
    return Drawn(torch.from_numpy(rng.random(5)), Inner(torch.from_numpy(rng.integers(0, 9, 3))))


def all_of(workers: int, first: int = 0, place: Place | None = None) -> list[tuple[list[float], list[int], float]]:
    recipe = TrainRecipe(task="vocoder", steps=7, decay_steps=0, seed=3, workers=workers)
    place = place or Place(0, 1, torch.device("cpu"))
    return [
        (content.values.tolist(), content.inner.flags.tolist(), float(rng.random()))
        for content, rng in drawn(draw, recipe, place, first)
    ]


def by_workers(workers: int, first: int = 0) -> list[tuple[list[float], list[int], float]]:
    """In a process of its own: pytest's has threads, which a fork does not bear, and a loader's handler stays."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(all_of, workers, first).result(timeout=120)


def test_other_processes_draw_the_same_in_the_same_order() -> None:
    here = all_of(0)
    assert len(here) == 7
    assert len({tuple(values) for values, _, _ in here}) == 7
    assert by_workers(2) == here


def test_a_resumed_run_draws_what_an_unbroken_one_would() -> None:
    assert by_workers(1, first=4) == all_of(0)[4:]


def test_processes_of_one_run_draw_different_clips() -> None:
    first, second = (all_of(0, place=Place(rank, 2, torch.device("cpu"))) for rank in (0, 1))
    assert not {tuple(values) for values, _, _ in first} & {tuple(values) for values, _, _ in second}


def test_what_was_drawn_goes_to_a_device_whole() -> None:
    moved = to_device(draw(np.random.default_rng(0)), torch.device("meta"))
    assert moved.values.is_meta
    assert moved.inner.flags.is_meta
    assert isinstance(moved, Drawn)
