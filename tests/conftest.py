"""Shared by many tests: small codecs with made-up weights (streaming rules hold for any) and speech-like sound."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gateway.codec import Codec, CodecSpec
from gateway.codec.model import CodecModel

# As every program of ours sets it: the steps are too small to share, and tests run beside others.
torch.set_num_threads(1)


def random_model(spec: CodecSpec) -> CodecModel:
    torch.manual_seed(7)
    model = CodecModel(spec)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def small_spec() -> CodecSpec:
    return CodecSpec(
        widths=(16, 24, 36),
        encoder_depths=(1, 1, 2),
        decoder_depths=(1, 1, 2),
        heads=2,
        memory_frames=8,
        vocoder_width=32,
        vocoder_depth=2,
    )


@pytest.fixture(scope="session")
def small_codec(small_spec: CodecSpec) -> Codec:
    return Codec(random_model(small_spec))


@pytest.fixture
def speechlike() -> np.ndarray:
    """3.1 s of amplitude-modulated harmonics and noise, not a whole number of frames."""
    rng = np.random.default_rng(5)
    t = np.arange(49_777) / 16_000
    voice = sum(np.sin(2 * np.pi * 120 * k * t + k) / k for k in range(1, 20))
    wave = voice * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * t)) + 0.1 * rng.standard_normal(len(t))
    return (0.1 * wave).astype(np.float32)


@pytest.fixture(scope="session")
def speech_folder() -> Path:
    """The shared speech folder; tests that need it say so by asking for it, and skip without it."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "speech"
    folder = Path(os.environ.get("CLARILINK_SPEECH") or beside)
    if not (folder / "manifest.tsv").is_file():
        pytest.skip(f"no speech folder at {folder} (set CLARILINK_SPEECH)")
    return folder
