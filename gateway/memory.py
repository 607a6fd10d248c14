"""Memory that a live station need not hold, so that a small computer has it for other things."""

from __future__ import annotations

import contextlib
import ctypes
import os

KERNELS = "64"
"""A search on one packet size uses some 60 kernels; with 48 every step makes some anew, and takes a third longer."""
_M_TRIM_THRESHOLD, _M_ARENA_MAX = -1, -8
TRIM_BYTES = 8_000_000


def hold_little() -> None:
    """Before any thread is started (numpy and torch start some): few kernels, and one heap whose free end goes back.

    Torch would keep 1024 kernels of sizes that occurred once, half a megabyte each (oneDNN's primitive cache; whoever
    has set ONEDNN_PRIMITIVE_CACHE_CAPACITY is obeyed), and each thread a heap of its own with what its busiest moment
    needed (mallopt(3), GNU C library; elsewhere nothing). `clarilink bench --station` tells what is held.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_TRIM_THRESHOLD, TRIM_BYTES)


def give_back() -> None:
    """Return what is free on the heap (malloc_trim(3), GNU C library; elsewhere nothing): converting weights, or
    searching an over, leaves tens of megabytes there. Takes a few milliseconds."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
