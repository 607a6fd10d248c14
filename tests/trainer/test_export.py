"""From a run's checkpoint to the file the gateway loads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import load_model
from gateway.codec.model import CodecModel
from gateway.errors import CheckpointError
from gateway.trainer.export import Blend, export


def checkpoint(path: Path, spec: CodecSpec, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state = CodecModel(spec).state_dict()
    torch.save({"codec": state, "spec": spec.to_json()}, path)
    return state


def test_codec_of_one_run_with_the_vocoder_of_another(tmp_path: Path, small_spec: CodecSpec) -> None:
    acoustic = checkpoint(tmp_path / "a.pt", small_spec, 1)
    vocoder = checkpoint(tmp_path / "v.pt", small_spec, 2)
    out = tmp_path / "new" / "w.safetensors"
    size = export(tmp_path / "a.pt", out, vocoder=tmp_path / "v.pt", lookahead=2)
    assert size == out.stat().st_size
    codec = Codec.load(out)
    assert codec.spec.default_lookahead == 2
    for name, value in load_model(out).state_dict().items():
        source = vocoder if name.startswith("vocoder.") else acoustic
        assert torch.allclose(value, source[name], atol=2e-2, rtol=1e-3)
    again = tmp_path / "again.safetensors"
    export(tmp_path / "v.pt", again, vocoder=out, lookahead=2)
    voices = [model.state_dict() for model in (load_model(out), load_model(again))]
    assert all(torch.equal(value, voices[1][name]) for name, value in voices[0].items() if name.startswith("vocoder."))
    checkpoint(tmp_path / "other.pt", replace(small_spec, vocoder_width=2 * small_spec.vocoder_width), 3)
    with pytest.raises(CheckpointError, match=r"other\.pt: its vocoder is not of the sizes of the run's"):
        export(tmp_path / "a.pt", out, vocoder=tmp_path / "other.pt")


def test_a_run_blended_with_what_it_began_with(tmp_path: Path, small_spec: CodecSpec) -> None:
    run = checkpoint(tmp_path / "run.pt", small_spec, 1)
    start = checkpoint(tmp_path / "start.pt", small_spec, 2)
    out = tmp_path / "w.safetensors"
    export(tmp_path / "run.pt", out, blend=Blend(tmp_path / "start.pt", 0.25))
    for name, value in load_model(out).state_dict().items():
        assert torch.allclose(value, 0.25 * run[name] + 0.75 * start[name], atol=2e-2, rtol=1e-3)
    checkpoint(tmp_path / "other.pt", replace(small_spec, vocoder_depth=small_spec.vocoder_depth + 1), 3)
    with pytest.raises(CheckpointError, match=r"other\.pt: its networks are not of the sizes of the run's"):
        export(tmp_path / "run.pt", out, blend=Blend(tmp_path / "other.pt", 0.5))


def test_missing_checkpoints_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.pt: no such checkpoint"):
        export(tmp_path / "none.pt", tmp_path / "w.safetensors")
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match=r"junk\.pt: not the last\.pt of a run"):
        export(tmp_path / "junk.pt", tmp_path / "w.safetensors")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match=r"list\.pt: not the last\.pt of a run"):
        export(tmp_path / "list.pt", tmp_path / "w.safetensors")
