"""Two processes as torchrun starts them: gradients are averaged, one writes, all stop together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gateway.errors import ConfigError
from gateway.trainer.distributed import Place, any_of, average_gradients, least_of, take_place, together

PROGRAM = """
import sys, torch
from pathlib import Path
from gateway.trainer.distributed import any_of, average_gradients, least_of, take_place, together

place = take_place("cpu")
weights = [torch.nn.Parameter(torch.zeros(n)) for n in (6, 4, 1)]
for n, p in enumerate(weights[:2]):
    p.grad = torch.full_like(p, float(place.rank + n))
average_gradients(weights, place)
said = [p.grad.mean().item() for p in weights[:2]]
said += [any_of(place.rank == 1, place), any_of(False, place), place.writes, least_of(0.3 + 0.1 * place.rank, place)]
Path(sys.argv[1], f"{place.rank}.txt").write_text(repr(said))
together(place)
torch.distributed.destroy_process_group()
"""


def test_alone_everything_is_as_if_it_were_not_there() -> None:
    place = take_place("cpu")
    assert place == Place(0, 1, torch.device("cpu"))
    assert place.writes
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    average_gradients([parameter], place)
    assert parameter.grad.tolist() == [1.0, 2.0]
    assert any_of(True, place)
    assert not any_of(False, place)
    assert least_of(0.7, place) == 0.7
    together(place)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said() -> None:
    with pytest.raises(ConfigError, match="finds no GPU"):
        take_place("cuda")


def test_two_processes(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([*command, str(program), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "0.txt").read_text() == repr([0.5, 1.5, True, False, True, 0.3])
    assert (tmp_path / "1.txt").read_text() == repr([0.5, 1.5, True, False, False, 0.3])
