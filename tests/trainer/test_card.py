"""The model card: facts as counted and as files say, prose from the template, gaps named and not guessed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from gateway.codec.checkpoint import DEFAULT_WEIGHTS
from gateway.errors import CheckpointError, ConfigError
from gateway.trainer.__main__ import main
from gateway.trainer.card import (
    SOURCES_FILE,
    TEMPLATE_FILE,
    UNKNOWN_LICENCE,
    CardInputs,
    data_table,
    evaluation_table,
    last_of_curve,
    model_card,
    run_table,
    weights_table,
)
from gateway.trainer.data import Corpus
from gateway.trainer.prepare import prepare


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "words"
    folder.mkdir(parents=True)
    recipe = {
        "task": "acoustic",
        "steps": 200,
        "batch": 8,
        "clip_frames": 48,
        "learning_rate": 8e-4,
        "loss": {"mel": 2.0, "features": 0.0, "words": 0.4},
    }
    (folder / "recipe.json").write_text(json.dumps(recipe))
    (folder / "revision.txt").write_text("222efdffac882515e07dbfe09c79e9d63e08cd36\n")
    (folder / "curve.csv").write_text(
        "step,seconds,loss,norm\n50,10,2.0,1.0\nstep,seconds,loss,mel,norm\n150,30,1.5,0.12,0.9\n"
    )
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for source, seconds in (("speechocean762", 3.6), ("mine", 7.2)):
        for talker in "ab":
            (tmp_path / source / talker).mkdir(parents=True)
            soundfile.write(tmp_path / source / talker / "1.wav", np.full(int(seconds * 16_000), 0.1), 16_000)
    prepare([tmp_path / "speechocean762", tmp_path / "mine"], tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    rows = [
        {
            "system": "codec2-700C",
            "bits_a_second": 700,
            "dwer": {"base": interval(0.585), "tiny.en": interval(0.597)},
            "wer": {},
            "stoi": interval(0.730),
            "behind": {"ours-300": {"base": interval(0.140), "tiny.en": interval(0.150)}},
        },
        {
            "system": "ours-300",
            "condition": "noise 10 dB",
            "bits_a_second": 300,
            "behind": {"ours-300-search": {"base": interval(0.200)}},
            "dwer": {"base": interval(0.445)},
            "pesq": 1.5,
            "new": [1, 2],
        },
    ]
    content = {
        "subset": "cv-native",
        "clips": 100,
        "speakers": 20,
        "seconds": 584.7,
        "rows": rows,
        "notes": ["A note."],
    }
    (tmp_path / "report.json").write_text(json.dumps(content))
    return tmp_path / "report.json"


def test_the_shipped_weights_are_counted() -> None:
    table = weights_table(DEFAULT_WEIGHTS)
    for fact in (
        "11.70 MB",
        "11.46 million parameters: encoder 5.37, quantiser 0.01, decoder 3.96, vocoder 2.12",
        "24 per 80 ms: 2 residual stages x 4 digits x 8 levels",
        "12 bits of a frame decode alone at 150 bit/s",
        "255 ms algorithmic at the default lookahead of 2 frames; 175 ms with 1, 95 ms with 0",
        "| codec id, version | 1, 1 |",
    ):
        assert fact in table
    assert "11.46 million parameters: encoder 5.37" in (DEFAULT_WEIGHTS.parent / "MODEL_CARD.md").read_text()


def test_a_run_is_its_last_recipe_and_curve(run: Path) -> None:
    assert run_table([run]).splitlines()[2] == (
        "| words | acoustic | 150 of 200 | 8 x 3.84 s | 0.0008 | mel 2, words 0.4 | loss 1.5, mel 0.12 | `222efdffac` |"
    )


def test_losses_of_other_tasks_come_from_their_sections(run: Path) -> None:
    recipe = json.loads((run / "recipe.json").read_text())
    for changes, shown in (
        ({"task": "vocoder"}, "stft 1"),
        (
            {"task": "vocoder", "sound": {"stft": 1.0, "adversarial": 0.5, "decoded_share": 0.7}},
            "stft 1, adversarial 0.5",
        ),
        ({"task": "vocoder", "sound": {"stft": 1.0, "mel": 3.0, "words": 1.5}}, "stft 1, mel 3, words 1.5"),
        ({"task": "whole", "sound": {"stft": 0.5, "words": 1.5}}, "mel 2, words 0.4, sound_stft 0.5, sound_words 1.5"),
        ({"task": "reinforce", "policy": {"weight": 10.0, "group": 8}}, "mel 2, words 0.4, policy 10"),
    ):
        (run / "recipe.json").write_text(json.dumps({**recipe, **changes}))
        assert f"| {shown} |" in run_table([run])


def test_figures_that_no_header_describes_are_not_guessed(run: Path) -> None:
    (run / "curve.csv").write_text("step,seconds,loss,norm\n150,30,1.5,0.12,0.9\n")
    assert last_of_curve(run / "curve.csv") == {"step": "150"}
    (run / "curve.csv").unlink()
    assert "? of 200" in run_table([run])


def test_data_with_and_without_a_known_licence(data: Path) -> None:
    corpus = Corpus(data)
    hours, table = data_table(data, SOURCES_FILE)
    train = [u for u in corpus.utterances if u.split == "train"]
    assert hours == f"{sum(u.samples for u in train) / 16_000 / 3600:.2f}"
    assert "| CC BY 4.0 (OpenSLR 101) | J. Zhang et al." in table
    assert f"| mine | 0.00 | {UNKNOWN_LICENCE} | - |" in table


def test_an_evaluation_shows_what_it_has(report: Path) -> None:
    lines = evaluation_table(report).splitlines()
    assert lines[0] == "cv-native: 100 dev clips, 20 speakers, 585 s, one run; 95 % intervals by speaker."
    assert lines[2] == "| system | bit/s | dWER % base | dWER % tiny.en | STOI | PESQ |"
    assert lines[4] == "| codec2-700C | 700 | 58.5 (48.5..68.5) | 59.7 (49.7..69.7) | 0.730 (0.630..0.830) | - |"
    assert lines[5] == "| ours-300, noise 10 dB | 300 | 44.5 (34.5..54.5) | - | - | 1.50 |"
    paired = "points of dWER 14.0 (4.0..24.0) base, 15.0 (5.0..25.0) tiny.en"
    assert not any("against ours-300-search" in line for line in lines)
    assert f"- codec2-700C against ours-300, paired clip by clip: {paired}" in lines
    assert lines[-1] == "- A note."


def test_the_command_fills_the_template_beside_the_weights(run: Path, data: Path, report: Path, tmp_path: Path) -> None:
    arguments = [
        "card",
        DEFAULT_WEIGHTS,
        "--run",
        run,
        "--data",
        data,
        "--evaluation",
        report,
        "--out",
        tmp_path / "c.md",
    ]
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    card = (tmp_path / "c.md").read_text()
    assert card.startswith("# claricodec-v1\n")
    for part in ("## Use", "mel 2, words 0.4", "licence not known", "58.5 (48.5..68.5)", "## Limits"):
        assert part in card
    assert "$" not in card


def test_bare_weights_have_a_card_that_names_its_gaps(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(DEFAULT_WEIGHTS.read_bytes())
    card = model_card(CardInputs(tmp_path / "w.safetensors"))
    assert card.startswith("# w\n")
    assert card.count("Not recorded.") == card.count("None recorded.") == 1
    assert "Not measured." in card


def test_mistakes_are_named(tmp_path: Path, data: Path, run: Path, report: Path) -> None:
    inputs = CardInputs(DEFAULT_WEIGHTS, (run,), data, report)
    (tmp_path / TEMPLATE_FILE).write_text("# $nme")
    (tmp_path / "bad.toml").write_text('[mine]\nname = "mine"\n')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "other.json").write_text("{}")
    for changed, message in (
        ({"runs": (tmp_path,)}, r"recipe\.json: cannot read: No such file"),
        ({"data": tmp_path}, "not a prepared folder"),
        ({"evaluation": tmp_path / "none.json"}, r"none\.json: cannot read"),
        ({"evaluation": tmp_path / "list.json"}, "holds no JSON object"),
        ({"evaluation": tmp_path / "other.json"}, r"not a report\.json of `clarilink evaluate`"),
        ({"template": tmp_path / TEMPLATE_FILE}, "not a template of a card: 'nme'"),
        ({"template": tmp_path / "none.md"}, r"none\.md: cannot read"),
        ({"sources": tmp_path / "bad.toml"}, r"\[mine\] needs name, licence and credit"),
    ):
        with pytest.raises(ConfigError, match=message):
            model_card(replace(inputs, **changed))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="no such codec weights"):
        model_card(CardInputs(tmp_path / "none.safetensors"))
