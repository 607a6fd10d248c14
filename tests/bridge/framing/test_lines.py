"""Lines and JSON lines out of bytes that come cut anywhere."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.lines import MAX_LINE_BYTES, LineReader, json_object

LINE = st.binary(min_size=1, max_size=20).filter(lambda line: not set(line) & {10, 13})
PROMPT = re.compile(rb"user:[0-9]{1,4}>")


@given(st.lists(LINE, max_size=6), st.sampled_from([b"\r\n", b"\n", b"\r", b"\r\r\n\n"]), st.integers(1, 9))
def test_lines_cut_anywhere_with_any_end(lines: list[bytes], end: bytes, piece: int) -> None:
    stream = b"".join(line + end for line in lines)
    reader = LineReader()
    pieces = [stream[at : at + piece] for at in range(0, len(stream), piece)]
    assert [line for one in pieces for line in reader.receive(one)] == lines


def test_a_line_is_complete_with_its_end_only() -> None:
    reader = LineReader()
    assert reader.receive(b"half") == []
    assert reader.receive(b" a line\rnext") == [b"half a line"]


def test_a_line_without_an_end_is_dropped_at_the_limit_and_reading_goes_on() -> None:
    reader = LineReader()
    assert reader.receive(b"x" * (3 * MAX_LINE_BYTES)) == []
    assert reader.receive(b"xx\r\nnext\r\n") == [b"next"]
    assert reader.overlong_lines == 1


def test_the_longest_line_passes() -> None:
    reader = LineReader(10)
    assert reader.receive(b"0123456789\n01234567890\n") == [b"0123456789"]
    assert reader.overlong_lines == 1


def test_a_prompt_is_a_line_of_its_own_at_the_beginning_only() -> None:
    reader = LineReader(prompt=PROMPT)
    assert reader.receive(b"\r\nOK\r\n\r\nuser:12>") == [b"OK", b"user:12>"]
    assert reader.receive(b"AT\r\nsay user:1> now\r\n") == [b"AT", b"say user:1> now"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"Alert":"TxComplete"}', {"Alert": "TxComplete"}),
        (b'Popoto->{"LocalID":1}', {"LocalID": 1}),
        (b'\x1b[1m{"Info ":"x"}\x1b[0m', {"Info ": "x"}),
        (b'  { "Data" : [1, 2] } ', {"Data": [1, 2]}),
        (b'{"SNRdB":NaN}', {"SNRdB": None}),
        (b"[1]", None),
        (b"", None),
        (b"{", None),
        (b'{"a":1}{"b":2}', None),
        (b"\xff{}\xff", None),
        (b"{" * 5000, None),
        (b"[" * 100 + b"{}", None),
        (b'{"a":' + b"9" * 5000 + b"}", None),
    ],
)
def test_json_in_a_line(line: bytes, said: dict[str, object] | None) -> None:
    assert json_object(line) == said


@given(st.binary(max_size=200))
def test_nothing_raises(line: bytes) -> None:
    value = json_object(line)
    assert value is None or isinstance(value, dict)


@given(st.dictionaries(st.text(max_size=8), st.lists(st.integers(0, 255), max_size=20), max_size=3))
def test_what_is_written_is_read(value: dict[str, list[int]]) -> None:
    assert json_object(b"Popoto->" + json.dumps(value).encode()) == value
