"""Builds the C reference for the tests: once per run and target, with gcc; without a compiler the tests say so."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

SOURCE = Path(__file__).parents[3] / "firmware_bridge" / "firmware"
GOLDEN = Path(__file__).parents[2] / "golden"


@cache
def _folder() -> Path:
    import atexit

    folder = Path(mkdtemp(prefix="clk-firmware-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def need(tool: str) -> None:
    """Skip without `tool`; in CI the host's compiler must be there, the cross-compiler where it can be installed."""
    if shutil.which(tool) is None:
        is_must = os.environ.get("CI") and tool in ("make", "gcc")
        (pytest.fail if is_must else pytest.skip)(f"{tool} is not installed (deploy/system-packages.sh)")


@cache
def make(target: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make TARGET` in a folder of this run."""
    need("make")
    need("gcc")
    settings = [f"{name}={value}" for name, value in {"BUILD": str(_folder()), "CC": "gcc", **variables}.items()]
    return subprocess.run(
        ["make", "-C", str(SOURCE), target, *settings], capture_output=True, text=True, timeout=600, check=False
    )


def built(target: str, program: str, **variables: str) -> Path:
    """The program that `make TARGET` makes."""
    made = make(target, **variables)
    assert made.returncode == 0, made.stdout + made.stderr
    return _folder() / program
