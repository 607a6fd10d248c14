"""`clarilink check` as its user types it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from gateway.cli import main

CONFIGS = Path(__file__).parents[2] / "configs"


def test_lines_and_exit_codes(tmp_path: Path) -> None:
    good = CliRunner().invoke(main, ["check", "--quick", "-c", str(CONFIGS / "station-null.toml")])
    assert good.exit_code == 0
    assert good.output.splitlines()[-1].startswith("no problems, ")
    bad = CliRunner().invoke(main, ["check", "--quick", "-c", str(CONFIGS / "station-a.toml"), str(tmp_path / "none")])
    assert bad.exit_code == 1
    assert f"problem  {tmp_path}/none: (file): cannot read configuration" in bad.output


def test_json() -> None:
    done = CliRunner().invoke(main, ["check", "--quick", "--json", str(CONFIGS / "station-null.toml")])
    found = json.loads(done.output)
    assert found["good"] is True
    assert {one["level"] for one in found["findings"]} == {"ok"}


def test_a_net() -> None:
    files = [str(CONFIGS / name) for name in ("station-a.toml", "station-a-channel.toml")]
    done = CliRunner().invoke(main, ["check", "--quick", "--net", *files])
    assert done.exit_code == 1
    assert "station.id: 1 is that of the station in" in done.output


def test_no_file_at_all() -> None:
    done = CliRunner().invoke(main, ["check"])
    assert done.exit_code == 2
    assert "needs at least one file" in done.output
