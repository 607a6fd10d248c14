"""A run's averaged weights as the file the gateway loads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.codec.checkpoint import save_weights
from gateway.codec.spec import CodecSpec
from gateway.trainer.checkpoint import read_run


def export(checkpoint: Path, out: Path, vocoder: Path | None = None, lookahead: int | None = None) -> int:
    """Write `checkpoint`'s codec, with the vocoder of another run if given, to `out`; returns its bytes.

    `lookahead` becomes the default of these weights.
    """
    saved = read_run(checkpoint)
    state = saved["codec"]
    if vocoder is not None:
        state = {
            **{k: v for k, v in state.items() if not k.startswith("vocoder.")},
            **{k: v for k, v in read_run(vocoder)["codec"].items() if k.startswith("vocoder.")},
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    spec = CodecSpec.from_json(saved["spec"])
    save_weights(out, spec if lookahead is None else replace(spec, default_lookahead=lookahead), state)
    return out.stat().st_size
