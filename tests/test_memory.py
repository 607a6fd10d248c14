"""What is free on the heap goes back to the system."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from gateway.memory import give_back


def resident_mb() -> float:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim is of the GNU C library")
def test_freed_memory_goes_back() -> None:
    # Pieces below the size from which malloc maps each by itself, with one kept at the end so that the heap stays tall.
    pieces = [bytearray(100_000) for _ in range(1500)]
    last = pieces[-1]
    before_mb = resident_mb()
    del pieces
    give_back()
    assert resident_mb() < before_mb - 100
    assert len(last) == 100_000
