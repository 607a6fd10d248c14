"""Files that come with the program are found however it was installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import packaged
from gateway.packaged import packaged_folders

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.mark.parametrize("name", ["channel", "modem", "protection"])
def test_in_a_checkout(name: str) -> None:
    assert packaged_folders(name)[0] == CONFIGS / name


@pytest.mark.parametrize(
    "place",
    [
        "venv/lib/python3.11/site-packages/gateway/packaged.py",
        "home/.local/lib/python3.11/site-packages/gateway/packaged.py",
        "usr/local/lib/python3.11/dist-packages/gateway/packaged.py",
        "target/gateway/packaged.py",
    ],
)
def test_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    base = tmp_path / place.split("/lib/")[0].removesuffix("/gateway/packaged.py")
    (base / "share" / "clarilink" / "modem").mkdir(parents=True)
    monkeypatch.setattr(packaged, "HERE", tmp_path / place)
    assert packaged_folders("modem") == (base / "share" / "clarilink" / "modem",)


def test_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "HERE", tmp_path / "a" / "gateway" / "packaged.py")
    assert packaged_folders("modem") == (tmp_path / "a" / "configs" / "modem",)
