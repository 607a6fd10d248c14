"""Programs that are driven say what they said, also when they fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tools.program import Program, ProgramError


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Program]:
    """A channel process of two stations that never come."""
    (tmp_path / "net.toml").write_text(
        f'endpoint = "ipc://{tmp_path}/net"\ncontrol = "ipc://{tmp_path}/control"\nseed = 1\n[channel]\n'
        'preset = "leo-iridium"\n'
    )
    program = Program("channel", "-c", str(tmp_path / "net.toml"), "--log")
    yield program
    program.close()


def test_lines_come_as_they_are_told(channel: Program) -> None:
    assert "leo-iridium" in channel.wait_for("leo-iridium")
    assert channel.telling("never said") == []


def test_a_program_that_ended_is_not_waited_for(tmp_path: Path) -> None:
    program = Program("run", "-c", str(tmp_path / "absent.toml"))
    with pytest.raises(ProgramError, match=r"(?s)ended and never told 'station ready'.*absent\.toml"):
        program.wait_for("station ready")
    assert program.end() != 0
    program.close()


def test_a_program_that_hangs_shows_where(channel: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    channel.wait_for("leo-iridium")
    monkeypatch.setattr("gateway.tools.program.PATIENCE_S", 0.2)
    with pytest.raises(
        ProgramError, match=r"(?s)never told 'good night'.*Fatal Python error: Aborted.*most recent call"
    ):
        channel.wait_for("good night")


def test_another_exit_code_than_none_is_an_error(tmp_path: Path) -> None:
    program = Program("keygen", str(tmp_path / "net.key"))
    with pytest.raises(ProgramError, match="never told 'station stopped'"):
        program.quit()
    program.close()
    again = Program("keygen", str(tmp_path / "net.key"))  # which is there already
    with pytest.raises(ProgramError, match=r"(?s)ended with exit code 1:.*net\.key"):
        again.quit()
    again.close()
