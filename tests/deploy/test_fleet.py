"""Fifty station files from a table: they load, agree with each other, and a wrong table says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gateway.checkup.findings import Level
from gateway.checkup.surroundings import Surroundings
from gateway.config import StationConfig, load_toml
from gateway.keys import make_keys
from gateway.tools.check import check_files

FLEET = Path(__file__).parents[2] / "deploy" / "fleet"


def fill(table: Path, template: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FLEET / "fill.py", table, template, out], capture_output=True, text=True, timeout=60
    )


def test_fifty_of_them(tmp_path: Path) -> None:
    table = tmp_path / "stations.csv"
    rows = [f"station-{number},{number},10.0.0.{number},7" for number in range(1, 51)]
    table.write_text("\n".join(["name,id,host,group", *rows]) + "\n")
    done = fill(table, FLEET / "template.toml", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    make_keys(tmp_path / "out" / "net.key")
    files = sorted((tmp_path / "out").glob("*.toml"))
    assert len(files) == 50
    findings = check_files(files, Surroundings(quick=True), is_one_net=True)
    assert [one for one in findings if one.level is not Level.OK] == []
    config = load_toml(tmp_path / "out" / "station-17.toml", StationConfig)
    assert (config.station.id, config.net.names[50], config.station.group) == (17, "station-50", 7)


def test_the_table_that_is_shipped(tmp_path: Path) -> None:
    done = fill(FLEET / "stations.csv", FLEET / "template.toml", tmp_path)
    assert [Path(line).name for line in done.stdout.split()] == ["alpha.toml", "bravo.toml", "charlie.toml"]


def test_wrong_tables(tmp_path: Path) -> None:
    table = tmp_path / "stations.csv"
    for content, told in (
        ("name,id\na,1\nb,1\n", "column id"),
        ("name,id\na,1\n,2\n", "column name"),
        ("name,id\na,1\n", "$group: no such column"),
    ):
        table.write_text(content)
        done = fill(table, FLEET / "template.toml", tmp_path / "out")
        assert done.returncode == 1
        assert told in done.stderr
        assert "Traceback" not in done.stderr
