"""Whisper base is joined from its parts once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.evaluation.whisper import model_folder


def test_base_is_joined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = model_folder("base")
    model = folder / "model.bin"
    before = model.stat()
    assert model_folder("base") == folder
    assert model.stat().st_mtime_ns == before.st_mtime_ns
    model.write_bytes(b"cut off")
    model_folder("base")
    assert model.stat().st_size == before.st_size
