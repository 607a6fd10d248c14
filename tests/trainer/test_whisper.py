"""The PyTorch reading of Whisper's CTranslate2 file computes what CTranslate2 computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gateway.errors import CheckpointError
from gateway.trainer.whisper import WhisperEncoder, read_ctranslate2, tiny_en_path


def test_encoder_agrees_with_ctranslate2() -> None:
    import ctranslate2

    weights = read_ctranslate2(tiny_en_path())
    mel = np.random.default_rng(0).uniform(-0.5, 1.0, (1, 3000, 80)).astype(np.float32)
    model = ctranslate2.models.Whisper(str(tiny_en_path().parent), compute_type="float32")
    features = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.transpose(0, 2, 1)))
    theirs = np.array(model.encode(features))
    encoder = WhisperEncoder(weights)
    ours = encoder.normalised(encoder(torch.from_numpy(mel))[-1]).numpy()
    # Single outputs near a normalisation of small variance differ more; the mean shows any wrong layer.
    assert np.abs(ours - theirs).mean() < 1e-4


def test_gradients_reach_the_mels_and_stop_there() -> None:
    encoder = WhisperEncoder(read_ctranslate2(tiny_en_path()))
    mel = torch.randn(1, 32, 80, requires_grad=True)
    outputs = encoder(mel)
    assert [tuple(o.shape) for o in outputs] == [(1, 16, 384)] * 4
    outputs[-1].sum().backward()
    assert mel.grad is not None
    assert mel.grad.abs().sum() > 0
    assert not list(encoder.parameters())


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"\x07\0\0\0" + b"\0" * 16)
    with pytest.raises(CheckpointError, match="binary version 7, needed 6"):
        read_ctranslate2(path)
