"""Codec weights on disk: one safetensors file with the spec in its metadata, 8 or 16 bits a weight.

Large matrices are int8 with a bfloat16 scale a row (`<name>.scale`), as they are run (packed.py); everything else is
float16. Everything becomes float32 when it is read here.

Rule: a file this program cannot run is refused with what it holds and what was needed.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gateway.codec.model import CodecModel
from gateway.codec.packed import restored, stored
from gateway.codec.spec import CodecSpec
from gateway.errors import CheckpointError

DEFAULT_WEIGHTS = Path(__file__).parent / "weights" / "claricodec-v1.safetensors"
_SPEC_KEY = "clarilink_codec_spec"


def save_weights(path: Path, spec: CodecSpec, state: dict[str, Tensor]) -> None:
    """Write weights with the spec as metadata; what is read again differs from them by rounding."""
    save_file(stored(state), str(path), metadata={_SPEC_KEY: spec.to_json()})
    path.chmod(0o644)  # safetensors makes files that only their owner can read


def load_model(path: Path | None = None) -> CodecModel:
    """The networks with weights of `path` (the shipped ones by default), float32, frozen, ready to run."""
    chosen = DEFAULT_WEIGHTS if path is None else path
    if not chosen.is_file():
        raise CheckpointError(f"{chosen}: no such codec weights")
    try:
        with safe_open(str(chosen), framework="pt") as file:
            metadata = file.metadata() or {}
            kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{chosen}: not a readable safetensors file ({error})") from error
    if _SPEC_KEY not in metadata:
        raise CheckpointError(f"{chosen}: holds no codec spec ({_SPEC_KEY} missing from its metadata)")
    model = CodecModel(CodecSpec.from_json(metadata[_SPEC_KEY]))
    try:
        model.load_state_dict(restored(kept))
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(f"{chosen}: weights do not fit their spec: {error}") from error
    return model.eval().requires_grad_(False)
