"""Reading what training runs left: a run's last.pt, and released weights as a start.

Rule: a file that is not one of these is a CheckpointError that names it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gateway.codec.checkpoint import load_model
from gateway.errors import CheckpointError


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


def load_codec_state(path: Path) -> dict[str, Tensor]:
    """Averaged codec weights of a run's last.pt, or those of released .safetensors."""
    if path.suffix == ".safetensors" and path.is_file():
        return load_model(path).state_dict()
    state: dict[str, Tensor] = read_run(path)["codec"]
    return state
