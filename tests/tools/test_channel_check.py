"""The check of the models: its pictures are drawn and its lines say how near."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.tools import radio_check, satellite_check
from gateway.tools.channel_check import CHECKS, draw_airtime, draw_thorp, draw_wenz


@pytest.mark.parametrize("medium", CHECKS)
def test_all_pictures_of_a_medium_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, medium: str) -> None:
    monkeypatch.setattr(satellite_check, "RAIN_YEARS", 1)
    monkeypatch.setattr(satellite_check, "CALLS", 20)
    monkeypatch.setattr(radio_check, "MOMENTS", 400)
    result = CliRunner().invoke(main, ["channel-check", medium, "-o", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert len(lines) == len(CHECKS[medium])
    for line in lines:
        picture = tmp_path / "new" / line.split(":")[0]
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_lines_are_about_the_published_figures(tmp_path: Path) -> None:
    absorption = [float(found) for found in re.findall(r"([\d.]+) %", draw_thorp(tmp_path))]
    assert absorption[0] < 1 < absorption[1] < 10
    assert float(re.findall(r"([\d.]+) dB", draw_wenz(tmp_path))[0]) < 2.5
    assert "-4.7 % at 1 byte" in draw_airtime(tmp_path)


def test_satellites_are_where_the_sources_say(tmp_path: Path) -> None:
    assert float(re.findall(r"within ([\d.]+) %", satellite_check.draw_delay(tmp_path))[0]) < 0.1
    for found, most in re.findall(r"([\d.]+) ppm \((\d+)\)", satellite_check.draw_pass(tmp_path)):
        assert float(most) - 1.6 < float(found) < float(most)
    for found, published in re.findall(r"([\d.]+) \(([\d.]+)\)", satellite_check.draw_lutz(tmp_path)):
        assert float(found) == pytest.approx(float(published), rel=0.05)  # 16 hours; tests/channel/test_lutz.py: 3 %


def test_radio_is_where_the_sources_say(tmp_path: Path) -> None:
    assert float(re.findall(r"within ([\d.]+) dB", radio_check.draw_loss(tmp_path))[0]) < 0.1
    assert float(re.findall(r"within ([\d.]+) dB", radio_check.draw_lora(tmp_path))[0]) <= 1.0
    assert float(re.findall(r"within ([\d.]+) %", radio_check.draw_lora_airtime(tmp_path))[0]) < 0.05


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    result = CliRunner().invoke(main, ["channel-check", "underwater", "-o", str(tmp_path / "file" / "sub")])
    assert result.exit_code == 1
    assert "cannot be written" in result.output
