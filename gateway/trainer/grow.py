"""Deeper networks from trained ones: layers are added that do nothing yet, so training goes on from what was learnt.

Rule: a grown codec gives what it gave before. Added blocks are residual, their last projection begins at zero (as in
Net2Net, Chen et al. 2016).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from gateway.codec.model import CodecModel
from gateway.codec.spec import CodecSpec

_LAST = ("contract.weight", "contract.bias", "output.weight", "output.bias")
"""What a residual layer adds goes through these."""


def can_grow(old: CodecSpec, new: CodecSpec) -> bool:
    """Whether `new` differs from `old` by further layers alone."""
    pairs = zip(
        (*old.encoder_depths, *old.decoder_depths, old.vocoder_depth),
        (*new.encoder_depths, *new.decoder_depths, new.vocoder_depth),
        strict=True,
    )
    same = replace(
        new,
        encoder_depths=old.encoder_depths,
        decoder_depths=old.decoder_depths,
        vocoder_depth=old.vocoder_depth,
        default_lookahead=old.default_lookahead,
    )
    return same == old and all(before <= after for before, after in pairs)


def grown(state: dict[str, Tensor], old: CodecSpec, new: CodecSpec) -> dict[str, Tensor]:
    """The state of a codec of `old` sizes as that of one of `new` sizes; added layers begin at random but silent."""
    before, after = _decoder_layers(old), _decoder_layers(new)
    moved = {}
    for name, value in state.items():
        parts = name.split(".")
        if name.startswith("decoder.layers."):
            parts[2] = str(after.index(before[int(parts[2])]))
        moved[".".join(parts)] = value
    full = CodecModel(new).state_dict()
    for name in full.keys() - moved.keys():
        if name.endswith(_LAST):
            full[name].zero_()
    return full | moved


def _decoder_layers(spec: CodecSpec) -> list[tuple[int, int]]:
    """Stage, counted from the slowest, and number in it of every entry of `Decoder.layers`."""
    fast, middle, slow = spec.decoder_depths
    counts = (2 * slow + 1, middle + 1, fast + 1)
    # The last of a stage is what goes up to the next: it has the same number whatever the depth.
    return [(stage, i if i < count - 1 else -1) for stage, count in enumerate(counts) for i in range(count)]
