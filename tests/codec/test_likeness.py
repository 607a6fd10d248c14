"""Likeness: what it says is mel L1 and relative L1 of features, its gradient is autograd's, and it remembers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gateway.codec import likeness as module
from gateway.codec.ear import WhisperEncoder, load_ear, relative_l1
from gateway.codec.frozen_ear import FrozenEar
from gateway.codec.likeness import Likeness

LAYERS, WEIGHT = (1, 3), 1.5


@pytest.fixture(scope="module")
def ear() -> WhisperEncoder:
    return load_ear()


@pytest.fixture
def likeness(ear: WhisperEncoder) -> Likeness:
    return Likeness(FrozenEar(ear), LAYERS, WEIGHT, 32)


def some_mels(frames: int, seed: int) -> Tensor:
    """With some bins below what is heard."""
    return 3.0 * torch.rand(frames, 80, generator=torch.Generator().manual_seed(seed)) - 1.5


def test_loss_and_gradient_at_the_beginning_are_those_of_autograd(ear: WhisperEncoder, likeness: Likeness) -> None:
    original, decoded = some_mels(64, 1), some_mels(64, 2).requires_grad_(True)
    floor = float(original.max()) - 2.0
    heard, wanted = decoded.clamp_min(floor)[None], original.clamp_min(floor)[None]
    features, original_features = ([ear(mel)[i] for i in LAYERS] for mel in (heard, wanted))
    expected = (heard - wanted).abs().mean() + WEIGHT * relative_l1(features, original_features)
    (gradient,) = torch.autograd.grad(expected, decoded)
    with torch.no_grad():
        likeness.aim(original)
        loss, back = likeness(decoded)
        assert loss == pytest.approx(float(expected), rel=1e-3)
        ours = back()
    assert float(torch.cosine_similarity(ours.flatten(), gradient.flatten(), dim=0)) > 0.999
    assert float((ours[decoded < floor]).abs().max()) == 0.0


@torch.no_grad()
def test_the_original_itself_is_as_like_as_can_be(likeness: Likeness) -> None:
    for seed in range(3):
        original = some_mels(48, seed)
        likeness.aim(original)
        assert likeness(original)[0] == pytest.approx(0.0, abs=1e-4)
        assert likeness(some_mels(48, 9))[0] > 0.5
        likeness.keep(original, original, 32)


@torch.no_grad()
def test_what_was_kept_is_part_of_what_is_heard(likeness: Likeness, ear: WhisperEncoder) -> None:
    """The same stretch after another context sounds otherwise; after the same it does not matter whether the context
    was searched, in which case it is remembered, or not, in which case it is listened to again."""
    first, second, decoded = some_mels(48, 1), some_mels(48, 2), some_mels(48, 3)

    def loss(context: Tensor, searched: bool) -> float:
        listener = Likeness(FrozenEar(ear), LAYERS, WEIGHT, 32)
        if searched:
            listener.aim(context)
        listener.keep(context, context, 32)
        listener.aim(second)
        return listener(decoded)[0]

    remembered, again, other = loss(first, True), loss(first, False), loss(some_mels(48, 5), True)
    assert remembered != again
    assert abs(remembered - again) < 0.5 * abs(remembered - other)


@torch.no_grad()
def test_an_over_may_be_longer_than_the_recognisers_positions(
    ear: WhisperEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    for positions in (1500, 70):
        monkeypatch.setattr(module, "POSITIONS", positions)
        likeness = Likeness(FrozenEar(ear), LAYERS, WEIGHT, 32)
        for seed in range(5):  # 24 positions each, of which 16 stay
            original = some_mels(48, seed)
            likeness.aim(original)
            loss, _ = likeness(some_mels(48, 10 + seed))
            likeness.keep(original, some_mels(48, 10 + seed), 32)
            losses.append(loss)
    long, short = losses[:5], losses[5:]
    assert long[:2] == short[:2]
    assert long[3] != short[3], "listened to again"
    assert short == pytest.approx(long, rel=0.1)
