"""Which serial ports there are: stable names, what is plugged in, and who holds them.

Rule: looks only; opens no port, so that no modem is reset or keyed by it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

BY_ID = Path("/dev/serial/by-id")
BY_PATH = Path("/dev/serial/by-path")


@dataclass(frozen=True, slots=True)
class PortFound:
    """One port: `stable` is the name to configure, `holder` the programs that have it open (None: nobody)."""

    device: str
    stable: str
    description: str
    holder: str | None

    def __str__(self) -> str:
        lines = [self.stable, f"    {self.description}"]
        if self.stable != self.device:
            lines[1] = f"    {self.device}: {self.description}"
        if self.holder is not None:
            lines.append(f"    in use by {self.holder}")
        return "\n".join(lines)


def list_found_ports(process_folder: Path = Path("/proc")) -> list[PortFound]:
    """All serial ports with something behind them, sorted by stable name."""
    found = []
    for port in list_ports.comports():
        device = str(port.device)
        what = [port.description if port.description not in (None, "n/a") else "serial port"]
        if port.vid is not None:
            what.append(f"USB {port.vid:04x}:{port.pid:04x}")
        if port.serial_number:
            what.append(f"serial number {port.serial_number}")
        found.append(
            PortFound(device, stable_name(device) or device, ", ".join(what), holders(device, process_folder) or None)
        )
    return sorted(found, key=lambda one: one.stable)


def stable_name(device: str, folders: tuple[Path, ...] = (BY_ID, BY_PATH)) -> str | None:
    """The name of a device that stays the same when it is plugged in again; None if there is none, or it is one."""
    if "://" in device or Path(device).parent in folders:
        return None
    target = os.path.realpath(device)
    for folder in folders:
        if folder.is_dir():
            for link in sorted(folder.iterdir()):
                if os.path.realpath(link) == target:
                    return str(link)
    return None


def holders(device: str, process_folder: Path = Path("/proc")) -> str:
    """`NAME (process N)` of those who have the device open, as far as this user may see; empty if there are none."""
    target, found = os.path.realpath(device), []
    for process in sorted(process_folder.glob("[0-9]*")):
        if target in _open_files(process):
            with contextlib.suppress(OSError):
                found.append(f"{(process / 'comm').read_text().strip()} (process {process.name})")
    return ", ".join(found)


def _open_files(process: Path) -> set[str]:
    """What a process has open; nothing if it is gone or another user's."""
    files: set[str] = set()
    with contextlib.suppress(OSError):
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                files.add(str(entry.readlink()))
    return files
