"""`clarilink channel-plot` as its user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main


def test_a_preset_by_name(tmp_path: Path) -> None:
    out = tmp_path / "city.png"
    done = CliRunner().invoke(main, ["channel-plot", "lutz-city", "-o", str(out), "--seconds", "60"])
    assert done.exit_code == 0, done.output
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "125 packets in 60 s" in done.output
    assert "shadowed: " in done.output
    again = CliRunner().invoke(main, ["channel-plot", "lutz-city", "-o", str(out), "--seconds", "60"])
    other = CliRunner().invoke(main, ["channel-plot", "lutz-city", "-o", str(out), "--seconds", "60", "--seed", "2"])
    assert again.output == done.output != other.output


def test_a_file_and_the_name_it_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text('loss = 0.2\n[model]\nkind = "rice"\n')
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["channel-plot", "mine.toml", "--seconds", "60"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mine.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lutz-citty"], "did you mean lutz-city"),
        (["clean", "-o", "nowhere/x.png"], "nowhere/x.png: cannot write: No such file or directory"),
        (["clean", "-o", "x.webm"], "x.webm: needs a name that ends in .png"),
        (["clean", "--seconds", "1e7", "--packet-ms", "1"], "too many"),
    ],
)
def test_mistakes_take_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["channel-plot", *arguments])
    assert done.exit_code == 1
    assert message in done.output.splitlines()[-1]
    assert isinstance(done.exception, SystemExit)
