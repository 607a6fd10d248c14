"""What steps draw does not depend on who draws it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from gateway.trainer.distributed import Place
from gateway.trainer.loader import drawn, to_device
from gateway.trainer.prepare import PrepareOptions, prepare
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
    """In a process of its own: PyTorch's loader leaves a handler of SIGCHLD where it has been."""
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


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A training run with one process that draws, in a process group of its own, once that process is there."""
    talker = tmp_path / "speech" / "talker"
    talker.mkdir(parents=True)
    noise = np.random.default_rng(0).standard_normal(48_000)
    soundfile.write(talker / "a.wav", 0.1 * noise, 16_000)
    prepare(tmp_path / "speech", tmp_path / "data", PrepareOptions(workers=1))
    (tmp_path / "long.toml").write_text(
        'task = "vocoder"\nsteps = 1000000\ndecay_steps = 0\nbatch = 1\nclip_frames = 8\ncompile = false\nworkers = 1\n'
        'device = "cpu"\nthreads = 1\n[model]\nwidths = [24, 36, 48]\nheads = 4\nvocoder_width = 32\n'
    )
    command = [sys.executable, "-m", "gateway.trainer", "train", tmp_path / "long.toml"]
    with subprocess.Popen(
        [*command, "--data", tmp_path / "data", "--run", tmp_path / "run"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            wait_until(lambda: "\n50," in (tmp_path / "run" / "curve.csv").read_text(), running)
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def wait_until(happened: Callable[[], bool], running: subprocess.Popen[str], patience_s: float = 90) -> None:
    """Until something of a program that runs has happened."""
    for _ in range(int(10 * patience_s)):
        assert running.poll() is None
        with contextlib.suppress(OSError):
            if happened():
                return
        time.sleep(0.1)
    pytest.fail(f"nothing within {patience_s} s")


def drawing(running: subprocess.Popen[str]) -> int:
    """The process that draws: the only child that runs Python's spawn."""
    children = (int(p) for p in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split())
    (found,) = [p for p in children if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]
    return found


def test_a_signal_to_the_whole_group_ends_a_run_with_a_checkpoint(
    program: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.killpg(program.pid, signal.SIGTERM)
    _, said = program.communicate(timeout=60)
    assert program.returncode == 0, said
    assert "Traceback" not in said
    assert (tmp_path / "run" / "last.pt").is_file()


def test_a_killed_process_is_named_and_nothing_is_lost(program: subprocess.Popen[str], tmp_path: Path) -> None:
    os.kill(drawing(program), signal.SIGKILL)
    _, said = program.communicate(timeout=60)
    assert program.returncode == 1
    assert "a process drawing clips was killed, perhaps for lack of memory: try fewer workers" in said
    assert "Traceback" not in said
    assert (tmp_path / "run" / "last.pt").is_file()
