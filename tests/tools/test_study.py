"""A study: every cell once, the same whenever and however often it is run, and files that say what was found."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.errors import ConfigError, GatewayError
from gateway.evaluation.speech import Clip
from gateway.tools import study
from gateway.tools.study import Cell, CellResult, StudyOptions, grid, run_study
from gateway.tools.study_report import draw, table, verdict, write_csv


def options(out: Path) -> StudyOptions:
    return StudyOptions(
        out,
        channels=("clean", "loss-20-burst-2"),
        protections=("none", "reed-solomon:n=6,k=4"),
        frames_per_packet=(2, 6),
        audio=False,
        seconds=400.0,
    )


def test_every_combination_is_a_cell() -> None:
    cells = grid(options(Path()))
    assert len(cells) == len(set(cells)) == 8
    assert str(cells[1]) == "clean, none, 480 ms"


def test_a_study_of_packets_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_study(options(tmp_path / "whole"))
    said: list[str] = []

    def stops_after_three(line: str) -> None:
        said.append(line)
        if len(said) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(options(tmp_path / "twice"), stops_after_three)
    done = sorted((tmp_path / "twice" / "cells").iterdir())
    assert len(done) == 3
    done[0].write_text(done[0].read_text()[:50])  # as after a power cut
    said.clear()
    run_study(options(tmp_path / "twice"), said.append)
    assert len([line for line in said if line.endswith("was there")]) == 2
    for name, result in (("whole", whole), ("twice", run_study(options(tmp_path / "twice")))):
        write_csv(tmp_path / f"{name}.csv", result)
    assert (tmp_path / "whole.csv").read_bytes() == (tmp_path / "twice.csv").read_bytes()
    names = [sorted(path.name for path in (tmp_path / one / "cells").iterdir()) for one in ("whole", "twice")]
    assert names[0] == names[1]
    for name in names[0]:
        assert (tmp_path / "whole/cells" / name).read_bytes() == (tmp_path / "twice/cells" / name).read_bytes()

    def fails(*_: object) -> None:
        raise AssertionError("run again")

    monkeypatch.setattr(study, "converse", fails)
    assert run_study(options(tmp_path / "whole")).results[5].figures == whole.results[5].figures
    with pytest.raises(AssertionError, match="run again"):
        run_study(replace(options(tmp_path / "whole"), seed=2))


def test_what_protection_does_is_found(tmp_path: Path) -> None:
    found = run_study(replace(options(tmp_path), seconds=2000.0, frames_per_packet=(2,)))
    by_name = {(r.cell.channel, r.cell.protection): r.figures for r in found.results}
    bare, guarded = (by_name["loss-20-burst-2", one] for one in ("none", "reed-solomon:n=6,k=4"))
    assert guarded["frames_lost"].high < bare["frames_lost"].low
    assert bare["packets_lost"].low < 0.2 < bare["packets_lost"].high
    assert guarded["on_air_bps"].value > 1.3 * bare["on_air_bps"].value
    assert guarded["delay_ms"].value > bare["delay_ms"].value
    assert by_name["clean", "none"]["frames_lost"].value == 0
    clean, lossy = verdict(found).splitlines()
    assert clean.startswith("clean: least frames lost % with none, 160 ms: 0.0 (0.0..0.0)")
    assert lossy.startswith("loss-20-burst-2: least frames lost % with reed-solomon:n=6,k=4, 160 ms:")
    assert "cheapest" not in lossy


def test_files_of_a_study(tmp_path: Path) -> None:
    found = run_study(options(tmp_path))
    write_csv(tmp_path / "study.csv", found)
    with (tmp_path / "study.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[4]["channel"] == "loss-20-burst-2"
    assert all(float(r["frames_lost_low"]) <= float(r["frames_lost"]) <= float(r["frames_lost_high"]) for r in rows)
    draw(tmp_path / "many.png", found)
    draw(tmp_path / "one.png", replace(found, results=found.results[::2]))
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("many.png", "one.png"))
    assert len(table(found).splitlines()) == 10


def test_a_cell_of_which_nothing_was_heard() -> None:
    dead = CellResult(Cell("dead", "none", 6), ("a", "b"), {"dwer_x": ((0.0, 0.0), (0.0, 0.0))})
    assert dead.figures == {}
    assert verdict(study.Study("title", (dead,), "dwer_x")) == "dead: nothing was heard"


def test_differences_are_paired_where_clips_are_the_same() -> None:
    speakers = tuple(f"s{index}" for index in range(20))
    hard = np.linspace(0, 9, 20)
    a, b = (
        CellResult(Cell("c", name, 6), speakers, {"dwer_x": tuple((float(e) + more, 10.0) for e in hard)})
        for name, more in (("a", 0.0), ("b", 0.5))
    )
    difference = b.less(a, "dwer_x")
    assert difference.low == pytest.approx(0.05)
    assert difference.high == pytest.approx(0.05)
    other = CellResult(Cell("c", "d", 6), speakers[:10], {"dwer_x": b.parts["dwer_x"][:10]})
    unpaired = other.less(a, "dwer_x")
    assert unpaired.low < unpaired.value < unpaired.high


def test_names_that_are_none_are_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no channel preset 'mars'"):
        run_study(replace(options(tmp_path / "a"), channels=("clean", "mars")))
    with pytest.raises(GatewayError, match="rain"):
        run_study(replace(options(tmp_path / "a"), protections=("rain",)))
    (tmp_path / "file").write_text("")
    with pytest.raises(GatewayError, match="cannot be made"):
        run_study(options(tmp_path / "file"))
    assert not (tmp_path / "a").exists()


class _Echo:
    """A recogniser that counts words by how loud a clip is."""

    def __init__(self, name: str, _folder: Path, _threads: int) -> None:
        self.name = name

    def transcribe(self, pcm: np.ndarray, _lang: str) -> str:
        return " ".join(["word"] * (1 + int(20 * np.abs(pcm).mean())))


def test_a_study_of_speech_repeats_to_the_byte(
    tmp_path: Path,
    small_codec: Codec,
    small_spec: CodecSpec,
    speechlike: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = tmp_path / "w.safetensors"
    save_weights(weights, small_spec, small_codec.model.state_dict())
    clips = [Clip(f"c{i}", f"s{i % 2}", "en", "word", speechlike[i * 4000 :]) for i in range(3)]
    monkeypatch.setattr(study, "speech_folder", lambda given: given)
    monkeypatch.setattr(study, "load_clips", lambda *_: clips)
    monkeypatch.setattr(study, "RememberingRecogniser", _Echo)
    monkeypatch.setattr(study, "normalise", lambda text, _lang: text)
    files = []
    for name in ("first", "second"):
        chosen = StudyOptions(tmp_path / name, channels=("loss-20-burst-2",), weights=weights, speech=tmp_path)
        found = run_study(chosen)
        write_csv(tmp_path / f"{name}.csv", found)
        files.append([path.read_bytes() for path in sorted((tmp_path / name / "cells").iterdir())])
        files[-1].append((tmp_path / f"{name}.csv").read_bytes())
    assert files[0] == files[1]
    figures = found.results[0].figures
    assert set(figures) == {"dwer_tiny.en", "stoi", "delay_ms", "on_air_bps", "packets_lost", "frames_concealed"}
    assert 0 < figures["packets_lost"].value < 1
    assert found.judge == "dwer_tiny.en"


def test_study_from_the_command_line(tmp_path: Path) -> None:
    arguments = ["study", "--no-audio", "--seconds", "100", "--channel", "clean", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "clean: least frames lost %" in result.output
    assert {"cells", "study.csv", "study.png", "verdict.txt"} == {path.name for path in tmp_path.iterdir()}
    assert len(list((tmp_path / "cells").iterdir())) == 3
    assert all(json.loads(path.read_text())["parts"] for path in (tmp_path / "cells").iterdir())
    refused = CliRunner().invoke(main, ["study", "--no-audio", "--channel", "mars", "--out", str(tmp_path)])
    assert refused.exit_code == 1
    assert "no channel preset 'mars'" in refused.output
