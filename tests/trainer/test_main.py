"""The trainer's command line from plain sound files to weights that the gateway loads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from gateway.codec import Codec
from gateway.codec.checkpoint import DEFAULT_WEIGHTS
from gateway.codec.ear import DEFAULT_EAR
from gateway.trainer.__main__ import main

RECIPE = """
task = "acoustic"
steps = 2
decay_steps = 1
warmup_steps = 1
batch = 2
clip_frames = 12
compile = false
threads = 1
"""


RECIPES = Path(__file__).parents[2] / "configs" / "train"


def call(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_prepare_train_export(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "speech" / "anna").mkdir(parents=True)
    for n in range(2):
        pcm = (0.1 * rng.standard_normal(32_000)).astype(np.float32)
        soundfile.write(tmp_path / "speech" / "anna" / f"{n}.wav", pcm, 16_000)
    (tmp_path / "r.toml").write_text(RECIPE)
    speech, data, run = (tmp_path / name for name in ("speech", "data", "run"))
    assert "2 clips; train 0.00 h" in call("prepare", speech, "--noise", speech, "--out", data)
    call("train", tmp_path / "r.toml", "--data", data, "--run", run)
    assert (run / "recipe.json").is_file()
    assert (run / "last.pt").is_file()
    out = tmp_path / "w.safetensors"
    assert "MB" in call("export", run / "last.pt", out, "--lookahead", 2)
    assert Codec.load(out).delay_ms() == 255
    call("train", tmp_path / "r.toml", "--data", data, "--run", tmp_path / "warm", "--start", out)

    (tmp_path / "rl.toml").write_text(RECIPE.replace("acoustic", "reinforce") + "[policy]\ngroup = 2\n")
    call("rl", tmp_path / "rl.toml", "--data", data, "--run", tmp_path / "rl", "--start", run / "last.pt")
    assert (tmp_path / "rl" / "last.pt").is_file()


def test_the_shipped_ear_is_written_by_the_trainer(tmp_path: Path) -> None:
    assert "8.23 MB" in call("ear", tmp_path / "ear.safetensors")
    assert (tmp_path / "ear.safetensors").read_bytes() == DEFAULT_EAR.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "/nowhere", "--out", "OUT"], "/nowhere: no such folder"),
        (["train", "/nowhere.toml", "--data", "OUT", "--run", "OUT"], "/nowhere.toml: cannot read configuration"),
        (["rl", str(RECIPES / "smoke.toml"), "--data", "OUT", "--run", "OUT"], "needs a recipe of task reinforce"),
        (["rl", str(RECIPES / "smoke-reinforce.toml"), "--data", "OUT", "--run", "OUT"], "nothing to reinforce"),
        (["export", "/nowhere.pt", "OUT"], "/nowhere.pt: no such checkpoint"),
        (["evaluate", "/nowhere.pt", "--data", "OUT"], "/nowhere.pt: no such checkpoint"),
        (["compare", "/nowhere.pt", "--data", "OUT"], "/nowhere.pt: no such checkpoint"),
        (["compare", str(DEFAULT_WEIGHTS), "--data", "OUT"], "no index.jsonl there"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, [a.replace("OUT", str(tmp_path / "out")) for a in arguments])
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_share_of_nothing_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", "last.pt", str(tmp_path / "w.safetensors"), "--share", "0.4"])
    assert result.exit_code == 2
    assert "--blend names what the run began with" in result.output
