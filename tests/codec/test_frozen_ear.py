"""The search's ear: it hears what the ear hears, goes on where it stopped, and has the gradients of autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gateway.codec.ear import WhisperEncoder, load_ear, relative_l1
from gateway.codec.frozen_ear import FrozenEar


@pytest.fixture(scope="module")
def ear() -> WhisperEncoder:
    return load_ear()


def some_mels(frames: int, seed: int = 1) -> Tensor:
    return 1.5 * torch.rand(frames, 80, generator=torch.Generator().manual_seed(seed)) - 0.5


@pytest.mark.parametrize("frames", [2, 64])
def test_features_and_gradients_are_those_of_the_ear(ear: WhisperEncoder, frames: int) -> None:
    mel = some_mels(frames).requires_grad_(True)
    theirs = [x[0] for x in ear(mel[None], 3)]
    weights = {i: torch.randn(theirs[i].shape, generator=torch.Generator().manual_seed(i)) for i in (0, 2)}
    (gradient,) = torch.autograd.grad(torch.stack([(theirs[i] * w).sum() for i, w in weights.items()]).sum(), mel)
    frozen = FrozenEar(ear)
    with torch.no_grad():
        sound, from_sound = frozen.embed(mel)
        heard = frozen.listen(sound, 3)
        assert len(heard.outputs) == 3
        for ours, wanted in zip(heard.outputs, theirs, strict=True):
            assert torch.allclose(ours, wanted, rtol=1e-3, atol=1e-3)
        ours = from_sound(heard.back(weights))
    assert torch.allclose(ours, gradient, rtol=1e-2, atol=1e-3 * float(gradient.abs().max()))


@torch.no_grad()
def test_in_bfloat16_it_hears_nearly_the_same(ear: WhisperEncoder) -> None:
    exact, rounded = (FrozenEar(ear, kind) for kind in (torch.float32, torch.bfloat16))
    heard, near = (e.listen(e.embed(some_mels(64))[0], 4) for e in (exact, rounded))
    assert 0 < float(relative_l1(near.outputs, heard.outputs)) < 0.05
    gradients = {3: torch.randn(32, 384, generator=torch.Generator().manual_seed(1))}
    ours, theirs = (h.back(gradients).flatten() for h in (near, heard))
    assert float(torch.cosine_similarity(ours, theirs, dim=0)) > 0.99


@torch.no_grad()
def test_a_continuation_attends_to_what_was_heard_before(ear: WhisperEncoder) -> None:
    """The first layer hears it as if in one piece; deeper ones as if what came before had not known of it."""
    frozen = FrozenEar(ear)
    sound, _ = frozen.embed(some_mels(160))
    whole = frozen.listen(sound, 4).outputs
    before = frozen.listen(sound[:48], 4).heard
    later, alone = frozen.listen(sound[48:], 4, before), frozen.listen(sound[48:], 4).outputs
    assert torch.allclose(later.outputs[0], whole[0][48:], atol=1e-3)
    for deeper in range(1, 4):
        near, far = (float(relative_l1([x[deeper]], [whole[deeper][48:]])) for x in (later.outputs, alone))
        assert 0 < near < 0.5 * far
    assert [layer.keys.shape[1] for layer in later.heard.layers] == [80] * 4
    assert later.heard.position == 80


@torch.no_grad()
def test_what_was_heard_is_cut_at_both_ends_and_keeps_its_place(ear: WhisperEncoder) -> None:
    frozen = FrozenEar(ear)
    heard = frozen.listen(frozen.embed(some_mels(80))[0], 2).heard
    part = heard.until(8, 12)
    assert part.position == 32
    for whole, kept in zip(heard.layers, part.layers, strict=True):
        assert torch.equal(kept.keys, whole.keys[:, 20:32])
        assert torch.equal(kept.values, whole.values[:, 20:32])
    assert heard.until(8, 100).layers[0].keys.shape[1] == 32
