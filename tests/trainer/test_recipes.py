"""Every recipe in configs/train loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load_toml
from gateway.errors import ConfigError
from gateway.trainer.recipe import TrainRecipe

FOLDER = Path(__file__).parents[2] / "configs" / "train"
RECIPES = sorted(path for path in FOLDER.glob("*.toml") if path.name != "sources.toml")


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_recipe_loads(path: Path) -> None:
    recipe = load_toml(path, TrainRecipe)
    assert recipe.decay_steps <= recipe.steps
    assert sum(recipe.lookahead_chances) == pytest.approx(1.0)


def test_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('task = "acoustic"\nsteps = 5\ndecay_step = 1\n')
    with pytest.raises(ConfigError, match=r"decay_step: unknown key; did you mean decay_steps\?"):
        load_toml(path, TrainRecipe)
