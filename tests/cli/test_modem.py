"""Commands about modems: what is wrong on the command line is one clear line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gateway.cli import main


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["modem-sim", "no-such-modem"], 1, "no modem profile 'no-such-modem'"),
        (["modem-sim", "transparent-9600", "--pair", "--stations", "3"], 2, "--pair is --stations 2"),
        (["modem-sim", "transparent-9600", "--channel", "moon"], 1, "no channel preset 'moon'"),
        (["modem-sim", "transparent-9600", "--link-a", "udp://x"], 1, "tcp://HOST:PORT"),
        (["modem-test", "/dev/ttyX", "-c", "no-such-modem"], 1, "no modem profile"),
        (["modem-test", "udp://x", "-c", "transparent-9600"], 1, "udp://x"),
        (
            ["modem-test", "/dev/ttyX", "-c", "transparent-9600", "--answer", "--peer", "/dev/ttyY"],
            2,
            "--answer is for",
        ),
        (["modem-table", "--channel", "moon"], 1, "no channel preset 'moon'"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], code: int, told: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code
    assert told in result.output
    assert "Traceback" not in result.output
