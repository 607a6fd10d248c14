"""What a terminal can show, and writing to one that goes away or hangs."""

from __future__ import annotations

import os
import pty
import threading
import tty
from collections.abc import Iterator

import pytest

from gateway.console import terminal
from gateway.console.spans import PLAIN, RICH, Glyphs
from gateway.console.terminal import TerminalWriter, glyphs_for, is_hung_up, speaks_utf8


@pytest.mark.parametrize(
    ("environ", "glyphs"),
    [
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, RICH),
        ({"TERM": "xterm", "LC_ALL": "C.utf8"}, RICH),
        ({"TERM": "screen", "LANG": "C", "LC_CTYPE": "de_DE.UTF-8"}, RICH),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, PLAIN),
        ({"TERM": "vt220", "LANG": "en_US.UTF-8"}, PLAIN),
        ({"TERM": "xterm", "LANG": "C"}, PLAIN),
        ({"TERM": "xterm", "LANG": "C", "LC_CTYPE": "C.UTF-8"}, PLAIN),  # as Python sets it for itself
        ({"TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "POSIX"}, PLAIN),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1"}, PLAIN),
        ({}, PLAIN),
    ],
)
def test_blocks_where_terminal_and_locale_have_them(environ: dict[str, str], glyphs: Glyphs) -> None:
    assert glyphs_for(environ) == glyphs


def test_a_locale_for_all_wins() -> None:
    assert speaks_utf8({"LC_ALL": "C.UTF-8", "LANG": "C"})


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, slave
    for descriptor in (master, slave):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_what_is_written_arrives_and_what_cannot_be_shown_does_no_harm(pair: tuple[int, int]) -> None:
    master, slave = pair
    lost = threading.Event()
    writer = TerminalWriter(slave, lost, ascii_only=True)
    assert writer.write("Grüße") == 5
    writer.flush()
    assert os.read(master, 100) == b"Gr??e"
    assert writer.isatty()
    writer.close()
    assert not lost.is_set()


def test_a_terminal_that_is_gone_is_lost_and_nothing_is_raised(pair: tuple[int, int]) -> None:
    master, slave = pair
    lost = threading.Event()
    writer = TerminalWriter(slave, lost)
    assert not is_hung_up(slave)
    os.close(master)
    writer.write("x")
    writer.write("y")
    assert lost.is_set()
    assert is_hung_up(slave)
    writer.close()
    writer.close()


def test_a_terminal_that_takes_nothing_is_lost(pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "STALLED_S", 0.2)
    lost = threading.Event()
    writer = TerminalWriter(pair[1], lost)
    writer.write("x" * 1_000_000)
    assert lost.is_set()
    writer.close()


def test_a_descriptor_that_is_none_is_hung_up() -> None:
    assert is_hung_up(-1)
