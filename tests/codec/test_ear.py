"""The recogniser's ear: the shipped one is Whisper's encoder; the distance of features is a share of the original."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gateway.codec.ear import DEFAULT_EAR, WhisperEncoder, load_ear, relative_l1, save_ear
from gateway.errors import CheckpointError
from gateway.trainer.whisper import read_ctranslate2, tiny_en_path


def test_relative_l1_is_a_share_of_the_original() -> None:
    original = [torch.randn(2, 30, 8), 100 * torch.randn(2, 30, 8)]
    assert float(relative_l1(original, original)) == 0.0
    near = relative_l1([x * 1.1 for x in original], original)
    far = relative_l1([torch.zeros_like(x) for x in original], original)
    assert 0.08 < float(near) < 0.12  # the same for both scales
    assert 0.9 < float(far) < 1.1


@torch.no_grad()
def test_the_shipped_ear_hears_as_whisper_does(tmp_path: Path) -> None:
    weights = read_ctranslate2(tiny_en_path())
    mels = 1.5 * torch.rand(1, 200, 80, generator=torch.Generator().manual_seed(1)) - 0.5
    original, shipped = WhisperEncoder(weights)(mels), load_ear()(mels)
    for theirs, ours in zip(original, shipped, strict=True):
        assert float(relative_l1([ours], [theirs])) < 0.06  # of rounding to 8 bits
    save_ear(tmp_path / "ear.safetensors", weights)
    assert torch.equal(load_ear(tmp_path / "ear.safetensors")(mels)[-1], shipped[-1])
    assert [torch.equal(a, b) for a, b in zip(load_ear()(mels, 2), shipped[:2], strict=True)] == [True, True]


def test_the_ear_fits_beside_the_codec() -> None:
    codec = DEFAULT_EAR.parent / "claricodec-v1.safetensors"
    assert DEFAULT_EAR.stat().st_size + codec.stat().st_size <= 20e6


def test_what_is_no_ear_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"missing\.safetensors: not readable"):
        load_ear(tmp_path / "missing.safetensors")
    (tmp_path / "junk").write_bytes(b"junk" * 100)
    with pytest.raises(CheckpointError, match="junk: not readable"):
        load_ear(tmp_path / "junk")
    save_file({"a": torch.zeros(3)}, str(tmp_path / "other"))
    with pytest.raises(CheckpointError, match="other: holds no recogniser's encoder"):
        load_ear(tmp_path / "other")
