"""Where the files lie that come with the program: configs/ in a checkout, share/clarilink/ of an installation.

Rule: looks beside the program and above it, not at the interpreter: then any way to install it will do (pipx, a virtual
environment, for one user, for the system, into a folder).
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__)


def packaged_folders(name: str) -> tuple[Path, ...]:
    """Folders that hold the packaged files called `name` (`modem`, `channel`), the checkout's first; the first of them
    where there is none."""
    wanted = HERE.parents[1] / "configs" / name
    found = [wanted, *(above / "share" / "clarilink" / name for above in HERE.parents)]
    return tuple(folder for folder in found if folder.is_dir()) or (wanted,)
