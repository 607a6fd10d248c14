"""Blocks of a message: golden vectors, any k of a generation give it back, damage is never taken for a message."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.bulk_code import (
    MAX_DATA_BLOCKS,
    PARITY_BLOCKS,
    Place,
    cut,
    join,
    layout_of,
    parity,
    pieces,
    restore,
)
from gateway.protocol.bulk_packets import Addressee, MessageHead

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "air_messages.json").read_text(encoding="utf-8"))


def head_for(content: bytes, block_bytes: int, message_id: int = 5) -> MessageHead:
    return MessageHead(message_id, 1, Addressee.STATION, 2, 17, len(content) + 4, block_bytes)


def all_blocks(head: MessageHead, content: bytes) -> dict[Place, bytes]:
    blocks = dict(cut(head, content))
    for generation, count in enumerate(layout_of(head).data_blocks):
        for n, data in enumerate(parity([blocks[generation, index] for index in range(count)])):
            blocks[generation, count + n] = data
    return blocks


@pytest.mark.parametrize("vector", GOLDEN["messages"], ids=lambda v: str(v["name"]))
def test_golden_messages(vector: dict[str, Any]) -> None:
    head = MessageHead(**{**vector["head"], "addressee": Addressee(vector["head"]["addressee"])})
    content = bytes.fromhex(vector["content"])
    data = cut(head, content)
    assert list(layout_of(head).data_blocks) == vector["data_blocks"]
    assert [block.hex() for block in data.values()] == vector["data"]
    everything = all_blocks(head, content)
    for generation, expected in enumerate(vector["first_parity"]):
        count = vector["data_blocks"][generation]
        assert [everything[generation, count + n].hex() for n in range(3)] == expected
    assert join(head, data) == content


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=1500), st.integers(4, 30), st.randoms(use_true_random=False))
def test_any_k_blocks_of_each_generation_are_enough(content: bytes, size: int, rng: random.Random) -> None:
    head = head_for(content, size)
    blocks = all_blocks(head, content)
    held: dict[Place, bytes] = {}
    for generation, count in enumerate(layout_of(head).data_blocks):
        own = [place for place in blocks if place[0] == generation]
        held |= {place: blocks[place] for place in rng.sample(own, count)}
    assert join(head, held) == content
    assert len(held) == layout_of(head).total
    del held[rng.choice(sorted(held))]
    assert join(head, held) is None


@pytest.mark.parametrize("size", [2, 4, 95, 96, 97, 191, 192, 193, 65_531])
def test_generations_are_few_and_equal(size: int) -> None:
    counts = layout_of(head_for(bytes(size * 4 - 4 if size < 1000 else size), 4)).data_blocks
    assert max(counts) <= MAX_DATA_BLOCKS
    assert max(counts) - min(counts) <= 1
    assert list(counts) == sorted(counts, reverse=True)
    assert len(counts) <= 256


def test_a_wrong_block_does_not_make_a_message() -> None:
    content = bytes(range(200))
    head = head_for(content, 9)
    blocks = cut(head, content)
    blocks[0, 3] = bytes(9)
    assert join(head, blocks) is None
    del blocks[0, 4]
    everything = all_blocks(head, content)
    blocks |= {place: data for place, data in everything.items() if place[1] >= 25}
    assert join(head, blocks) is None


def test_blocks_of_another_message_do_not_fit() -> None:
    content = bytes(100)
    blocks = cut(head_for(content, 9, message_id=6), content)
    assert join(head_for(content, 9, message_id=5), blocks) is None


def test_too_few_blocks_restore_nothing() -> None:
    data = [bytes([n] * 5) for n in range(60)]
    code = [*data, *parity(data)]
    held = {n: code[n] for n in range(PARITY_BLOCKS + 1, 92)}
    assert restore(60, held) is None
    held[0] = code[0]
    assert restore(60, held) == data


def test_what_is_here_of_a_part_can_be_heard() -> None:
    content = bytes(range(120))
    head = head_for(content, 9)
    blocks = dict(cut(head, content))
    del blocks[0, 2]  # bytes 18 to 26
    frames = pieces(head, blocks, 3)
    assert len(frames) == 40
    assert [n for n, frame in enumerate(frames) if frame is None] == [6, 7, 8]
    assert all(frame in (None, content[3 * n : 3 * n + 3]) for n, frame in enumerate(frames))
    # A parity block makes the generation whole, the missing data block with it.
    assert None not in pieces(head, blocks | {(0, 14): all_blocks(head, content)[0, 14]}, 3)
    assert pieces(head, {}, 3) == [None] * 40
