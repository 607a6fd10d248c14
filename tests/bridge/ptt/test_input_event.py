from __future__ import annotations

import re
import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ptt.input_event import EVENT_BYTES, KEY_CODES, KeyFollower, keys_in

HEADER = Path("/usr/include/linux/input-event-codes.h")


def event(kind: int, code: int, value: int) -> bytes:
    return struct.pack("@llHHi", 1_700_000_000, 123_456, kind, code, value)


SYN = event(0, 0, 0)
DROPPED = event(0, 3, 0)


def key(code: int, value: int) -> bytes:
    return event(4, 4, 458_756) + event(1, code, value) + SYN  # as a USB keyboard sends it, scan code first


def test_one_key_is_followed_and_repeats_are_nothing_new() -> None:
    k = KeyFollower(48)
    assert k.feed(key(48, 1)) == [True]
    assert k.feed(key(48, 2) + key(48, 2)) == []
    assert k.feed(key(30, 1) + key(30, 0)) == [], "another key"
    assert k.feed(key(48, 0)) == [False]
    assert k.feed(key(48, 1) + key(48, 0) + key(48, 1)) == [True, False, True]


def test_any_key_is_down_while_one_is() -> None:
    k = KeyFollower(None)
    assert k.feed(key(48, 1) + key(30, 1) + key(48, 0)) == [True]
    assert k.feed(key(30, 0)) == [False]


def test_after_dropped_events_the_kernel_is_asked() -> None:
    k = KeyFollower(48)
    k.feed(key(48, 1) + DROPPED)
    assert k.needs_state
    assert k.set_down({30}) is False
    assert not k.needs_state
    assert k.set_down({30, 48}) is True


def test_bits_of_keys() -> None:
    assert keys_in(b"") == set()
    assert keys_in(bytes([0b10, 0, 0b1])) == {1, 16}


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_cut_anywhere_give_the_same_states(data: bytes, cuts: list[int]) -> None:
    whole, parts = KeyFollower(None), KeyFollower(None)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut <= len(data))})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    expected = whole.feed(data)
    assert [state for piece in pieces for state in parts.feed(piece)] == expected
    assert expected == [n % 2 == 0 for n in range(len(expected))]
    assert whole.needs_state is parts.needs_state


@given(st.lists(st.tuples(st.sampled_from([30, 48]), st.sampled_from([0, 1, 2])), max_size=20))
def test_byte_by_byte(presses: list[tuple[int, int]]) -> None:
    data = b"".join(key(code, value) for code, value in presses)
    whole, single = KeyFollower(48), KeyFollower(48)
    assert [s for n in range(len(data)) for s in single.feed(data[n : n + 1])] == whole.feed(data)
    assert len(data) % EVENT_BYTES == 0


@pytest.mark.skipif(not HEADER.is_file(), reason="no kernel headers (apt install linux-libc-dev)")
def test_names_are_the_kernels() -> None:
    text = HEADER.read_text()
    for name, code in KEY_CODES.items():
        found = re.search(rf"^#define {name}\s+(0x[0-9a-f]+|\d+)", text, re.MULTILINE)
        assert found is not None, name
        assert int(found[1], 0) == code, name
