"""Calls of the program in this process, as its user types them."""

from __future__ import annotations

from click.testing import CliRunner, Result

from gateway.cli import main


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def good(*arguments: object) -> Result:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object) -> str:
    """Exit code not zero, a line of why, no traceback; returns the line."""
    result = call(*arguments)
    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit)
    lines = [line for line in result.stderr.splitlines() if line.startswith(("clarilink: ", "Error: "))]
    assert len(lines) == 1, result.output
    return lines[0]
