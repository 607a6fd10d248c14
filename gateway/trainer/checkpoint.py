"""Reading what training runs left: a run's last.pt, and released weights as a start.

Rule: a file that is not one of these is a CheckpointError that names it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gateway.codec.checkpoint import load_model
from gateway.codec.model import CodecModel
from gateway.codec.spec import CodecSpec
from gateway.errors import CheckpointError
from gateway.trainer.grow import can_grow, grown


def read_run(path: Path) -> dict[str, Any]:
    """The content of a run's last.pt; `Run.save` says what is in it."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler stumbles over
        raise CheckpointError(f"{path}: not the last.pt of a run") from error
    if not isinstance(content, dict) or not {"codec", "spec"} <= content.keys():
        raise CheckpointError(f"{path}: not the last.pt of a run")
    return content


def load_codec(path: Path) -> CodecModel:
    """The codec of a run's last.pt, with its averaged weights, or of released .safetensors; on the CPU, trainable."""
    if path.suffix == ".safetensors":
        return load_model(path).requires_grad_(True)
    saved = read_run(path)
    model = CodecModel(CodecSpec.from_json(saved["spec"]))
    model.load_state_dict(saved["codec"])
    return model


def spec_of(path: Path | None) -> CodecSpec:
    """Sizes of the codec in a last.pt or .safetensors; the default ones if there is none."""
    return CodecSpec() if path is None else load_codec(path).spec


def load_parts(codec: CodecModel, path: Path, prefix: str = "") -> None:
    """Give `codec` the weights of a last.pt or .safetensors whose names begin with `prefix`.

    A codec with more layers is grown from them; raises CheckpointError if their networks have other sizes.
    """
    start = load_codec(path)
    whole = start.state_dict()
    if can_grow(start.spec, codec.spec):
        whole = grown(whole, start.spec, codec.spec)
    state = {name: value for name, value in whole.items() if name.startswith(prefix)}
    try:
        codec.load_state_dict(state, strict=not prefix)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its networks are not of the sizes in the recipe's [model]") from error
