"""The whole codec trained by its sound: what is compared, and who learns from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gateway.codec.checkpoint import DEFAULT_WEIGHTS
from gateway.codec.model import CodecModel
from gateway.errors import ConfigError
from gateway.trainer.checkpoint import load_codec
from gateway.trainer.prepare import prepare
from gateway.trainer.recipe import LossRecipe, SoundRecipe, TrainRecipe
from gateway.trainer.tasks import part_of
from gateway.trainer.whole import WholeTask

SOUND = ("stft", "mel", "balance", "features", "words")


def make_recipe(**weights: float) -> TrainRecipe:
    loss = LossRecipe(mel=1.0, features=0.0, semantic=0.0, usage=0.0)
    return TrainRecipe(
        task="whole",
        steps=1,
        decay_steps=0,
        batch=2,
        clip_frames=24,
        compile=False,
        bf16=False,
        threads=1,
        loss=loss,
        sound=SoundRecipe.model_validate({"stft": 0.0, **weights}),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged sample, prepared."""
    out = tmp_path_factory.mktemp("prepared")
    prepare(Path(__file__).parents[2] / "gateway" / "samples", out)
    return out


@pytest.fixture(scope="module")
def codec() -> CodecModel:
    return load_codec(DEFAULT_WEIGHTS)


def terms_of(task: WholeTask) -> dict[str, torch.Tensor]:
    batch = task.place(task.draw(np.random.default_rng(3)))
    return task.acoustic_terms(batch, task.hearing.lines(batch.target))[0]


def test_every_part_learns_from_every_term_of_the_sound(data: Path, codec: CodecModel) -> None:
    task = WholeTask(codec, make_recipe(words=1.0), data, torch.device("cpu"))
    terms = terms_of(task)
    parameters = [p for n, p in codec.named_parameters() if p.requires_grad]
    parts = [part_of(n) for n, p in codec.named_parameters() if p.requires_grad]
    for name in SOUND:
        gradients = torch.autograd.grad(terms[f"sound_{name}"], parameters, retain_graph=True, allow_unused=True)
        moved = {part for part, g in zip(parts, gradients, strict=True) if g is not None and bool(g.abs().sum() > 0)}
        assert moved == {"encoder", "codebook", "decoder", "vocoder"}, name
    gradients = torch.autograd.grad(terms["mel"], parameters, allow_unused=True)
    moved = {part for part, g in zip(parts, gradients, strict=True) if g is not None and bool(g.abs().sum() > 0)}
    assert moved == {"encoder", "codebook", "decoder"}  # decoded mels are before the vocoder


def test_terms_of_the_sound_weigh_what_the_recipe_says(data: Path, codec: CodecModel) -> None:
    task = WholeTask(codec, make_recipe(stft=0.5, mel=2.0, balance=3.0, features=0.25), data, torch.device("cpu"))
    terms = {name: term.detach() for name, term in terms_of(task).items()}
    assert "sound_words" not in terms  # not asked for, so not read
    wanted = terms["mel"] + 0.5 * terms["sound_stft"] + 2 * terms["sound_mel"] + 3 * terms["sound_balance"]
    assert float(task.weighed(terms)) == pytest.approx(float(wanted + 0.25 * terms["sound_features"]), rel=1e-5)


def test_released_weights_sound_like_what_they_were_given(data: Path, codec: CodecModel) -> None:
    """Sound, its mels and clean ones stand side by side: a shift of a frame would show in every term."""
    task = WholeTask(codec, make_recipe(), data, torch.device("cpu"))
    batch = task.place(task.draw(np.random.default_rng(3)))
    with torch.no_grad():
        heard = task.voice.make(task.codec.mels(batch.pcm))
        right = (heard.mel - batch.clean).abs().mean()
        shifted = (heard.mel[:, 1:] - batch.clean[:, :-1]).abs().mean()
    assert heard.mel.shape == batch.clean.shape
    assert float(right) < 0.1
    assert float(right) < 0.8 * float(shifted)


def test_what_only_the_vocoders_own_task_knows_is_refused(data: Path, codec: CodecModel) -> None:
    with pytest.raises(ConfigError, match=r"\[sound\] adversarial: not in task whole"):
        WholeTask(codec, make_recipe(adversarial=1.0), data, torch.device("cpu"))
