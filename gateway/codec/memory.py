"""Memory that loading needed and running does not, given back to the system."""

from __future__ import annotations

import contextlib
import ctypes


def give_back() -> None:
    """Return what is free on the heap (malloc_trim(3), GNU C library; elsewhere nothing): converting weights leaves
    tens of megabytes there that a small computer would have for other things."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
