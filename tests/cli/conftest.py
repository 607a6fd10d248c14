"""What commands of the codec work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, small_codec: Codec, small_spec: CodecSpec) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, small_spec, small_codec.model.state_dict())
    return path


@pytest.fixture
def wav(tmp_path: Path, speechlike: np.ndarray) -> Path:
    soundfile.write(tmp_path / "in.wav", speechlike, 16_000)
    return tmp_path / "in.wav"
