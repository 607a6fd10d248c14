"""Keys to events, pure and through real pseudo-terminals and pipes."""

from __future__ import annotations

import itertools
import os
import pty
import termios
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.keyboard import (
    CommandLines,
    Keyboard,
    KeyEvent,
    KeyMap,
    KeyPresses,
    Quit,
    TextEdited,
    UnknownKey,
)
from gateway.control.requests import MAX_TEXT_CHARACTERS, PlayMessage, SendText, ToggleKey, ToggleRecording

TALK = ToggleKey("keyboard")


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b" ", [TALK]),
        (b"  ", [TALK, TALK]),
        (b"b", [ToggleKey("keyboard", break_in=True)]),
        (b"mL", [ToggleRecording(), PlayMessage()]),
        (b"q", [Quit()]),
        (b"Q", [Quit()]),
        (b"\x03", [Quit()]),
        (b"\x04", [Quit()]),
        (b"\r\n", []),
        (b"x", [UnknownKey("x")]),
        ("ß".encode(), [UnknownKey("ß")]),
        (b"\x1b[A\x1bOP\x1b[1;5C ", [TALK]),  # arrows and function keys are not letters
        (b"\x1b", []),
        (b"\x1bq", [Quit()]),
    ],
)
def test_single_keys(data: bytes, events: list[KeyEvent]) -> None:
    assert KeyPresses().feed(data) == events


def test_a_text_line_is_edited_and_sent() -> None:
    keys = KeyPresses()
    assert keys.feed(b"t") == [TextEdited("")]
    assert keys.feed(b"q x") == [TextEdited("q"), TextEdited("q "), TextEdited("q x")]
    assert keys.feed(b"\x7f\x7f") == [TextEdited("q "), TextEdited("q")]
    assert keys.feed("ü".encode()[:1]) == []
    assert keys.feed("ü".encode()[1:]) == [TextEdited("qü")]
    assert keys.feed(b"\x1b[D\t") == []
    assert keys.feed(b"\r") == [TextEdited(None), SendText("qü")]
    assert keys.feed(b" ") == [TALK]


def test_a_text_line_is_dropped_by_escape_and_not_sent_empty() -> None:
    keys = KeyPresses()
    assert keys.feed(b"thi\x1b")[-1] == TextEdited(None)
    assert keys.feed(b"q") == [Quit()]
    assert keys.feed(b"t  \r")[-1] == TextEdited(None)
    assert keys.feed(b"tabc\x15\r")[-2:] == [TextEdited(""), TextEdited(None)]
    events = keys.feed(b"t" + b"x" * (MAX_TEXT_CHARACTERS + 50) + b"\r")
    assert events[-1] == SendText("x" * MAX_TEXT_CHARACTERS)


def test_lines() -> None:
    lines = CommandLines()
    assert lines.feed(b"p\nt  hello there \nT\nb\n\nnonsense here\nq") == [
        TALK,
        SendText("hello there"),
        UnknownKey("t"),
        ToggleKey("keyboard", break_in=True),
        UnknownKey("nonsense here"),
    ]
    assert lines.feed(b"\r\n") == [Quit()]
    assert lines.feed(b"m\nl\n") == [ToggleRecording(), PlayMessage()]
    assert lines.feed(b"p") == []
    assert lines.end() == [TALK, Quit()]
    assert lines.end() == [Quit()]


def test_an_endless_line_is_cut() -> None:
    lines = CommandLines()
    for _ in range(50):
        assert lines.feed(b"t " + b"x" * 10_000) == []
    (event,) = lines.feed(b"\n")
    assert event == SendText("x" * MAX_TEXT_CHARACTERS)


@pytest.mark.parametrize("make", [KeyPresses, CommandLines])
@given(data=st.binary(max_size=80))
def test_any_bytes_give_events_of_printable_text(make: type[KeyPresses] | type[CommandLines], data: bytes) -> None:
    keys: KeyMap = make()
    for event in [*keys.feed(data), *keys.end()]:
        if isinstance(event, SendText):
            assert event.text.isprintable()
            assert 0 < len(event.text) <= MAX_TEXT_CHARACTERS


@given(st.text(alphabet=" pqtbx\n\u00fc", max_size=40), st.lists(st.integers(0, 60), max_size=6))
def test_pieces_do_not_matter(text: str, cuts: list[int]) -> None:
    data = text.encode()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for make in (KeyPresses, CommandLines):
        whole, pieces = make(), make()
        split = [event for a, b in itertools.pairwise(places) for event in pieces.feed(data[a:b])]
        assert split == whole.feed(data)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Our end and the program's end of a pseudo-terminal."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    for descriptor in (ours, theirs):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_a_terminal_gives_keys_at_once_and_is_restored(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    with Keyboard(theirs) as keyboard:
        assert keyboard.is_terminal
        assert termios.tcgetattr(theirs)[3] & (termios.ICANON | termios.ECHO) == 0
        assert termios.tcgetattr(theirs)[3] & termios.ISIG
        assert keyboard.poll() == []
        os.write(ours, b" ")
        assert keyboard.poll(5.0) == [TALK]
    assert termios.tcgetattr(theirs) == before


def test_a_terminal_is_restored_after_an_error(terminal: tuple[int, int]) -> None:
    _, theirs = terminal
    before = termios.tcgetattr(theirs)
    with pytest.raises(KeyboardInterrupt), Keyboard(theirs):
        raise KeyboardInterrupt
    assert termios.tcgetattr(theirs) == before


def test_a_terminal_that_is_closed_quits_once(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    with Keyboard(theirs) as keyboard:
        os.close(ours)
        assert keyboard.poll(5.0) == [Quit()]
        assert keyboard.poll() == []


def test_a_pipe_is_read_by_lines() -> None:
    out_end, in_end = os.pipe()
    try:
        with Keyboard(out_end) as keyboard:
            assert not keyboard.is_terminal
            os.write(in_end, b"p\nt hi\n")
            assert keyboard.poll(5.0) == [TALK, SendText("hi")]
            assert keyboard.poll() == []
            os.close(in_end)
            assert keyboard.poll(5.0) == [Quit()]
            assert keyboard.poll() == []
    finally:
        os.close(out_end)


def test_no_standard_input_at_all() -> None:
    out_end, in_end = os.pipe()
    os.close(in_end)
    os.close(out_end)
    with Keyboard(out_end) as keyboard:
        assert keyboard.poll() == [Quit()]
