"""The front end equals Whisper's filterbank."""

from __future__ import annotations

import numpy as np
import torch

from gateway.codec.mel import FLOOR, MelFrontEnd, mel_filters


def test_filterbank_equals_whispers() -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    assert np.abs(FeatureExtractor().mel_filters - mel_filters()).max() < 1e-7


def test_frames_are_whispers_log_mels_without_the_maximum() -> None:
    """Whisper centres frame t on sample 160 t; ours is centred 40 samples earlier, so the signal is delayed by 40."""
    from faster_whisper.feature_extractor import FeatureExtractor

    rng = np.random.default_rng(0)
    pcm = (0.3 * rng.standard_normal(16_000)).astype(np.float32)
    theirs = FeatureExtractor()(np.concatenate([np.zeros(40, np.float32), pcm])).T
    front = MelFrontEnd()
    ours = front(torch.from_numpy(pcm[None]), front.initial_state(1))[0][0].numpy()
    assert np.abs(ours[5:95] - theirs[5:95]).max() < 1e-3


def test_floor_and_chunks() -> None:
    front = MelFrontEnd()
    pcm = torch.randn(1, 3200)
    whole, _ = front(pcm, front.initial_state(1))
    state = front.initial_state(1)
    parts = []
    for start in range(0, 3200, 160):
        mel, state = front(pcm[:, start : start + 160], state)
        parts.append(mel)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-6)
    silent, _ = front(torch.zeros(1, 1600), front.initial_state(1))
    assert torch.equal(silent, torch.full_like(silent, FLOOR))
