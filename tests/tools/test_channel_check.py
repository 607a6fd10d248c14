"""The check of the models: its pictures are drawn and its lines say how near."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.tools.channel_check import CHECKS, draw_airtime, draw_thorp, draw_wenz


def test_all_pictures_of_the_water_are_drawn(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["channel-check", "underwater", "-o", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) == len(CHECKS["underwater"])
    for line in lines:
        picture = tmp_path / "new" / line.split(":")[0]
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_lines_are_about_the_published_figures(tmp_path: Path) -> None:
    absorption = [float(found) for found in re.findall(r"([\d.]+) %", draw_thorp(tmp_path))]
    assert absorption[0] < 1 < absorption[1] < 10
    assert float(re.findall(r"([\d.]+) dB", draw_wenz(tmp_path))[0]) < 2.5
    assert "-4.7 % at 1 byte" in draw_airtime(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    result = CliRunner().invoke(main, ["channel-check", "underwater", "-o", str(tmp_path / "file" / "sub")])
    assert result.exit_code == 1
    assert "cannot be written" in result.output
