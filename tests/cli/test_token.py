"""`clarilink token`."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from gateway.cli.root import main
from gateway.web.token import read_token


def test_the_token_is_made_shown_once_and_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "web.token"
    runner = CliRunner()
    first = runner.invoke(main, ["token", str(path)])
    assert first.exit_code == 0
    assert first.output.splitlines()[-1] == read_token(path)
    assert path.stat().st_mode & 0o777 == 0o600
    again = runner.invoke(main, ["token", str(path)])
    assert again.exit_code == 1
    assert "exists already" in again.output
    assert runner.invoke(main, ["token", str(path), "--force"]).exit_code == 0
    assert read_token(path) not in first.output
