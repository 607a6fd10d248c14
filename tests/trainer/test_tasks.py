"""Which parameters belong to which part, and when they learn."""

from __future__ import annotations

import pytest

from gateway.codec.model import CodecModel
from gateway.codec.spec import CodecSpec
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.tasks import part_of, thaw, trained_parts


@pytest.fixture(scope="module")
def codec() -> CodecModel:
    return CodecModel(CodecSpec())


def recipe(task: str, **changes: object) -> TrainRecipe:
    return TrainRecipe.model_validate({"task": task, "steps": 1, "decay_steps": 0, **changes})


def test_every_parameter_has_a_part(codec: CodecModel) -> None:
    parts = {name: part_of(name) for name, _ in codec.named_parameters()}
    assert set(parts.values()) == {"encoder", "codebook", "decoder", "vocoder"}
    assert parts["quantizer.inputs.0.weight"] == "encoder"
    assert parts["quantizer.norm.weight"] == "encoder"
    assert parts["quantizer.outputs.1.weight"] == "codebook"
    assert parts["quantizer.doubt.bias"] == "decoder"


@pytest.mark.parametrize(
    ("task", "parts"),
    [
        ("acoustic", {"encoder", "codebook", "decoder"}),
        ("vocoder", {"vocoder"}),
        ("whole", {"encoder", "codebook", "decoder", "vocoder"}),
        ("reinforce", {"encoder"}),
    ],
)
def test_defaults_of_the_tasks(codec: CodecModel, task: str, parts: set[str]) -> None:
    thaw(codec, recipe(task), 0)
    assert {part_of(n) for n, p in codec.named_parameters() if p.requires_grad} == parts


def test_parts_thaw_at_their_step(codec: CodecModel) -> None:
    late = recipe("reinforce", train={"encoder": 0, "decoder": 100})
    assert trained_parts(late) == {"encoder": 0, "decoder": 100}
    for step, parts in ((99, {"encoder"}), (100, {"encoder", "decoder"})):
        thaw(codec, late, step)
        assert {part_of(n) for n, p in codec.named_parameters() if p.requires_grad} == parts
