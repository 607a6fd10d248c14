"""The sender by itself: what it asks, when it gives up, and that it sends exactly what was asked for."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from gateway.protocol.bulk_code import cut, parity
from gateway.protocol.bulk_packets import (
    Addressee,
    MessageBlock,
    MessageHead,
    MessageOffer,
    MessageStatus,
    StatusState,
    Wanted,
)
from gateway.protocol.bulk_send import OFFER_EVERY, Outgoing, Progress, SendState, SendTiming, Wait

CONTENT = bytes(range(225))
TIMING = SendTiming(answer_wait_s=10.0, backoff_cap_s=300.0, give_up_s=3600.0, parity_share=0.25)
EVERYTHING = (Wanted(0, (0,), onwards=True),)


def outgoing(to: Addressee = Addressee.STATION, content: bytes = CONTENT, share: float = 0.25) -> Outgoing:
    head = MessageHead(7, 1, to, 2, 17, len(content) + 4, 9)
    timing = SendTiming(10.0, 300.0, 3600.0, share)
    return Outgoing(head, content, timing, random.Random(3), 0.0)


def wants(*wanted: Wanted, source: int = 2) -> MessageStatus:
    return MessageStatus(7, source, StatusState.WANTING, wanted)


def drain(sender: Outgoing, now_s: float) -> list[MessageBlock | MessageOffer]:
    """All packets until it asks, the question last."""
    sent: list[MessageBlock | MessageOffer] = []
    while isinstance(packet := sender.next(now_s), MessageBlock | MessageOffer):
        sent.append(packet)
        if isinstance(packet, MessageOffer) and packet.answer_wanted:
            break
    return sent


def test_it_asks_first_and_sends_nothing_into_the_void() -> None:
    sender = outgoing()
    assert sender.next(0.0) == MessageOffer(sender.head, answer_wanted=True)
    assert sender.awaits_answer
    assert sender.next(5.0) == Wait(10.0)
    assert isinstance(sender.next(10.0), Wait)
    assert not sender.awaits_answer


def test_questions_come_quickly_at_first_then_ever_more_rarely_until_it_gives_up() -> None:
    sender, now_s, asked = outgoing(), 0.0, []
    while (step := sender.next(now_s)) is not None:
        if isinstance(step, MessageOffer):
            asked.append(now_s)
        else:
            assert isinstance(step, Wait)
            assert step.until_s > now_s
            now_s = step.until_s
        assert now_s < 10_000
    assert sender.state is SendState.GIVEN_UP
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert all(gap <= 15 for gap in gaps[:2])
    assert all(gap <= 10 + 300 for gap in gaps)
    assert max(gaps) > 150
    assert 3600 <= now_s <= 3600 + 320
    assert sender.next(now_s) is None


def test_everything_wanted_is_every_block_with_its_share_of_parity() -> None:
    sender = outgoing()
    drain(sender, 0.0)
    sender.on_status(wants(*EVERYTHING), 4.0)
    sent = drain(sender, 4.0)
    blocks = [packet for packet in sent if isinstance(packet, MessageBlock)]
    assert [block.index for block in blocks[:26]] == list(range(26))
    assert [block.data for block in blocks[:26]] == list(cut(sender.head, CONTENT).values())
    extra = blocks[26:]
    assert len(extra) == math.ceil(26 / 4)
    code = parity(list(cut(sender.head, CONTENT).values()))
    assert all(block.data == code[block.index - 26] for block in extra)
    assert sent[-1] == MessageOffer(sender.head, answer_wanted=True)


def test_exactly_what_is_missing_is_sent_again() -> None:
    sender = outgoing(share=0.0)
    drain(sender, 0.0)
    sender.on_status(wants(Wanted(0, (3, 9)), Wanted(0, (24,), onwards=True)), 4.0)
    assert [p.index for p in drain(sender, 4.0) if isinstance(p, MessageBlock)] == [3, 9, 24, 25]
    assert sender.progress == Progress(22, 26)


def test_places_that_the_message_does_not_have_are_passed_over() -> None:
    sender = outgoing(share=0.0)
    drain(sender, 0.0)
    sender.on_status(wants(Wanted(9, (3,)), Wanted(0, (5, 254)), Wanted(3, (0,), onwards=True)), 4.0)
    assert [p.index for p in drain(sender, 4.0) if isinstance(p, MessageBlock)] == [5]


def test_a_late_copy_of_an_answer_doubles_nothing() -> None:
    sender = outgoing(share=0.0)
    drain(sender, 0.0)
    sender.on_status(wants(*EVERYTHING), 4.0)
    for _ in range(5):
        sender.next(5.0)
        sender.on_status(wants(*EVERYTHING), 5.0)
    assert sum(isinstance(p, MessageBlock) for p in drain(sender, 6.0)) == 21


def test_delivered_refused_paused() -> None:
    sender = outgoing()
    drain(sender, 0.0)
    sender.on_status(MessageStatus(7, 3, StatusState.COMPLETE), 1.0)  # not whom it is for
    sender.on_status(MessageStatus(8, 2, StatusState.COMPLETE), 1.0)  # not this message
    assert sender.state is SendState.SENDING
    sender.on_status(MessageStatus(7, 2, StatusState.COMPLETE), 1.0)
    assert (sender.state, sender.progress, sender.next(2.0)) == (SendState.DELIVERED, Progress(26, 26), None)

    sender = outgoing()
    drain(sender, 0.0)
    sender.on_status(MessageStatus(7, 2, StatusState.REFUSED_SIZE), 1.0)
    assert (sender.state, sender.refusal, sender.next(2.0)) == (SendState.REFUSED, StatusState.REFUSED_SIZE, None)

    sender = outgoing()
    drain(sender, 0.0)
    sender.on_status(MessageStatus(7, 2, StatusState.PAUSED), 1.0)
    step = sender.next(1.0)
    assert isinstance(step, Wait)
    assert 150 <= step.until_s - 1.0 <= 300
    assert isinstance(sender.next(step.until_s), MessageOffer)


def test_silence_is_counted_from_the_last_block_however_long_all_took() -> None:
    sender = outgoing()
    drain(sender, 0.0)
    sender.on_status(wants(*EVERYTHING), 1.0)
    now_s = 1.0
    while not isinstance(sender.next(now_s), MessageOffer):
        now_s += 1000.0  # a very slow link
    assert isinstance(sender.next(now_s + 10), Wait)
    assert sender.state is SendState.SENDING


def test_members_of_a_group_are_served_together() -> None:
    sender = outgoing(Addressee.GROUP, share=0.0)
    drain(sender, 0.0)
    sender.on_status(wants(Wanted(0, (1, 2)), source=2), 2.0)
    sender.on_status(wants(Wanted(0, (7, 8)), source=3), 4.0)
    sender.on_status(MessageStatus(7, 4, StatusState.COMPLETE), 5.0)
    assert sender.next(6.0) == Wait(10.0)  # others may still answer
    blocks = [p for p in drain(sender, 10.0) if isinstance(p, MessageBlock)]
    assert len(blocks) == 2  # two parity blocks help both
    assert all(block.index >= 26 for block in blocks)
    for now_s in (20.0, 40.0):
        sender.on_status(MessageStatus(7, 4, StatusState.COMPLETE), now_s)
        sender.on_status(MessageStatus(7, 3, StatusState.COMPLETE), now_s)
        assert sender.state is SendState.SENDING
        sender.next(now_s + 11)
        if sender.state is SendState.SENDING:
            drain(sender, now_s + 11)
    assert sender.state is SendState.DELIVERED
    assert sender.confirmed == {3, 4}


def test_a_group_that_asks_for_the_same_gets_that() -> None:
    sender = outgoing(Addressee.GROUP, share=0.0)
    drain(sender, 0.0)
    for source in (2, 3):
        sender.on_status(wants(*EVERYTHING, source=source), 2.0)
    sent = drain(sender, 10.0)
    blocks = [p for p in sent if isinstance(p, MessageBlock)]
    assert [block.index for block in blocks] == list(range(26))
    # Offers in between let late listeners keep what they hear.
    assert [n for n, p in enumerate(sent) if isinstance(p, MessageOffer)] == [OFFER_EVERY, len(sent) - 1]


@pytest.mark.parametrize("state", [StatusState.PAUSED, StatusState.REFUSED_TYPE])
def test_one_member_that_cannot_take_it_does_not_stop_a_group(state: StatusState) -> None:
    sender = outgoing(Addressee.GROUP)
    drain(sender, 0.0)
    sender.on_status(MessageStatus(7, 3, state), 1.0)
    sender.next(11.0)
    assert sender.state is SendState.SENDING
