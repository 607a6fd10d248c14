"""`clarilink bench`, `protection` and `evaluate` as their user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.evaluation import evaluate as evaluation
from gateway.tools import bench_serial, bench_station, channel_bench
from tests.cli.calls import good, refused


@pytest.mark.parametrize(
    ("option", "module", "function"),
    [
        ("--serial", bench_serial, "serial_figures"),
        ("--channel", channel_bench, "channel_figures"),
        ("--station", bench_station, "station_figures"),
    ],
)
def test_bench_of_a_part_prints_and_writes_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, module: object, function: str
) -> None:
    monkeypatch.setattr(module, function, lambda: {"hops_ms": 12.5})
    assert good("bench", option, "--json", tmp_path / "b.json").output.split() == ["hops", "ms", "12.5"]
    assert json.loads((tmp_path / "b.json").read_text()) == {"hops_ms": 12.5}


def test_bench_measures_the_weights_it_is_given(tmp_path: Path) -> None:
    assert "none.safetensors" in refused("bench", "--weights", tmp_path / "none.safetensors")


def test_bench_talks_for_minutes_only_with_sound() -> None:
    assert "--minutes goes with --sound" in refused("bench", "--minutes", "1")


def test_protection_prints_a_row_for_each_tool(tmp_path: Path) -> None:
    output = good("protection", "--packets", "1000", "--json", tmp_path / "p.json").output
    for name in ("none", "stage-one-repeat d=4", "payload-repeat d=4", "robust-packet", "robust-transparent"):
        assert name in output
    assert json.loads((tmp_path / "p.json").read_text())["packets"] == 1000
    assert "no manifest.tsv" in refused("protection", "--packets", "1000", "--speech", tmp_path)


def test_evaluate_hands_on_what_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[evaluation.EvaluateOptions] = []

    def run_evaluation(options: evaluation.EvaluateOptions) -> None:
        asked.append(options)
        raise GatewayError("enough")

    monkeypatch.setattr(evaluation, "run_evaluation", run_evaluation)
    words = "--systems ours-300 --channel geo --channel clean --noise 10 --asr tiny.en --measures= --no-speed --clips 3"
    assert refused("evaluate", "--speech", tmp_path, *words.split()) == "clarilink: enough"
    assert asked == [
        evaluation.EvaluateOptions(
            speech=tmp_path,
            clips=3,
            systems=("ours-300",),
            channels=("geo", "clean"),
            noise_db=(10.0,),
            asr=("tiny.en",),
            measures=(),
            speed=False,
        )
    ]


def test_evaluate_without_speech_is_one_clear_line(tmp_path: Path) -> None:
    assert "no manifest.tsv" in refused("evaluate", "--speech", tmp_path)
