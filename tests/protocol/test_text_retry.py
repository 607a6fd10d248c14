"""Acknowledged short texts: repeated until acknowledged, a bounded number of times, never after receivers forget."""

from __future__ import annotations

import itertools
import random

from gateway.protocol.messages import split_text
from gateway.protocol.packets import AckPacket, TextPacket
from gateway.protocol.text_retry import TRIES, TextFate, TextRetry

PARTS = split_text("one two three", source=1, group=0, message_id=9, ack_wanted=True, max_bytes=5)


def ack(part: int, message_id: int = 9) -> AckPacket:
    return AckPacket(2, 1, message_id, part)


def test_parts_without_an_acknowledgement_go_again() -> None:
    retry = TextRetry(2.0, random.Random(1))
    retry.start(PARTS, 0.0)
    assert retry.next(1.9) is None
    assert retry.on_ack(ack(0)) is None
    assert retry.on_ack(ack(0)) is None
    assert retry.on_ack(ack(1, message_id=8)) is None
    assert retry.next(6.1) == PARTS[1]
    assert retry.next(6.1) == PARTS[2]
    assert retry.next(6.1) is None
    assert retry.on_ack(ack(2)) is None
    assert retry.on_ack(ack(1)) == TextFate(9, acknowledged=True)
    assert retry.next(1000.0) is None


def test_it_gives_up_and_never_waits_longer_than_receivers_remember() -> None:
    for wait_s in (0.5, 2.0, 100.0):
        retry = TextRetry(wait_s, random.Random(2))
        retry.start(PARTS[:1], 0.0)
        times, now_s, step = [], 0.0, None
        while not isinstance(step, TextFate):
            step = retry.next(now_s)
            if isinstance(step, TextPacket):
                times.append(now_s)
            now_s += 0.1
            assert now_s < 1000
        assert step == TextFate(9, acknowledged=False)
        assert len(times) == TRIES - 1
        assert all(later - earlier < 50 for earlier, later in itertools.pairwise(times))
