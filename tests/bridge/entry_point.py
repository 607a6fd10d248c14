"""An installed package with a modem of its own, as far as Python's metadata can tell: a folder for `sys.path`."""

from __future__ import annotations

from pathlib import Path


def write_package(folder: Path, package: str, source: str, entry_points: dict[str, str]) -> None:
    """`source` as the module `package`, with the entry points (`name: target`) of the group for modems."""
    (folder / f"{package}.py").write_text(source, encoding="utf-8")
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    lines = "".join(f"{name} = {target}\n" for name, target in entry_points.items())
    (info / "entry_points.txt").write_text(f"[clarilink.modems]\n{lines}", encoding="utf-8")
