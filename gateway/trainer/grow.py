"""Larger networks from trained ones: parts are added that do nothing yet, so training goes on from what was learnt.

Rule: a grown codec gives what it gave before. Added blocks are residual, their last projection begins at zero (as in
Net2Net, Chen et al. 2016); so does that of an added recognition branch, whose inside is Whisper tiny.en's encoder.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gateway.codec.model import CodecModel
from gateway.codec.recognition import FRAMES_A_CODE
from gateway.codec.spec import CodecSpec
from gateway.errors import CheckpointError
from gateway.trainer.whisper import read_ctranslate2, tiny_en_path

_LAST = ("contract.weight", "contract.bias", "output.weight", "output.bias")
"""What a residual layer adds goes through these."""
_BRANCH = "encoder.recognition."
_LAYER, _LAST_BIAS = "encoder/layer_", "ffn/linear_1/bias"
_OF_WHISPER = {
    "attention_norm.weight": "self_attention/layer_norm/gamma",
    "attention_norm.bias": "self_attention/layer_norm/beta",
    "project.weight": "self_attention/linear_0/weight",
    "project.bias": "self_attention/linear_0/bias",
    "attended.weight": "self_attention/linear_1/weight",
    "attended.bias": "self_attention/linear_1/bias",
    "norm.weight": "ffn/layer_norm/gamma",
    "norm.bias": "ffn/layer_norm/beta",
    "expand.weight": "ffn/linear_0/weight",
    "expand.bias": "ffn/linear_0/bias",
    "contract.weight": "ffn/linear_1/weight",
    "contract.bias": "ffn/linear_1/bias",
}
"""Names in a `TransformerLayer` and in a layer of Whisper's encoder."""


def can_grow(old: CodecSpec, new: CodecSpec) -> bool:
    """Whether `new` differs from `old` by further layers and a recognition branch alone."""
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
    if not old.recognition_depth:
        same = replace(
            same,
            recognition_width=old.recognition_width,
            recognition_depth=0,
            recognition_frames=old.recognition_frames,
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
    if new.recognition_depth and not old.recognition_depth:
        moved |= recognition_weights(new)
    return full | moved


def recognition_weights(spec: CodecSpec) -> dict[str, Tensor]:
    """A recognition branch with the weights of Whisper tiny.en's encoder and a silent last projection.

    Raises CheckpointError if the branch has another width or more layers than tiny.en.
    """
    whisper = read_ctranslate2(tiny_en_path())
    width, depth = (
        len(whisper["encoder/conv1/bias"]),
        sum(n.startswith(_LAYER) and n.endswith(_LAST_BIAS) for n in whisper),
    )
    if spec.recognition_width != width or spec.recognition_depth > depth:
        raise CheckpointError(
            f"a recognition branch of {spec.recognition_depth} layers of {spec.recognition_width} channels "
            f"cannot begin as Whisper tiny.en: that has {depth} of {width}"
        )
    taken = {
        "first.weight": whisper["encoder/conv1/weight"].flatten(1),
        "first.bias": whisper["encoder/conv1/bias"],
        "second.weight": whisper["encoder/conv2/weight"].flatten(1),
        "second.bias": whisper["encoder/conv2/bias"],
        "norm.weight": whisper["encoder/layer_norm/gamma"],
        "norm.bias": whisper["encoder/layer_norm/beta"],
        "output.weight": torch.zeros(spec.widths[2], FRAMES_A_CODE * width),
        "output.bias": torch.zeros(spec.widths[2]),
    }
    for layer in range(spec.recognition_depth):
        for ours, theirs in _OF_WHISPER.items():
            taken[f"layers.{layer}.{ours}"] = whisper[f"encoder/layer_{layer}/{theirs}"]
    return {_BRANCH + name: value.clone() for name, value in taken.items()}


def _decoder_layers(spec: CodecSpec) -> list[tuple[int, int]]:
    """Stage, counted from the slowest, and number in it of every entry of `Decoder.layers`."""
    fast, middle, slow = spec.decoder_depths
    counts = (2 * slow + 1, middle + 1, fast + 1)
    # The last of a stage is what goes up to the next: it has the same number whatever the depth.
    return [(stage, i if i < count - 1 else -1) for stage, count in enumerate(counts) for i in range(count)]
