"""Logs: for people or as one JSON object a line, with the same keys always, without floods and without secrets."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.clock import ManualClock
from gateway.logs import (
    HIDDEN,
    SAME_A_WINDOW,
    WINDOW_S,
    LogFile,
    close_log,
    configure_logging,
    held_back,
    is_journal,
)


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    yield
    close_log()
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_json_lines_hold_event_level_time_station_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json", station="alpha")
    structlog.get_logger("x").warning("link lost", link="zeromq", packets=3)
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "link lost", "level": "warning", "station": "alpha", "link": "zeromq", "packets": 3}


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


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_failure_keeps_its_traceback_but_shows_no_values(form: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", form)
    secret_key = "0123456789abcdef" * 4
    try:
        raise ValueError(f"bad key {secret_key}")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "test_logs.py" in err
    assert secret_key not in err


def test_a_flood_is_held_back_counted_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    configure_logging("info", "json", clock=clock)
    log = structlog.get_logger("x")
    for number in range(1000):
        log.warning(f"{number} packets refused", port="/dev/ttyUSB0")
        log.info("something else") if number % 500 == 0 else None
    log.error("3 packets refused")  # more urgent: another event
    found = lines(capsys)
    assert sum("refused" in line["event"] and line["level"] == "warning" for line in found) == SAME_A_WINDOW
    assert sum(line["event"] == "something else" for line in found) == 2
    assert found[-1]["level"] == "error"
    clock.sleep(WINDOW_S)
    log.info("later")
    log.warning("5 packets refused")
    told, later, again = lines(capsys)
    assert (told["event"], told["of"], told["count"], told["level"]) == (
        "log lines held back",
        "0 packets refused",
        1000 - SAME_A_WINDOW,
        "warning",
    )
    assert (later["event"], again["event"]) == ("later", "5 packets refused")


def test_what_is_held_back_at_the_end_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json", clock=ManualClock())
    for _ in range(SAME_A_WINDOW + 7):
        structlog.get_logger("x").info("again")
    close_log()
    assert lines(capsys)[-1]["count"] == 7


def test_debugging_sees_everything(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json", clock=ManualClock())
    for _ in range(10 * SAME_A_WINDOW):
        structlog.get_logger("x").debug("again")
    assert len(lines(capsys)) == 10 * SAME_A_WINDOW


def test_many_different_lines_are_no_flood_and_take_no_memory(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json", clock=ManualClock())
    log = structlog.get_logger("x")
    words = [f"{a}{b}{c}" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyz"]
    for word in words:
        log.info(word)
    assert [line["event"] for line in lines(capsys)] == words


def test_no_secret_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    key = "0123456789abcdef" * 4
    structlog.get_logger("x").info(
        f"read {key}",
        secret="s1",
        token_file="/etc/token",
        url="http://h/?token=s2&x=1",
        nested={"password": "s3", "rows": [key, "fine"]},
    )
    text = capsys.readouterr().err
    line = json.loads(text)
    assert line["event"] == f"read {HIDDEN}"
    assert line["url"] == f"http://h/?token={HIDDEN}&x=1"
    assert line["nested"]["rows"] == [HIDDEN, "fine"]
    for secret in ("s1", "s2", "s3", key):
        assert secret not in text


def test_a_file_besides_is_json_and_turns_over(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "log" / "station.log"
    configure_logging("info", "console", station="alpha", file=LogFile(path, 2000, 2), clock=ManualClock())
    log = structlog.get_logger("x")
    for word in ("one", "two", "three"):
        for _ in range(SAME_A_WINDOW):
            log.info(word, filler="x" * 20)
    close_log()
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["station.log", "station.log.1", "station.log.2"]
    assert all(entry.stat().st_size <= 2000 for entry in path.parent.iterdir())
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["event"], last["station"], last["level"]) == ("three", "alpha", "info")
    assert "T" in last["timestamp"]
    assert len(capsys.readouterr().err.splitlines()) == 3 * SAME_A_WINDOW


def test_a_disk_that_is_full_stops_nobody(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logging("info", "json", file=LogFile(tmp_path / "a.log"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("logging.StreamHandler.flush", full)
    structlog.get_logger("x").info("goes on")
    monkeypatch.undo()
    assert [line["event"] for line in lines(capsys)] == ["goes on"]


def test_a_file_that_cannot_be_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        configure_logging("info", "json", file=LogFile(tmp_path / "file" / "a.log"))


def test_the_journal_is_known_by_what_standard_error_is(tmp_path: Path) -> None:
    with (tmp_path / "err").open("w") as stream:
        found = os.fstat(stream.fileno())
        assert is_journal({"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}, stream)
        assert not is_journal({"JOURNAL_STREAM": "8:1"}, stream)
        assert not is_journal({}, stream)


def test_lines_for_the_journal_say_how_urgent_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "err").open("w+") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        monkeypatch.setattr(sys, "stderr", stream)
        configure_logging("info", "json")
        log = structlog.get_logger("x")
        log.info("a")
        log.warning("b")
        log.error("c")
        monkeypatch.undo()
        stream.seek(0)
        assert [line[:3] for line in stream] == ["<6>", "<4>", "<3>"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_screen_on_the_terminal_is_not_written_over(
    is_terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "errors"
    with path.open("w+", encoding="utf-8") as errors:
        monkeypatch.setattr(errors, "isatty", lambda: is_terminal, raising=False)
        monkeypatch.setattr(sys, "stderr", errors)
        configure_logging("info", "json")
        with held_back():
            structlog.get_logger("x").warning("while it is drawn")
            assert ("while it is drawn" in path.read_text()) is not is_terminal
        structlog.get_logger("x").info("after it")
        close_log()
        told = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert told == ["while it is drawn", "after it"]


def test_a_terminal_that_is_gone_costs_lines_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    errors = os.fdopen(slave, "w", buffering=1, encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", errors)
    configure_logging("info", "json")
    with held_back():
        structlog.get_logger("x").warning("unread")
        os.close(master)
    with contextlib.suppress(OSError):
        errors.close()
