"""Logs go to standard error, for people or as one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from gateway.logs import configure_logging


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_json_lines_hold_event_level_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    structlog.get_logger("x").warning("link lost", link="zeromq", packets=3)
    captured = capsys.readouterr()
    assert captured.out == ""
    line = json.loads(captured.err)
    assert (line["event"], line["level"], line["link"], line["packets"]) == ("link lost", "warning", "zeromq", 3)
    assert "T" in line["timestamp"]


def test_console_lines_are_readable_and_levels_filter(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "console")
    log = structlog.get_logger("x")
    log.info("not shown")
    log.error("shown", why="because")
    err = capsys.readouterr().err
    assert "not shown" not in err
    assert "shown" in err
    assert "why=because" in err
    assert "\x1b" not in err  # colours are for terminals
