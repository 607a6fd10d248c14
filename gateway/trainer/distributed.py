"""Several processes on one run, as torchrun starts them: averaged gradients, one writer.

Rule: outside torchrun every function is the trivial one, so that the same run works on a laptop.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many processes this is, and its device."""

    rank: int
    world: int
    device: torch.device

    @property
    def writes(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0


def take_place(device: str) -> Place:
    """Join the other processes if torchrun started this one; `device` is auto, cpu or cuda."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: PyTorch finds no GPU here")
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    chosen = torch.device(kind, int(os.environ.get("LOCAL_RANK", "0"))) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(chosen)
    if world > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if kind == "cuda" else "gloo")
    return Place(rank, world, chosen)


def average_gradients(parameters: Iterable[torch.nn.Parameter], place: Place) -> None:
    """Replace every gradient by its mean over the processes."""
    if place.world == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    distributed.all_reduce(flat)
    flat /= place.world
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def any_of(flag: bool, place: Place) -> bool:
    """Whether the flag is set in any process: all stop after the same step, or one waits for ever."""
    if place.world == 1:
        return flag
    shared: Tensor = torch.tensor(int(flag), device=place.device)
    distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
    return bool(shared.item())


def least_of(value: float, place: Place) -> float:
    """The smallest of the processes' values, exactly the same in all: their clocks differ."""
    if place.world == 1:
        return value
    shared: Tensor = torch.tensor(value, dtype=torch.float64, device=place.device)
    distributed.all_reduce(shared, op=distributed.ReduceOp.MIN)
    return float(shared.item())


def together(place: Place) -> None:
    """Wait for the other processes."""
    if place.world > 1:
        distributed.barrier()
