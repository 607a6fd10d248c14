"""Checkpoints carry their spec; what cannot run is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import load_model, save_weights
from gateway.codec.packed import packs
from gateway.errors import CheckpointError


def test_round_trip(tmp_path: Path, small_codec: Codec, small_spec: CodecSpec) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, small_spec, small_codec.model.state_dict())
    loaded = load_model(path)
    assert loaded.spec == small_spec
    for name, value in small_codec.model.state_dict().items():
        # Half a step of a row's 127, or float16's rounding.
        step = value.abs().amax(-1, keepdim=True) / 126.7 if packs(value) else 2e-3
        assert bool(((loaded.state_dict()[name] - value).abs() <= 0.51 * step + 1e-5).all()), name
    save_weights(tmp_path / "again.safetensors", loaded.spec, loaded.state_dict())
    for name, value in load_model(tmp_path / "again.safetensors").state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), "stored twice is rounded once"
    assert Codec.load(path).encode(np.zeros(1280, np.float32)) is not None


def test_newer_codec_version_is_refused(tmp_path: Path, small_codec: Codec, small_spec: CodecSpec) -> None:
    path = tmp_path / "w.safetensors"
    values = json.loads(small_spec.to_json()) | {"codec_version": 9}
    save_file({"x": torch.zeros(1)}, str(path), metadata={"clarilink_codec_spec": json.dumps(values)})
    with pytest.raises(CheckpointError, match=r"version 9.*up to version 1"):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"\xff" * 64])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.safetensors: not a readable safetensors file"):
        load_model(path)


def test_missing_spec_and_misfit_are_refused(tmp_path: Path, small_spec: CodecSpec) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.zeros(1)}, str(path))
    with pytest.raises(CheckpointError, match="holds no codec spec"):
        load_model(path)
    save_file({"x": torch.zeros(1)}, str(path), metadata={"clarilink_codec_spec": small_spec.to_json()})
    with pytest.raises(CheckpointError, match="do not fit their spec"):
        load_model(path)
