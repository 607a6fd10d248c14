"""What steps work on, drawn where it is needed or ahead of it by other processes.

Rule: step n draws from a generator seeded by (seed, n) alone, so who draws it, and when, changes nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from gateway.errors import ConfigError
from gateway.trainer.distributed import Place
from gateway.trainer.recipe import TrainRecipe

Draw = Callable[[np.random.Generator], Any]
"""Everything random of one step that needs no GPU, as a NamedTuple of tensors on the CPU. Other processes get a copy:
it holds no networks."""
BATCHES_AHEAD = 4
"""Of each process."""


class _Steps(Dataset[tuple[Any, dict[str, Any]]]):
    """Step numbers to what they draw, and the generator's state after it."""

    def __init__(self, draw: Draw, seed: int, place: Place) -> None:
        self._draw, self._seed, self._place = draw, seed, place

    def __getitem__(self, step: int) -> tuple[Any, dict[str, Any]]:
        rng = np.random.default_rng([self._seed, step * self._place.world + self._place.rank])
        return self._draw(rng), dict(rng.bit_generator.state)


def drawn(draw: Draw, recipe: TrainRecipe, place: Place, first: int) -> Iterator[tuple[Any, np.random.Generator]]:
    """For every step from `first` to the recipe's last: what it drew, and its generator to go on with."""
    steps = _Steps(draw, recipe.seed, place)
    source: Any = (steps[step] for step in range(first, recipe.steps))
    if recipe.workers:
        # Spawned, not forked: this process has threads, and a GPU's context.
        ahead = DataLoader(
            steps,
            batch_size=None,
            sampler=range(first, recipe.steps),
            num_workers=recipe.workers,
            collate_fn=_as_it_is,
            pin_memory=place.device.type == "cuda",
            prefetch_factor=BATCHES_AHEAD,
            worker_init_fn=_unstoppable,
            multiprocessing_context="spawn",
        )
        source = _named_if_lost(iter(ahead))
    for content, state in source:
        generator = np.random.default_rng()
        generator.bit_generator.state = state
        yield content, generator


def _unstoppable(_: int) -> None:
    """^C and `timeout` signal the whole process group: the run alone answers, and then ends these."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _named_if_lost(source: Iterator[Any]) -> Iterator[Any]:
    """`source`; the death of a process that draws for it is told by name."""
    # PyTorch would raise it from a signal handler, at any place, even where a run saves what it has. Without that it
    # finds out, too, when it is asked for the next step.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield from source
    except (RuntimeError, ConnectionError, EOFError) as error:
        # Connections are there for nothing else.
        if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker"):
            raise
        message = "a process drawing clips was killed, perhaps for lack of memory: try fewer workers"
        raise ConfigError(message) from error


def _as_it_is(item: Any) -> Any:
    return item


def to_device(content: Any, device: torch.device) -> Any:
    """A NamedTuple of tensors and NamedTuples, on `device`; from pinned memory without waiting."""
    if isinstance(content, torch.Tensor):
        return content.to(device, non_blocking=True)
    return type(content)(*(to_device(part, device) for part in content))
