"""The recogniser as a loss: nothing for clean mels, more for worse ones, its gradient mends; it reads what is said."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gateway.audio.files import read_audio
from gateway.codec.ear import relative_l1
from gateway.codec.mel import MelFrontEnd
from gateway.samples import sample_path
from gateway.trainer.hearing import Hearing
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.words import as_whisper_hears, text_of

CPU = torch.device("cpu")
RECIPE = TrainRecipe(task="vocoder", steps=1, decay_steps=0, compile=False, threads=1)


@pytest.fixture(scope="module")
def hearing() -> Hearing:
    return Hearing(RECIPE, CPU, reads=True)


@pytest.fixture(scope="module")
def mels() -> Tensor:
    """Two stretches of the packaged sample, 3.84 s each: (2, 384, 80)."""
    pcm = torch.from_numpy(read_audio(sample_path()))
    front = MelFrontEnd()
    return torch.cat([front(pcm[None, at : at + 61_440], front.initial_state(1))[0] for at in (0, 80_000)])


def terms(hearing: Hearing, mels: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    target = hearing.target(clean)
    heard = hearing.layers(as_whisper_hears(mels))
    return relative_l1(heard, target), hearing.words(heard[-1], target, hearing.lines(target))


def test_reads_what_is_said(hearing: Hearing, mels: Tensor) -> None:
    first, _ = hearing.lines(hearing.target(mels))()
    assert "this is the research vessel" in text_of(first)


def test_reads_nothing_where_it_is_not_asked_to(mels: Tensor) -> None:
    deaf = Hearing(RECIPE, CPU, reads=False)
    assert deaf.lines(deaf.target(mels))() == []


def test_worse_mels_cost_more(hearing: Hearing, mels: Tensor) -> None:
    noise = torch.randn(mels.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        costs = [terms(hearing, mels + share * noise, mels) for share in (0.0, 0.3, 0.6)]
    for kind in range(2):
        none, little, much = (float(cost[kind]) for cost in costs)
        assert none == pytest.approx(0.0, abs=1e-4)
        assert little < much
        assert little > 0.01


def test_its_gradient_makes_words_clearer(hearing: Hearing, mels: Tensor) -> None:
    noise = torch.randn(mels.shape, generator=torch.Generator().manual_seed(2))
    worse = (mels + 0.3 * noise).requires_grad_(True)
    cost = terms(hearing, worse, mels)[1]
    (gradient,) = torch.autograd.grad(cost, worse)
    with torch.no_grad():
        step = 0.3 * cost / gradient.square().sum()  # a straight line would lose 30 %
        mended = terms(hearing, worse - step * gradient, mels)[1]
    assert float(mended) < 0.9 * float(cost.detach())
