"""A run end to end on made-up speech: prepare, steps of both tasks, interruption, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from gateway.codec import Codec
from gateway.codec.checkpoint import DEFAULT_WEIGHTS
from gateway.errors import CheckpointError, ConfigError
from gateway.evaluation.speech import load_clips
from gateway.trainer.checkpoint import load_codec
from gateway.trainer.data import Corpus
from gateway.trainer.export import export
from gateway.trainer.prepare import prepare, prepare_noise
from gateway.trainer.recipe import (
    AugmentRecipe,
    ChannelRecipe,
    LossRecipe,
    ModelRecipe,
    PolicyRecipe,
    SearchRecipe,
    SoundRecipe,
    TrainRecipe,
)
from gateway.trainer.runner import Deadline, Run, schedule
from gateway.trainer.tasks import part_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four made-up talkers with two clips each, and a noise file."""
    root = tmp_path_factory.mktemp("speech")
    rng = np.random.default_rng(0)
    for talker in range(4):
        folder = root / "clips" / f"talker{talker}"
        folder.mkdir(parents=True)
        for clip in range(2):
            t = np.arange(24_000 + 9_000 * clip) / 16_000
            voice = sum(np.sin(2 * np.pi * (100 + 30 * talker) * k * t) / k for k in range(1, 15))
            wave = 0.1 * voice * (1 + np.sin(2 * np.pi * 4 * t)) + 0.01 * rng.standard_normal(len(t))
            soundfile.write(folder / f"{clip}.wav", wave.astype(np.float32), 16_000)
    (root / "noise").mkdir()
    soundfile.write(root / "noise" / "hiss.wav", 0.1 * rng.standard_normal(32_000).astype(np.float32), 16_000)
    out = root / "prepared"
    prepare(root / "clips", out)
    prepare_noise(root / "noise", out)
    return out


@pytest.fixture(scope="module")
def real_data(tmp_path_factory: pytest.TempPathFactory, speech_folder: Path) -> Path:
    """Forty real clips out of the shared folder, prepared."""
    root = tmp_path_factory.mktemp("real")
    for clip in load_clips(speech_folder, "all", 40):
        path = root / "clips" / clip.speaker / f"{clip.id.replace('/', '_')}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, clip.pcm, 16_000)
    prepare(root / "clips", root / "prepared")
    return root / "prepared"


def recipe(task: str, **changes: object) -> TrainRecipe:
    values: dict[str, object] = {
        "task": task,
        "steps": 4,
        "decay_steps": 2,
        "warmup_steps": 1,
        "batch": 2,
        "clip_frames": 16,
        "compile": False,
        "bf16": False,
        "threads": 1,
        "channel": ChannelRecipe(bit_error_chance=1.0, erasure_chance=1.0),
        "augment": AugmentRecipe(
            speed_chance=1.0,
            formant_chance=1.0,
            noise_chance=1.0,
            equaliser_chance=1.0,
            hand_microphone_chance=1.0,
            reverb_chance=1.0,
        ),
    }
    return TrainRecipe.model_validate({**values, **changes})


def test_prepared_folder_keeps_every_sample(data: Path) -> None:
    corpus = Corpus(data)
    assert len(corpus.utterances) == 8
    assert {u.samples for u in corpus.utterances} == {24_000, 33_000}
    assert np.abs(corpus.pcm(corpus.utterances[3])).max() > 0.05
    assert all(-40 < u.level_db < 0 for u in corpus.utterances)


MORE: dict[str, dict[str, object]] = {
    "acoustic": {
        "loss": LossRecipe(words=0.5, spelling=0.1, found=0.05),
        "search": SearchRecipe(share=0.5, steps=2),
    },
    "vocoder": {
        "sound": SoundRecipe(
            mel=1.0,
            features=1.0,
            words=1.0,
            adversarial=1.0,
            feature_matching=1.0,
            decoded_share=0.5,
            discriminator_width=4,
        )
    },
    "whole": {
        "loss": LossRecipe(balance=1.0),
        "sound": SoundRecipe(mel=1.0, balance=1.0, features=1.0, words=1.0),
    },
    "reinforce": {"policy": PolicyRecipe(group=3)},
}
"""Every loss term of every task."""

TRAINS = {
    "acoustic": {"encoder", "codebook", "decoder"},
    "vocoder": {"vocoder"},
    "whole": {"encoder", "codebook", "decoder", "vocoder"},
    "reinforce": {"encoder"},
}


def check_steps(run: Run, task: str) -> None:
    """Two steps change the task's parts and nothing else, and every term is a number."""
    before = {name: value.clone() for name, value in run.codec.named_parameters()}
    terms = [run.train_step() for _ in range(2)]
    assert all(np.isfinite(list(t.values())).all() for t in terms)
    assert {part_of(n) for n, value in run.codec.named_parameters() if not value.equal(before[n])} == TRAINS[task]


@pytest.mark.parametrize("task", TRAINS)
def test_steps_change_what_they_train_and_nothing_else(data: Path, tmp_path: Path, task: str) -> None:
    check_steps(Run(recipe(task, **MORE[task]), data, tmp_path / "run"), task)


@pytest.mark.parametrize("task", TRAINS)
def test_steps_on_real_clips(real_data: Path, tmp_path: Path, task: str) -> None:
    run = Run(recipe(task, clip_frames=32, **MORE[task]), real_data, tmp_path / "run", DEFAULT_WEIGHTS)
    assert run.codec.spec == load_codec(DEFAULT_WEIGHTS).spec  # which the recipe does not say
    check_steps(run, task)
    if task == "reinforce":
        terms = run.train_step()
        assert -2.0 < terms["reward"] < 0.0  # the released weights are understood, if not always
        assert 0.0 < terms["mel"] < 0.3


def test_the_elder_says_what_it_said_when_the_run_began(data: Path, tmp_path: Path) -> None:
    old = recipe("acoustic", elder_share=0.5, learning_rate=0.1, loss=LossRecipe(features=0.0, semantic=0.0))
    with pytest.raises(ConfigError, match="elder_share: no codec to begin from"):
        Run(old, data, tmp_path / "run")
    Run(recipe("acoustic", loss=old.loss), data, tmp_path / "before").save()
    run = Run(old, data, tmp_path / "run", tmp_path / "before" / "last.pt")
    batch = run.task.place(run.task.draw(np.random.default_rng(0)))  # type: ignore[attr-defined]
    with torch.no_grad():
        began = run.codec.encode_mels(batch.heard, batch.gates).digits[-1:]
    run.train_step()
    run.save()
    later = Run(old, data, tmp_path / "run")
    assert later.task.module.elder(batch.heard[-1:], batch.gates).digits.equal(began)  # type: ignore[operator]
    with torch.no_grad():
        assert not later.codec.encode_mels(batch.heard, batch.gates).digits[-1:].equal(began)


def test_a_part_thawed_later_is_resumed_as_well(data: Path, tmp_path: Path) -> None:
    late = recipe("reinforce", train={"encoder": 0, "decoder": 1}, policy=PolicyRecipe(group=2))
    run = Run(late, data, tmp_path / "run")
    before = {name: value.clone() for name, value in run.codec.named_parameters()}
    run.train_step()
    moved = {part_of(n) for n, value in run.codec.named_parameters() if not value.equal(before[n])}
    run.train_step()
    later = {part_of(n) for n, value in run.codec.named_parameters() if not value.equal(before[n])}
    assert (moved, later) == ({"encoder"}, {"encoder", "decoder"})
    run.save()
    assert Run(late, data, tmp_path / "run").step == 2
    with pytest.raises(ConfigError, match="trains other parts of the codec than the run did"):
        Run(recipe("reinforce"), data, tmp_path / "run")


@pytest.mark.parametrize("task", ["acoustic", "vocoder"])
def test_interrupted_and_resumed_equals_uninterrupted(data: Path, tmp_path: Path, task: str) -> None:
    cheap = recipe(task, loss=LossRecipe(features=0.0, semantic=0.0), sound=MORE["vocoder"]["sound"])
    whole = Run(cheap, data, tmp_path / "whole")
    for _ in range(4):
        whole.train_step()
    first = Run(cheap, data, tmp_path / "parts")
    for _ in range(2):
        first.train_step()
    first.save()
    second = Run(cheap, data, tmp_path / "parts")
    assert second.step == 2
    for _ in range(2):
        second.train_step()
    assert whole.players.keys() == second.players.keys()
    for name, player in whole.players.items():
        for a, b in zip(player.parameters, second.players[name].parameters, strict=True):
            assert torch.equal(a, b)
    assert all(torch.equal(a, b) for a, b in zip(whole.ema, second.ema, strict=True))


def test_a_run_leaves_curve_and_a_loadable_codec(data: Path, tmp_path: Path) -> None:
    run = Run(recipe("vocoder", sample_steps=4), data, tmp_path / "run")
    run.train(report_every=2)
    assert run.step == 4
    lines = (tmp_path / "run" / "curve.csv").read_text().splitlines()
    assert lines[0].startswith("step,seconds,loss")
    assert len(lines) == 3
    out = tmp_path / "w" / "codec.safetensors"
    assert export(tmp_path / "run" / "last.pt", out) < 20_000_000
    codec = Codec.load(out)
    assert len(codec.decode(codec.encode(np.zeros(3000, np.float32)))) == 3 * 1280


def test_warm_start_from_released_weights_and_another_vocoder(data: Path, tmp_path: Path) -> None:
    first = Run(recipe("vocoder", seed=1), data, tmp_path / "first")
    first.save()
    second = Run(recipe("vocoder", seed=2), data, tmp_path / "second")
    second.save()
    weights = tmp_path / "w.safetensors"
    export(tmp_path / "first" / "last.pt", weights)
    warm = Run(recipe("acoustic", seed=3), data, tmp_path / "warm", weights, tmp_path / "second" / "last.pt")
    for name, value in warm.codec.state_dict().items():
        source = second if name.startswith("vocoder.") else first
        assert torch.allclose(value, source.codec.state_dict()[name], atol=2e-3, rtol=1e-3)
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match=r"junk\.pt: not the last\.pt of a run"):
        load_codec(tmp_path / "junk.pt")


def test_schedule_rises_holds_and_falls() -> None:
    r = recipe("acoustic", steps=100, decay_steps=50, warmup_steps=10)
    assert schedule(0, r) == pytest.approx(0.1)
    assert schedule(30, r) == 1.0
    assert schedule(75, r) == pytest.approx(0.5)
    assert schedule(100, r) == 0.0


def test_mistakes_are_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run `python -m gateway\.trainer prepare` first"):
        Run(recipe("acoustic"), tmp_path, tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"none\.pt: no such checkpoint"):
        load_codec(tmp_path / "none.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no sound files"):
        prepare(tmp_path / "empty", tmp_path / "out")
    Run(recipe("vocoder"), data, tmp_path / "voc").save()
    with pytest.raises(ConfigError, match="holds a run of task vocoder"):
        Run(recipe("acoustic"), data, tmp_path / "voc")
    small = ModelRecipe(widths=(24, 36, 48), heads=4, vocoder_width=32)
    with pytest.raises(ConfigError, match=r"not those of the recipe \(\[model\], elder_share\)"):
        Run(recipe("vocoder", model=small), data, tmp_path / "voc")
    with pytest.raises(CheckpointError, match=r"not of the sizes in the recipe's \[model\]"):
        Run(recipe("vocoder", model=small), data, tmp_path / "new", tmp_path / "voc" / "last.pt")


def test_a_deadline_ends_the_run_with_the_rate_fallen(data: Path, tmp_path: Path) -> None:
    clock = iter(float(second) for second in range(1000))
    cheap = recipe("acoustic", steps=10**6, decay_steps=5 * 10**5, loss=LossRecipe(features=0.0, semantic=0.0))
    run = Run(cheap, data, tmp_path / "run")
    run.deadline = Deadline.after(0.2, cheap, lambda: next(clock))  # asked twice a step
    assert run.deadline.fall == pytest.approx(6.0)
    rates: list[float] = []
    step = run.train_step

    def watched() -> dict[str, float]:
        terms = step()
        rates.append(run.players["codec"].optimizer.param_groups[0]["lr"] / cheap.learning_rate)
        return terms

    run.train_step = watched  # type: ignore[method-assign]
    run.train(report_every=1)
    assert rates == pytest.approx([1.0, 1.0, 1.0, 4 / 6, 2 / 6, 0.0])
    assert Run(cheap, data, tmp_path / "run").step == 6


def test_steps_may_end_a_run_before_its_deadline(data: Path, tmp_path: Path) -> None:
    cheap = recipe("acoustic", loss=LossRecipe(features=0.0, semantic=0.0))
    run = Run(cheap, data, tmp_path / "run")
    run.deadline = Deadline.after(60.0, cheap)
    run.train()
    assert run.step == cheap.steps
    assert run.players["codec"].optimizer.param_groups[0]["lr"] == pytest.approx(cheap.learning_rate / 2)
