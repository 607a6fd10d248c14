"""Message files: what is good of a damaged one is kept, and nothing in a file makes reading fail."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from gateway.messages.files import (
    HEAD_BYTES,
    LOCAL_BLOCK_BYTES,
    Stamps,
    file_bytes,
    head_bytes,
    local_head,
    name_of,
    read_file,
    record_bytes,
    whole_file,
)
from gateway.protocol.bulk_code import cut
from gateway.protocol.bulk_packets import Addressee, MessageHead

CONTENT = random.Random(2).randbytes(1000)
HEAD = local_head(0xABC, 1, Addressee.STATION, 2, 17, CONTENT)
STAMPS = Stamps(12, 3, 1_800_000_000)
FILE = whole_file(HEAD, STAMPS, CONTENT)
RECORD = 2 + LOCAL_BLOCK_BYTES + 4


def test_a_file_and_its_name() -> None:
    stored = read_file(FILE)
    assert stored is not None
    assert (stored.head, stored.stamps, stored.content) == (HEAD, STAMPS, CONTENT)
    assert (stored.held, stored.total, stored.damaged_records) == (5, 5, 0)
    assert file_bytes(HEAD) == len(FILE)
    assert name_of(HEAD) == "0001-00000abc.msg"


def test_every_truncation_keeps_the_whole_records() -> None:
    for length in range(len(FILE)):
        stored = read_file(FILE[:length])
        if length < HEAD_BYTES:
            assert stored is None
            continue
        assert stored is not None
        assert stored.held == (length - HEAD_BYTES) // RECORD
        assert stored.good_bytes == HEAD_BYTES + stored.held * RECORD
        assert stored.content is None


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_a_damaged_byte_costs_one_record_or_the_head(at: int, flip: int) -> None:
    data = bytearray(FILE)
    data[at] ^= flip
    stored = read_file(bytes(data))
    if at < HEAD_BYTES:
        assert stored is None
    else:
        assert stored is not None
        assert (stored.held, stored.damaged_records) == (4, 1)
        good = cut(HEAD, CONTENT)
        assert all(good[place] == block for place, block in stored.blocks.items())


@given(st.binary(max_size=400))
def test_random_bytes_never_raise(data: bytes) -> None:
    assert read_file(data) is None
    stored = read_file(head_bytes(HEAD, STAMPS) + data)
    assert stored is not None
    assert not stored.blocks


def test_records_of_another_message_or_place_are_not_taken() -> None:
    other = MessageHead(0xABD, 1, Addressee.STATION, 2, 17, len(CONTENT) + 4, LOCAL_BLOCK_BYTES)
    stray = record_bytes(other, (0, 0), bytes(240)) + record_bytes(HEAD, (7, 0), bytes(240))
    stored = read_file(head_bytes(HEAD, STAMPS) + stray)
    assert stored is not None
    assert (stored.held, stored.damaged_records) == (0, 2)
