"""What a run tells people: averaged numbers in a table, on the board, and sound to hear."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.codec.checkpoint import load_model
from gateway.trainer.data import Corpus
from gateway.trainer.journal import Journal
from gateway.trainer.prepare import prepare


def rows(folder: Path) -> list[list[str]]:
    with (folder / "curve.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_terms_are_averaged_between_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path, steps=10, step=0, every=2) as journal:
        for step, loss in enumerate((1.0, 3.0, 5.0, 7.0), start=1):
            journal.note(step, 10.0 * step, {"loss": loss, "mel": 1.0})
    assert rows(tmp_path) == [
        ["step", "seconds", "loss", "mel"],
        ["2", "20.0", "2.00000", "1.00000"],
        ["4", "40.0", "6.00000", "1.00000"],
    ]
    assert "4/10" in capsys.readouterr().out
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_a_resumed_run_goes_on_in_its_table_and_new_terms_get_a_new_header(tmp_path: Path) -> None:
    for step, terms in ((1, {"loss": 1.0}), (2, {"loss": 2.0}), (3, {"loss": 3.0, "words": 4.0}), (4, {"loss": 5.0})):
        with Journal(tmp_path, steps=10, step=step - 1, every=1) as journal:
            journal.note(step, 0.0, terms)
    assert rows(tmp_path) == [
        ["step", "seconds", "loss"],
        ["1", "0.0", "1.00000"],
        ["2", "0.0", "2.00000"],
        ["step", "seconds", "loss", "words"],
        ["3", "0.0", "3.00000", "4.00000"],
        ["4", "0.0", "5.00000", ""],
    ]


def test_a_run_resumed_between_reports_averages_over_the_steps_since(tmp_path: Path) -> None:
    with Journal(tmp_path, steps=10, step=3, every=5) as journal:
        journal.note(4, 40.0, {"loss": 1.0})
        journal.note(5, 50.0, {"loss": 3.0})
    assert rows(tmp_path)[1] == ["5", "50.0", "2.00000"]


def test_dev_clips_are_there_to_hear_and_see(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for talker in range(2):
        (tmp_path / "speech" / f"talker{talker}").mkdir(parents=True)
        pcm = (0.1 * rng.standard_normal(16_000)).astype(np.float32)
        soundfile.write(tmp_path / "speech" / f"talker{talker}" / "a.wav", pcm, 16_000)
    prepare(tmp_path / "speech", tmp_path / "data")
    index = tmp_path / "data" / "index.jsonl"
    index.write_text(index.read_text().replace('"train"', '"dev"'))
    corpus = Corpus(tmp_path / "data")
    with Journal(tmp_path, steps=10, step=0, every=1) as journal:
        journal.listen(5, load_model(), corpus)
    folder = tmp_path / "samples" / "step-000005"
    sounds = sorted(folder.glob("*.wav"))
    assert len(sounds) == 2
    assert len(sorted(folder.glob("*.png"))) == len(sounds)
    heard, rate = soundfile.read(sounds[0])
    assert (rate, len(heard)) == (16_000, 13 * 1280)
