"""The machine as the checks see it: each thing looked at is a function that a test can put another in place of."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from firmware_bridge.ports import PortFound, list_found_ports
from gateway.audio.device import DeviceInfo, list_devices
from gateway.clock import calendar_s


def is_installed(package: str) -> bool:
    """Whether a package can be imported, without doing so."""
    return importlib.util.find_spec(package) is not None


def memory_available() -> int | None:
    """Bytes that a new program can have, None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None


def free_bytes(folder: Path) -> int:
    """Bytes that the disk of a folder has room for. Raises OSError."""
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize


def load_weights(path: Path) -> None:
    """Load codec weights and let them go again. Raises CheckpointError."""
    from gateway.codec.checkpoint import load_model

    load_model(path)


def _once() -> Callable[[Path], None]:
    """`load_weights` that does it once for each file: a second or more, and fifty stations have the same."""
    return cache(load_weights)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """As it is, unless told otherwise. `quick` looks at files only: not at devices, addresses and folders."""

    quick: bool = False
    sound_devices: Callable[[], list[DeviceInfo]] = list_devices
    serial_ports: Callable[[], list[PortFound]] = list_found_ports
    installed: Callable[[str], bool] = is_installed
    calendar: Callable[[], float] = calendar_s
    memory: Callable[[], int | None] = memory_available
    free: Callable[[Path], int] = free_bytes
    load_weights: Callable[[Path], None] = field(default_factory=_once)
