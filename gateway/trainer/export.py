"""A run's averaged weights as the file the gateway loads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from gateway.codec.checkpoint import save_weights
from gateway.codec.spec import CodecSpec
from gateway.errors import CheckpointError
from gateway.trainer.checkpoint import load_codec, read_run


@dataclass(frozen=True, slots=True)
class Blend:
    """What a run began with, of which a part stays: `share` 1 is the run's weights alone, 0 those of `start`."""

    start: Path
    share: float


def export(
    checkpoint: Path, out: Path, vocoder: Path | None = None, lookahead: int | None = None, blend: Blend | None = None
) -> int:
    """Write `checkpoint`'s codec, with the vocoder of another run or file if given, to `out`; returns its bytes.

    `lookahead` becomes the default of these weights; `blend` averages them with those that the run began with, which
    keeps most of what was learnt and loses little of what was known (Wortsman et al. 2022, arXiv 2109.01903).
    """
    saved = read_run(checkpoint)
    spec, state = CodecSpec.from_json(saved["spec"]), saved["codec"]
    if blend is not None:
        state = _blended(state, spec, blend)
    if vocoder is not None:
        state = {**state, **_vocoder_of(vocoder, spec)}
    out.parent.mkdir(parents=True, exist_ok=True)
    save_weights(out, spec if lookahead is None else replace(spec, default_lookahead=lookahead), state)
    return out.stat().st_size


def _vocoder_of(path: Path, spec: CodecSpec) -> dict[str, Tensor]:
    other = load_codec(path)
    if (other.spec.vocoder_width, other.spec.vocoder_depth) != (spec.vocoder_width, spec.vocoder_depth):
        raise CheckpointError(f"{path}: its vocoder is not of the sizes of the run's")
    return {name: value for name, value in other.state_dict().items() if name.startswith("vocoder.")}


def _blended(state: dict[str, Tensor], spec: CodecSpec, blend: Blend) -> dict[str, Tensor]:
    start = load_codec(blend.start)
    if replace(start.spec, default_lookahead=spec.default_lookahead) != spec:
        raise CheckpointError(f"{blend.start}: its networks are not of the sizes of the run's")
    return {name: old + blend.share * (state[name] - old) for name, old in start.state_dict().items()}
