"""The token file: made for its owner only, read from nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError, SecurityError
from gateway.web.token import make_token, read_token


def test_a_token_is_made_for_its_owner_only_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "web.token"
    token = make_token(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_token(path) == token
    assert len(token.replace("-", "")) == 40
    with pytest.raises(SecurityError, match="exists already"):
        make_token(path)
    assert read_token(path) == token
    assert make_token(path, force=True) != token


def test_a_token_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "web.token"
    token = make_token(path)
    path.chmod(0o640)
    with pytest.raises(SecurityError, match="chmod 600") as caught:
        read_token(path)
    assert token not in str(caught.value)


def test_a_missing_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match=r"`clarilink token .*web\.token` makes one"):
        read_token(tmp_path / "web.token")


@pytest.mark.parametrize("text", ["", "\n", "too short", "two words of sixteen characters", "a" * 201, "ü" * 20])
def test_what_is_no_token_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "web.token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="one line of 16 to 200") as caught:
        read_token(path)
    assert not text.strip() or text not in str(caught.value)
