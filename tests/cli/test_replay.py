"""`clarilink replay` as its user types it, on what two stations recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from gateway.audio.files import read_audio
from gateway.cli import main
from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from tests.station.talk import Talk


@pytest.fixture
def folder(tmp_path: Path, small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray) -> Path:
    """Bravo's recordings of an over heard and one said; the weights lie beside them."""
    save_weights(tmp_path / "small.safetensors", small_spec, small_codec.model.state_dict())
    talk = Talk(Codec.load(tmp_path / "small.safetensors"), tmp_path, speechlike)
    talk.over(talk.alpha, 2.0)
    talk.over(talk.bravo, 1.0)
    talk.close()
    return talk.bravo.folder


def replay(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)], catch_exceptions=False)


def test_a_folder_is_listed(folder: Path) -> None:
    result = replay(folder)
    assert result.exit_code == 0
    rows = result.stdout.splitlines()
    assert rows[0].startswith("OVER")
    assert [row.split()[0] for row in rows[1:]] == ["1", "2"]


def test_an_over_is_decoded_anew_compared_and_written(folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "small.safetensors"
    out = tmp_path / "anew.wav"
    result = replay(folder, "--over", 1, "--weights", weights, "--compare", "-o", out)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["  sound: the same, sample for sample"]
    assert "0 of them concealed" in result.stderr
    assert "station 1 to group 1, codec 1 version 1" in result.stderr
    recorded = next(folder.glob("*0001-heard.wav"))
    assert np.array_equal(read_audio(out), read_audio(recorded))
    assert replay(recorded, "--as-recorded", "-o", tmp_path / "same.wav").exit_code == 0
    assert np.array_equal(read_audio(tmp_path / "same.wav"), read_audio(recorded))


def test_it_is_played_to_its_end(folder: Path, tmp_path: Path) -> None:
    speaker = tmp_path / "speaker.wav"
    assert replay(folder, "--over", "last", "--as-recorded", "--play", "--device", f"file:{speaker}").exit_code == 0
    said = read_audio(next(folder.glob("*0002-said.wav")))
    played = read_audio(speaker)
    assert len(played) >= len(said)
    assert np.abs(played).max() == pytest.approx(np.abs(said).max(), abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--over", "9"], "no over 9"),
        (["--play"], "--over NUMBER"),
        (["--over", "1", "--as-recorded", "--compare"], "--as-recorded decodes nothing"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(folder: Path, arguments: list[str], why: str) -> None:
    result = CliRunner().invoke(main, ["replay", str(folder), *arguments])
    assert result.exit_code != 0
    assert why in (result.stderr or str(result.exception))


def test_a_folder_without_recordings_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["replay", str(tmp_path)])
    assert result.exit_code != 0
    assert "no index.jsonl there" in (result.stderr or str(result.exception))
