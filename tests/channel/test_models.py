"""The `[model]` table: every mistake is named; and what all models promise."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest

from gateway.channel.conditions import PathModel
from gateway.channel.impairments import Channel
from gateway.channel.models import MODELS, build_model
from gateway.channel.spec_file import load_channel, preset_names
from gateway.errors import ConfigError

OURS = ("breaks", "geo", "iridium-call", "leo-pass", "lora", "lutz", "rice", "vhf")
PRESETS = [name for name in preset_names() if type(load_channel(name).model) in {MODELS[kind] for kind in OURS}]


def model_of(name: str) -> PathModel:
    model = load_channel(name).model
    assert model is not None
    return model


@pytest.mark.parametrize("kind", OURS)
def test_every_kind_has_a_preset_and_defaults(kind: str) -> None:
    assert isinstance(build_model({"kind": kind}), MODELS[kind])
    assert any(type(model_of(name)) is MODELS[kind] for name in PRESETS)
    assert is_dataclass(MODELS[kind])
    assert all(field.name.isidentifier() for field in fields(MODELS[kind]))


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_gives_the_same_deliveries(name: str) -> None:
    def deliveries(seed: int) -> list[object]:
        channel = Channel(load_channel(name), np.random.default_rng(seed), 5.0)
        return [channel.send(bytes(22), 5.0 + 0.48 * i) for i in range(400)]

    assert deliveries(1) == deliveries(1)


@pytest.mark.parametrize("name", PRESETS)
def test_state_goes_with_time_and_not_with_questions(name: str) -> None:
    """Asked ten times a second or once in a while: the same answers at the same moments."""
    often, seldom = (model_of(name).start(np.random.default_rng(7), 2.0) for _ in range(2))
    moments = (2.0 + np.arange(0, 900.0, 0.1)).tolist()
    answers = {at_s: often.conditions(22, at_s, at_s + 0.05) for at_s in moments}
    for at_s in moments[::611]:
        assert seldom.conditions(22, at_s, at_s + 0.05) == answers[at_s]


@pytest.mark.parametrize("name", PRESETS)
def test_answers_are_chances_and_figures(name: str) -> None:
    path = model_of(name).start(np.random.default_rng(3), 0.0)
    for at_s in np.arange(0, 3000, 1.7).tolist():
        found = path.conditions(22, at_s, at_s + 0.1)
        assert 0 <= found.loss <= 1
        assert 0 <= found.bit_error_rate <= 0.5
        assert 0 <= found.delay_s < 1
        assert found.snr_db is None or -200 < found.snr_db < 200


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('kind = "rise"', r"model.kind: got 'rise'; did you mean 'rice'\?"),
        ("kind = []", r"model.kind: got \[\]; there are: "),
        ("snr_db = 3", "model.kind: got None; there are: .*breaks, .*vhf"),
        ('kind = "rice"\nsnr = 3', "model.snr: unknown key of model 'rice'; did you mean snr_db"),
        ('kind = "rice"\nsnr_db = 300', "model.snr_db: got 300; needed: -60 to 100"),
        ('kind = "rice"\nsnr_db = "much"', "model.snr_db: got 'much'; Input should be a valid number"),
        ('kind = "rice"\n[model.modem]\nmodulation = "am"', "model.modem.modulation: got 'am'; Input should be 'bpsk'"),
        ('kind = "rice"\n[model.modem]\nword_bitz = 1', "model.modem.word_bitz: unknown key .*did you mean word_bits"),
        ('kind = "vhf"\n[model.radio]\nterrain = "town"', "model.radio.heights_m: got 10; needed: 30 to 200"),
        ('kind = "geo"\nsatellite_deg = 120', "model.satellite_deg: .* below the horizon"),
    ],
)
def test_mistakes_are_named_with_file_and_key(tmp_path: Path, table: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"[model]\n{table}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        load_channel(path)
    assert str(caught.value).startswith(f"{path}: model.")
    assert "whole file" not in str(caught.value)
