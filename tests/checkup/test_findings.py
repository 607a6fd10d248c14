"""Findings: a line says level, file, key and what to do; what is raised within a check becomes one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.checkup.findings import WHOLE_FILE, Finding, Findings, Level, problems_of
from gateway.errors import ConfigError, SecurityError

FILE = Path("a/x.toml")


def test_a_line() -> None:
    assert str(Finding(Level.WARNING, "x.toml", "link.port", "is not there", "plug it in")) == (
        "warning  x.toml: link.port: is not there; plug it in"
    )
    assert str(Finding(Level.OK, "x.toml", "clock", "right")) == "ok       x.toml: clock: right"


def test_the_same_is_told_once_and_on_one_line() -> None:
    findings = Findings(FILE)
    findings.ok("a", "two\n  lines")
    findings.ok("a", "two lines")
    assert [finding.text for finding in findings.all] == ["two lines"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("a/x.toml: jitter.cap_ms: got 5; too small", [("jitter.cap_ms", "got 5; too small")]),
        ("a/x.toml: jitter.cap_ms 5 is too small", [("jitter.cap_ms", "5 is too small")]),
        ("a/x.toml: 2 problems\n  a.b: one\n  c: two", [("a.b", "one"), ("c", "two")]),
        ("a/x.toml: not valid TOML: at line 1", [(WHOLE_FILE, "not valid TOML: at line 1")]),
        ("a/x.toml: protection against bit errors cannot", [("", "protection against bit errors cannot")]),
        ("a/x.toml: (whole file): missing", [("(whole file)", "missing")]),
        ("other.key: no such file", [("", "other.key: no such file")]),
    ],
)
def test_errors_come_apart_into_problems(message: str, expected: list[tuple[str, str]]) -> None:
    assert problems_of(ConfigError(message), FILE) == expected


def test_what_is_raised_becomes_a_problem() -> None:
    findings = Findings(FILE)
    with findings.looking_at("security.key_file"):
        raise SecurityError("net.key: no such key file")
    with findings.looking_at("codec"):
        raise ZeroDivisionError("oh")
    assert [(one.level, one.key) for one in findings.all] == [
        (Level.PROBLEM, "security.key_file"),
        (Level.PROBLEM, "codec"),
    ]
    assert "report" in findings.all[1].todo
