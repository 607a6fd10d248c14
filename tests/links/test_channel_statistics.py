"""Figures for people: a table that is drawn over itself, lines elsewhere, and never all paths while packets wait."""

from __future__ import annotations

import io

import pytest

from gateway.channel.impairments import ChannelSpec
from gateway.channel.selection import select
from gateway.channel.spec_file import ChannelProcessConfig
from gateway.links.channel_core import ChannelCore
from gateway.links.channel_statistics import MOST_LINES, LogBoard, TableBoard, board_for
from gateway.links.envelope import Hello, Packet


def crowd(stations: int) -> ChannelCore:
    spec = ChannelSpec("lossy", loss=0.5, delay_ms=300)
    core = ChannelCore(ChannelProcessConfig("tcp://127.0.0.1:1", spec), 0.0)
    names = [f"s{index}" for index in range(stations)]
    for name in names:
        core.handle(name.encode(), Hello(name, 1), 0.0)
    for name in names:
        for _ in range(10):
            core.handle(name.encode(), Packet(name, 1, b"x"), 0.0)
    for _ in core.deliver(1.0):
        core.handed_on(0.003)
    return core


def test_the_table_is_drawn_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "40")
    terminal, core = io.StringIO(), crowd(2)
    board = TableBoard(terminal)
    board.show(core, 1.0)
    first = terminal.getvalue()
    assert "\x1b" not in first
    assert "lossy: 2 stations, 2 paths, 0 collisions, 0 messages dropped, 3.0 ms late (p99)" in first
    assert [line.split()[:4] for line in first.splitlines()[2:4]] == [
        ["s0>s1", "lossy", "10", str(10 - core.network.stats()["s0", "s1"].lost)],
        ["s1>s0", "lossy", "10", str(10 - core.network.stats()["s1", "s0"].lost)],
    ]
    assert "300..300" in first
    board.show(core, 2.0)
    assert terminal.getvalue().removeprefix(first).startswith(f"\x1b[{len(first.splitlines())}F\x1b[J")
    assert terminal.getvalue().count("s1>s0") == 2, "idle paths stay as long as there is room"
    core.network.cut(select("s0>s1"))
    board.close(core, 2.0)
    assert "s0>s1 (cut)" in terminal.getvalue()


def test_a_crowd_does_not_flood_the_screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "40")
    terminal, core = io.StringIO(), crowd(12)
    board = TableBoard(terminal)
    board.show(core, 1.0)
    assert len(terminal.getvalue().splitlines()) <= MOST_LINES + 3
    before = len(terminal.getvalue())
    board.show(core, 2.0)
    assert "and 132 other paths" in terminal.getvalue()[before:], "nothing was sent since"
    core = crowd(12)
    capsys.readouterr()
    LogBoard().show(core, 1.0)
    assert len(capsys.readouterr().out.splitlines()) == MOST_LINES + 1
    LogBoard().close(core, 1.0)
    assert len(capsys.readouterr().out.splitlines()) == 12 * 11 + 1


def test_lines_where_there_is_no_terminal() -> None:
    assert isinstance(board_for(io.StringIO()), LogBoard)
