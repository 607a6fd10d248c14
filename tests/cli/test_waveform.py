"""`clarilink waveform` as its user types it."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from gateway.channel.spec_file import preset_folders
from gateway.cli import main
from gateway.cli.waveform import levels
from gateway.traces import TraceReader

SET = str(preset_folders()[0] / "cir" / "shallow-water.npz")


def clarilink(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["waveform", *map(str, arguments)])


def test_a_run_and_all_it_leaves(tmp_path: Path) -> None:
    table, trace, plot, wav = (tmp_path / name for name in ("t.csv", "t.trace", "t.png", "t.wav"))
    options = ("--cir", SET, "--snr-db", "1:5:2", "--packets", "8", "--speed-m-s", "1")
    result = clarilink("run", *options, "-o", table, "--trace", trace, "--plot", plot, "--wav", wav)
    assert result.exit_code == 0, result.output
    assert "34 bytes on the air for 396 ms: 687 bit/s" in result.output
    assert len([line for line in result.output.splitlines() if line.startswith("   ")]) == 3
    assert len(table.read_text().splitlines()) == 4
    assert len(list(TraceReader(trace))) == 2 * 3 * 8
    assert plot.stat().st_size > 20_000
    assert wav.stat().st_size > 3 * 0.4 * 48_000 * 2
    again = clarilink("run", *options)
    assert again.output.splitlines()[:5] == result.output.splitlines()[:5]


def test_a_file_as_sound_and_back(tmp_path: Path) -> None:
    (tmp_path / "in.bin").write_bytes(b"hello from the sea")
    sent = clarilink("send", tmp_path / "in.bin", tmp_path / "x.wav", "--centre-hz", "10000")
    assert sent.exit_code == 0, sent.output
    heard = clarilink("receive", tmp_path / "x.wav", tmp_path / "out.bin", "--centre-hz", "10000")
    assert heard.exit_code == 0, heard.output
    assert (tmp_path / "out.bin").read_bytes() == b"hello from the sea"
    shown = clarilink("receive", tmp_path / "x.wav", "--centre-hz", "10000")
    assert b"hello from the sea".hex() in shown.output


def test_a_made_up_set_and_what_it_is(tmp_path: Path) -> None:
    made = clarilink("synthesise", tmp_path / "mine.npz", "--range-m", "500", "--seed", "3")
    assert made.exit_code == 0, made.output
    told = clarilink("info", tmp_path / "mine.npz", "--plot", tmp_path / "mine.png")
    assert told.exit_code == 0, told.output
    assert "96 snapshots of 64 taps" in told.output
    assert "within the waveform's guard of 12 ms" in told.output
    assert (tmp_path / "mine.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["run", "--cir", "gone.mat"], 1, "gone.mat: no such file"),
        (["run", "--cir", SET, "--tap-rate-hz", "3000", "--packets", "1"], 1, "needed: 4400 or more"),
        (["run", "--snr-db", "5:2"], 2, "needed: FROM:TO:STEP"),
        (["run", "--packets", "1", "--snr-db", "5", "-o", "/nowhere/t.csv"], 1, "/nowhere/t.csv: cannot write"),
        (["info", "gone"], 1, "no such file or folder"),
        (["receive", "gone.wav"], 1, "gone.wav: cannot read"),
        (["receive", SET], 1, "cannot read"),
        (["send", "gone.bin", "x.wav"], 1, "gone.bin: cannot read"),
        (["send", SET, "x.wav"], 1, "needed: 1 to 255"),
        (["synthesise", "x.mat"], 1, "ends in .npz"),
        (["synthesise", "/nowhere/x.npz"], 1, "cannot write"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], code: int, told: str) -> None:
    result = clarilink(*arguments)
    assert result.exit_code == code
    assert told in result.output
    assert "Traceback" not in result.output


def test_levels() -> None:
    assert levels("5:20:3") == (5, 8, 11, 14, 17, 20)
    assert levels("0:0.3:0.1") == (0, 0.1, 0.2, 0.3)
    assert levels("7") == (7,)
    assert levels("9,-3.5") == (9, -3.5)


@pytest.mark.parametrize(
    "text", ["", "a", "1:2", "1:2:0", "1:2:-1", "2:1:1", "0:100:0.1", "1,,2", "nan", "inf", "70", "0:inf:1"]
)
def test_levels_that_are_none(text: str) -> None:
    with pytest.raises(click.BadParameter):
        levels(text)
