"""What reinforcement rewards: rollouts that keep the words; those that garble one pay for it where it is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from gateway.codec.checkpoint import DEFAULT_WEIGHTS
from gateway.codec.quantizer import level_value
from gateway.samples import sample_path
from gateway.trainer.acoustic import FEATURES_A_LATENT, AcousticBatch
from gateway.trainer.checkpoint import load_codec
from gateway.trainer.credit import by_frame
from gateway.trainer.policy import Rollout
from gateway.trainer.prepare import prepare
from gateway.trainer.recipe import AugmentRecipe, ChannelRecipe, PolicyRecipe, TrainRecipe
from gateway.trainer.reinforce import ReinforceTask, error_rate

GARBLED = slice(20, 26)
"""Code frames, half a second, whose digits the second rollout of every clip draws by lot."""
CLEAN = AugmentRecipe(
    speed_chance=0, gain_db=0, noise_chance=0, equaliser_chance=0, hand_microphone_chance=0, reverb_chance=0
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged sample, prepared."""
    root = tmp_path_factory.mktemp("sample")
    (root / "clips" / "talker").mkdir(parents=True)
    shutil.copy(sample_path(), root / "clips" / "talker")
    prepare(root / "clips", root / "prepared")
    return root / "prepared"


def task_of(data: Path, **policy: float) -> ReinforceTask:
    recipe = TrainRecipe(
        task="reinforce",
        steps=1,
        decay_steps=0,
        batch=2,
        compile=False,
        bf16=False,
        threads=1,
        lookahead_chances=(0, 0, 1),
        augment=CLEAN,
        channel=ChannelRecipe(stage_one_only_chance=0),
        policy=PolicyRecipe.model_validate({"group": 2, **policy}),
    )
    return ReinforceTask(load_codec(DEFAULT_WEIGHTS), recipe, data, torch.device("cpu"))


def rollouts(task: ReinforceTask) -> tuple[AcousticBatch, list[list[int]], Rollout]:
    """Of two clips: each as the encoder would send it, and with half a second garbled."""
    batch = task.place(task.draw(np.random.default_rng(3)))
    with torch.no_grad():
        digits = task.codec.encode_mels(batch.heard, batch.gates).digits.repeat_interleave(2, dim=0)
    digits[1::2, GARBLED] = torch.randint(8, digits[1::2, GARBLED].shape, generator=torch.Generator().manual_seed(1))
    return batch, task.hearing.lines(batch.target)(), Rollout(digits, level_value(digits))


def test_error_rates_are_of_the_reference_and_at_most_one() -> None:
    assert error_rate("the boat sails", "the boat sails", 0.5) == 0
    assert error_rate("the boat sails", "the goat sails", 0.0) == pytest.approx(1 / 3)
    assert error_rate("the boat sails", "the goat sails", 1.0) == pytest.approx(1 / 14)
    assert error_rate("boat", "that was not what he said", 0.5) == 1
    assert error_rate("", "", 0.5) == 0
    assert error_rate("", "noise", 0.5) == 1


def test_keeping_the_words_is_rewarded(data: Path) -> None:
    task = task_of(data)
    _, lines, rollout = rollouts(task)
    features = task.features(rollout)
    words = task.word_chances(features, lines)
    rewards = task.rewards(features, lines, words)
    assert rewards.shape == (2, 2)
    assert bool((rewards[:, 0] > rewards[:, 1] + 0.05).all())
    assert bool((rewards <= 0).all())


def test_without_a_weight_for_errors_rollouts_are_not_read(data: Path) -> None:
    task = task_of(data, errors=0.0, likelihood=0.5)
    _, lines, rollout = rollouts(task)
    features = task.features(rollout)
    words = task.word_chances(features, lines)
    task.hearing.listener = None
    sizes = torch.tensor([[len(line)] for line in lines])
    assert torch.allclose(task.rewards(features, lines, words), 0.5 * words.sum(2) / sizes)


def test_chances_end_with_the_line(data: Path) -> None:
    task = task_of(data)
    _, lines, rollout = rollouts(task)
    words = task.word_chances(task.features(rollout), [lines[0], lines[1][:3]])
    assert bool((words[0, :, : len(lines[0])] < 0).all())
    assert bool((words[1, :, :3] < 0).all())
    assert words[1, :, 3:].abs().max().item() == 0


def test_what_is_garbled_pays_where_it_is_said(data: Path) -> None:
    task = task_of(data, credit=1.0)
    batch, lines, rollout = rollouts(task)
    assert task._aligner is not None
    clean = task.hearing.whisper.normalised(batch.target[-1])
    frames = rollout.digits.shape[1]
    spans = task._aligner.spans(clean, lines, frames * FEATURES_A_LATENT)
    credit = by_frame(task.word_chances(task.features(rollout), lines), spans, frames)[:, 1]
    blamed = -credit[:, GARBLED].mean()
    assert blamed > 1.0  # in units of the root mean square of all
    assert blamed > 2 * credit[:, : GARBLED.start - 6].abs().mean()
    assert blamed > 2 * credit[:, GARBLED.stop + 6 :].abs().mean()


def test_a_step_credits_words(data: Path) -> None:
    task = task_of(data, credit=1.0, errors=0.0)
    ((_, terms),) = task.step(task.draw(np.random.default_rng(5)), np.random.default_rng(6), 0)
    assert terms["nats"].item() > 0
    terms["policy"].backward()
    reached = [p.grad for p in task.codec.encoder.parameters() if p.grad is not None]
    assert max(float(grad.abs().max()) for grad in reached) > 0
