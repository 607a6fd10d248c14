"""The networks as one: sound and mels stand beside each other, whole clips at a time."""

from __future__ import annotations

import torch

from gateway.audio.files import read_audio
from gateway.codec.checkpoint import DEFAULT_WEIGHTS, load_model
from gateway.codec.spec import HOP, MELS
from gateway.samples import sample_path


def test_sound_of_mels_has_these_mels() -> None:
    model = load_model(DEFAULT_WEIGHTS)
    pcm = torch.from_numpy(read_audio(sample_path()))[None, : 400 * HOP]
    with torch.no_grad():
        mel = model.mels(pcm)
        sound = model.sound(mel)
        again = model.mels(sound)
    assert mel.shape == (1, 400, MELS)
    assert sound.shape == (1, 398 * HOP)
    aligned = float((again - mel[:, :398]).abs().mean())
    late = float((again[:, 1:] - mel[:, :397]).abs().mean())
    assert aligned < 0.1
    assert late > 1.2 * aligned
