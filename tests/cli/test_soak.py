"""`clarilink soak` as its user types it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from gateway.cli import main
from gateway.codec import Codec
from gateway.codec.checkpoint import save_weights


def test_minutes_of_it_and_their_report(small_codec: Codec, tmp_path: Path) -> None:
    save_weights(tmp_path / "small.safetensors", small_codec.spec, small_codec.model.state_dict())
    arguments = ["--hours", 0.05, "--weights", tmp_path / "small.safetensors", "--report", tmp_path / "soak.json"]
    result = CliRunner().invoke(main, ["soak", *map(str, arguments), "--folder", str(tmp_path / "kept")])
    assert result.exit_code == 0, result.output
    assert "simulated through lossy-satellite" in result.stdout
    assert json.loads((tmp_path / "soak.json").read_text())["problems"] == []
    assert (tmp_path / "kept" / "spool-alpha").is_dir()


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("mine")
    result = CliRunner().invoke(main, ["soak", "--folder", str(tmp_path)])
    assert result.exit_code != 0
    assert "not empty" in result.output
