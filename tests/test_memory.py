"""What is free on the heap goes back to the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.memory import KERNELS, give_back, hold_little


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


def test_few_kernels_unless_somebody_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    hold_little()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == KERNELS
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "500")
    hold_little()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "500"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is of the GNU C library")
def test_threads_share_one_heap() -> None:
    """What a thread leaves free on its heap would else be free for that thread alone."""
    code = """
import threading
from gateway.memory import hold_little
{before}
def fill():
    kept.extend(bytearray(100_000) for _ in range(50))
kept = []
thread = threading.Thread(target=fill)
thread.start()
thread.join()
heap = next(line for line in open("/proc/self/maps") if "[heap]" in line).split()[0].split("-")
print(sum(int(heap[0], 16) <= id_ < int(heap[1], 16) for id_ in map(address, kept)))
"""
    code = "import ctypes\ndef address(x): return ctypes.addressof((ctypes.c_char * len(x)).from_buffer(x))\n" + code
    inside = [
        int(subprocess.run([sys.executable, "-c", code.format(before=before)], capture_output=True, text=True).stdout)
        for before in ("", "hold_little()")
    ]
    assert inside == [0, 50]
