"""A grown codec is deeper and says the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.codec.model import CodecModel
from gateway.errors import CheckpointError
from gateway.trainer.checkpoint import load_parts
from gateway.trainer.grow import can_grow, grown


def deeper(spec: CodecSpec) -> CodecSpec:
    fast, middle, slow = spec.encoder_depths
    up_fast, up_middle, up_slow = spec.decoder_depths
    return replace(
        spec,
        encoder_depths=(fast + 1, middle, slow + 2),
        decoder_depths=(up_fast, up_middle + 1, up_slow + 1),
        vocoder_depth=spec.vocoder_depth + 1,
    )


def test_a_grown_codec_gives_what_it_gave(small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray) -> None:
    model = CodecModel(deeper(small_spec)).eval()
    model.load_state_dict(grown(small_codec.model.state_dict(), small_spec, model.spec))
    large = Codec(model.requires_grad_(False))
    frames = small_codec.encode(speechlike)
    assert large.encode(speechlike) == frames
    np.testing.assert_allclose(large.decode(frames), small_codec.decode(frames), atol=1e-5)


def test_added_layers_can_learn(small_codec: Codec, small_spec: CodecSpec) -> None:
    model = CodecModel(deeper(small_spec))
    model.load_state_dict(grown(small_codec.model.state_dict(), small_spec, model.spec))
    values = torch.zeros(1, 3, 8)
    model.decode_values(values, values).square().mean().backward()
    silent = [name for name, p in model.decoder.named_parameters() if p.grad is not None and not p.detach().any()]
    learning = [name for name, p in model.decoder.named_parameters() if p.grad is not None and p.grad.any()]
    added = [name for name in silent if name.endswith(("contract.weight", "output.weight"))]
    assert len(added) == 3  # a block and its attention at 12.5 Hz, a block at 25 Hz
    assert set(added) <= set(learning)


def test_only_further_layers_are_growth(small_codec: Codec, small_spec: CodecSpec, tmp_path: Path) -> None:
    larger = deeper(small_spec)
    assert can_grow(small_spec, larger)
    assert not can_grow(larger, small_spec)
    wider = replace(larger, vocoder_width=2 * small_spec.vocoder_width)
    assert not can_grow(small_spec, wider)
    path = tmp_path / "w.safetensors"
    save_weights(path, small_spec, small_codec.model.state_dict())
    load_parts(CodecModel(larger), path)
    with pytest.raises(CheckpointError, match=r"not of the sizes in the recipe's \[model\]"):
        load_parts(CodecModel(wider), path)
