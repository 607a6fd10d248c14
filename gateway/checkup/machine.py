"""Folders, disks, packages, memory and clock: what any program needs of a machine.

Rule: looks and asks, makes nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from gateway.checkup.findings import Findings
from gateway.checkup.surroundings import Surroundings

STATION_BYTES = 450_000_000
"""What a station takes while it talks."""
EARLIEST_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""No clock that is right shows an earlier time to this program."""
SKEW_S = 86_400
SYNC_FOLDER = Path("/run/systemd/timesync")
EXTRAS = {
    "textual": "console",
    "aiohttp": "web",
    "prometheus_client": "metrics",
    "pyrnnoise": "denoise",
    "gpiod": "gpio",
}


def human_bytes(count: int) -> str:
    """As people say it: 450 MB, 2.0 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def check_folder(findings: Findings, key: str, folder: Path, needed: int, around: Surroundings) -> None:
    """That files can be made in `folder`, or it in the folders above it, and that `needed` bytes fit."""
    if around.quick:
        return
    there = folder
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        findings.problem(key, f"{there} is in the way: not a folder", "move it, or give another folder")
        return
    if not _takes_files(there):
        why = "cannot be written by this user" if there == folder else f"cannot be made: {there} takes no new files"
        findings.problem(key, f"{folder} {why}", f"let {_user()} write there, or give another folder")
        return
    try:
        free = around.free(there)
    except OSError as error:
        findings.warn(key, f"{folder}: room on its disk is not known: {error.strerror or error}")
        return
    made = "" if there == folder else " (will be made)"
    if free < needed:
        room = f"{human_bytes(free)} free on its disk, {human_bytes(needed)} may be needed"
        findings.warn(key, f"{folder}{made}: {room}", "make room, or lower the limit")
    else:
        findings.ok(key, f"{folder}{made}, {human_bytes(free)} free")


def check_package(findings: Findings, key: str, package: str, around: Surroundings, what: str) -> bool:
    """That an extra's package is there for `what`; a problem otherwise."""
    if around.installed(package):
        return True
    extra = EXTRAS[package]
    findings.problem(key, f"{what} needs {package}, which is not installed", f"`pip install 'clarilink[{extra}]'`")
    return False


def check_machine(findings: Findings, files: Iterable[Path], around: Surroundings) -> None:
    """Clock and memory; the clock cannot be right if one of `files` was changed later than now."""
    now_s, newest_s = around.calendar(), max(map(_changed_s, files), default=0.0)
    shown = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%d %H:%M UTC") if 0 <= now_s < 2**33 else f"{now_s:.0f}"
    todo = "set it (`timedatectl`), or fit a clock chip; recordings, logs and certificates go by it"
    if now_s < EARLIEST_S:
        findings.warn("clock", f"it shows {shown}", todo)
    elif newest_s > now_s + SKEW_S:
        findings.warn("clock", f"it shows {shown}, but a file given here was changed later", todo)
    elif SYNC_FOLDER.is_dir() and not (SYNC_FOLDER / "synchronized").exists():
        findings.warn("clock", f"it shows {shown} and has not been set by the network since start", todo)
    else:
        findings.ok("clock", f"it shows {shown}")
    memory = around.memory()
    if memory is not None and memory < STATION_BYTES:
        text = f"{human_bytes(memory)} of memory available, a station takes up to {human_bytes(STATION_BYTES)}"
        findings.warn("memory", text, "end other programs, or add swap (deploy/INSTALL.md)")


def _takes_files(folder: Path) -> bool:
    """Whether a file can be made there: tried, for permissions alone do not tell (read-only disks, root)."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _user() -> str:
    return os.environ.get("USER") or f"user {os.getuid()}"
