"""The receiver, alone and against the sender over any channel that in the end lets something through."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.protocol.bulk_code import cut, layout_of, parity
from gateway.protocol.bulk_packets import (
    KIND_BLOCK,
    KIND_STATUS,
    Addressee,
    MessageBlock,
    MessageHead,
    MessageOffer,
    MessageStatus,
    StatusState,
    Wanted,
    parse_message,
)
from gateway.protocol.bulk_receive import (
    MAX_OPEN,
    MAX_STASHED,
    Arrived,
    BlockHeld,
    BulkReceiver,
    Cleared,
    Opened,
    ReceiveConfig,
)
from gateway.protocol.bulk_send import Outgoing, Progress, SendState, SendTiming, Wait
from gateway.protocol.packets import MessagePacket
from gateway.protocol.parse import Dropped

CONTENT = bytes(range(225))


def head_of(
    content: bytes = CONTENT, to: Addressee = Addressee.STATION, destination: int = 2, number: int = 7, size: int = 9
) -> MessageHead:
    return MessageHead(number, 1, to, destination, 17, len(content) + 4, size)


def receiver(room: int = 40, seed: int = 1) -> BulkReceiver:
    return BulkReceiver(
        ReceiveConfig(2, 4, 1.0, room, takes=lambda kind: kind < 20, max_content_bytes=5000), random.Random(seed)
    )


def answer(there: BulkReceiver, head: MessageHead, now_s: float = 0.0) -> MessageStatus:
    there.on_offer(MessageOffer(head, answer_wanted=True), now_s)
    status = there.next(now_s)
    assert isinstance(status, MessageStatus)
    return status


def blocks_of(head: MessageHead, content: bytes = CONTENT) -> list[MessageBlock]:
    return [MessageBlock(head.message_id, *place, data) for place, data in cut(head, content).items()]


def test_it_speaks_only_when_asked() -> None:
    there, head = receiver(), head_of()
    assert there.on_offer(MessageOffer(head, answer_wanted=False), 0.0) == [Opened(head)]
    for block in blocks_of(head):
        there.on_block(block)
    assert there.next(100.0) is None


def test_what_is_missing_and_the_rest_are_asked_for() -> None:
    there, head = receiver(), head_of()
    assert answer(there, head).wanted == (Wanted(0, (0,), onwards=True),)
    blocks = blocks_of(head)
    for index in (0, 1, 4, 6):
        assert there.on_block(blocks[index]) == [BlockHeld(head, (0, index), blocks[index].data)]
    assert answer(there, head).wanted == (Wanted(0, (2, 3, 5)), Wanted(0, (7,), onwards=True))
    assert there.progress(head.key) == Progress(4, 26)


def test_parity_counts_as_blocks_that_need_not_be_asked_for() -> None:
    there, head = receiver(), head_of()
    answer(there, head)
    data = cut(head, CONTENT)
    for index in range(2, 26):
        there.on_block(MessageBlock(7, 0, index, data[0, index]))
    there.on_block(MessageBlock(7, 0, 26 + 31, parity(list(data.values()))[31]))
    assert answer(there, head).wanted == (Wanted(0, (0,)),)
    there.on_block(MessageBlock(7, 0, 26, parity(list(data.values()))[0]))
    # Until it is put together and stored there is no answer.
    there.on_offer(MessageOffer(head, answer_wanted=True), 5.0)
    assert there.next(6.0) == Wait(6.0)
    assert there.work() == []
    assert there.work() == [Arrived(head, CONTENT)]
    assert there.next(7.0) == Wait(7.0)
    there.finish(head.key)
    status = there.next(7.0)
    assert isinstance(status, MessageStatus)
    assert status.state is StatusState.COMPLETE
    assert there.work() == []


def test_copies_and_strangers_are_of_no_use() -> None:
    there, head = receiver(), head_of()
    answer(there, head)
    block = blocks_of(head)[0]
    there.on_block(block)
    for other in (
        block,
        MessageBlock(7, 0, 1, bytes(10)),
        MessageBlock(7, 3, 0, bytes(9)),
        MessageBlock(7, 0, 90, bytes(9)),
    ):
        assert there.on_block(other) == []
    assert there.ignored == 4


def test_blocks_before_the_offer_are_kept_for_a_while() -> None:
    there, head = receiver(), head_of()
    blocks = blocks_of(head)
    for block in blocks:
        assert there.on_block(block) == []
    events = there.on_offer(MessageOffer(head, answer_wanted=False), 0.0)
    assert events[0] == Opened(head)
    assert len(events) == 27
    assert there.work() == [Arrived(head, CONTENT)]
    for number in range(3 * MAX_STASHED):  # strangers' blocks do not pile up
        there.on_block(MessageBlock(99, 0, number % 254, bytes(4 + number // 254)))
    assert there.progress((1, 99)) is None


def test_only_messages_for_this_station_and_its_groups_are_taken() -> None:
    there = receiver()
    for head in (
        head_of(destination=3),
        head_of(to=Addressee.GROUP, destination=5),
        MessageHead(7, 2, Addressee.GROUP, 4, 17, 50, 9),  # one's own, heard back
    ):
        assert there.on_offer(MessageOffer(head, answer_wanted=True), 0.0) == []
        assert there.next(100.0) is None
    for number, group in ((1, 0), (2, 4)):
        head = head_of(to=Addressee.GROUP, destination=group, number=number)
        assert there.on_offer(MessageOffer(head, answer_wanted=True), 0.0) == [Opened(head)]


def test_members_of_a_group_answer_in_different_slots() -> None:
    due = set()
    for seed in range(40):
        there = receiver(seed=seed)
        there.on_offer(MessageOffer(head_of(to=Addressee.GROUP, destination=4), answer_wanted=True), 10.0)
        step = there.next(10.0)
        due.add(step.until_s if isinstance(step, Wait) else 10.0)
    assert due == {10.0, 11.0, 12.0, 13.0}


def test_what_cannot_be_used_is_refused() -> None:
    there = receiver()
    other_codec = MessageHead(1, 1, Addressee.STATION, 2, 33, 229, 9)
    assert answer(there, other_codec).state is StatusState.REFUSED_TYPE
    too_long = MessageHead(2, 1, Addressee.STATION, 2, 17, 5005, 9)
    assert answer(there, too_long).state is StatusState.REFUSED_SIZE
    there.finish((1, 3), StatusState.REFUSED_UNWANTED)
    assert answer(there, head_of(number=3)).state is StatusState.REFUSED_UNWANTED


def test_a_message_without_room_waits_and_begins_anew() -> None:
    there, head = receiver(), head_of()
    there.on_offer(MessageOffer(head, answer_wanted=True), 0.0)
    there.pause(head.key)
    status = there.next(0.0)
    assert isinstance(status, MessageStatus)
    assert status.state is StatusState.PAUSED
    blocks = blocks_of(head)
    assert there.on_offer(MessageOffer(head, answer_wanted=True), 9.0) == [Opened(head)]
    there.restore(head, {(0, 0): blocks[0].data, (0, 77): b"not of this message", (4, 4): blocks[0].data})
    assert there.progress(head.key) == Progress(1, 26)


def test_a_sender_that_cuts_otherwise_now_starts_over() -> None:
    there, head = receiver(), head_of()
    answer(there, head)
    there.on_block(blocks_of(head)[0])
    recut = head_of(size=12)
    assert there.on_offer(MessageOffer(recut, answer_wanted=False), 0.0) == [Opened(recut)]
    assert there.progress(head.key) == Progress(0, 20)


def test_blocks_that_make_no_message_are_dropped_and_asked_for_again() -> None:
    there, head = receiver(), head_of()
    answer(there, head)
    for block in blocks_of(head)[:-1]:
        there.on_block(block)
    there.on_block(MessageBlock(7, 0, 25, b"wrong----"))
    assert there.work() == [Cleared(head)]
    assert answer(there, head).wanted == (Wanted(0, (0,), onwards=True),)


def test_memory_is_bounded() -> None:
    there = receiver()
    for number in range(3 * MAX_OPEN):
        there.on_offer(MessageOffer(head_of(number=number), answer_wanted=False), 0.0)
    known = [number for number in range(3 * MAX_OPEN) if there.progress((1, number)) is not None]
    assert known == list(range(2 * MAX_OPEN, 3 * MAX_OPEN))


def carry(content: bytes, size: int, seed: int, loss: float, copies: float, shuffle: float, room: int) -> int:
    """Both ends over a channel in which packets are lost, doubled and put in another order; returns packets sent."""
    rng = random.Random(seed)
    head = head_of(content, size=size)
    sender = Outgoing(head, content, SendTiming(10.0, 100.0, 1e6), rng, 0.0)
    there = receiver(room, seed)
    forth: list[bytes] = []
    arrived: list[bytes] = []
    now_s, sent = 0.0, 0

    def pass_on(data: bytes, way: list[bytes]) -> None:
        if rng.random() >= loss:
            way.append(data)
            if rng.random() < copies:
                way.append(data)
            if rng.random() < shuffle:
                rng.shuffle(way)

    while sender.state is SendState.SENDING:
        now_s += 0.5
        step = sender.next(now_s)
        if step is not None and not isinstance(step, Wait):
            sent += 1
            pass_on(step.packet().body, forth)
        elif isinstance(step, Wait) and not forth:
            now_s = step.until_s
        # Some packets are held back for a while.
        while forth and rng.random() < 0.8:
            heard = parse_message(MessagePacket(KIND_BLOCK, forth.pop(0)))
            assert not isinstance(heard, Dropped | MessageStatus)
            events = there.on_offer(heard, now_s) if isinstance(heard, MessageOffer) else there.on_block(heard)
            for event in [*events, *there.work()]:
                if isinstance(event, Arrived):
                    arrived.append(event.content)
                    there.finish(event.head.key)
        back: list[bytes] = []
        while isinstance(status := there.next(now_s), MessageStatus):
            assert len(status.packet().to_bytes(False)) <= room
            pass_on(status.packet().body, back)
        for body in back:
            told = parse_message(MessagePacket(KIND_STATUS, body))
            assert isinstance(told, MessageStatus)
            sender.on_status(told, now_s)
        assert sent < 200_000
    assert sender.state is SendState.DELIVERED
    assert arrived == [content]
    return sent


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    content=st.binary(min_size=1, max_size=3000),
    size=st.integers(4, 60),
    seed=st.integers(0, 1 << 30),
    loss=st.floats(0, 0.7),
    copies=st.floats(0, 0.5),
    shuffle=st.floats(0, 0.5),
    room=st.sampled_from([16, 18, 40]),
)
def test_whatever_the_channel_does_the_message_arrives_once_and_exactly(
    content: bytes, size: int, seed: int, loss: float, copies: float, shuffle: float, room: int
) -> None:
    carry(content, size, seed, loss, copies, shuffle, room)


def test_few_more_packets_than_needed_are_sent() -> None:
    content = random.Random(1).randbytes(900)
    blocks = layout_of(head_of(content)).total
    assert carry(content, 9, 1, 0.0, 0.0, 0.0, 40) <= blocks * 1.25 + 5
    lossy = sum(carry(content, 9, seed, 0.3, 0.0, 0.0, 40) for seed in range(10)) / 10
    assert lossy <= blocks / 0.7 * 1.35 + 15


def test_the_longest_message_is_put_together_in_small_steps() -> None:
    content = random.Random(4).randbytes(65_531)
    head = MessageHead(7, 1, Addressee.STATION, 2, 17, 65_535, 60)
    there = BulkReceiver(ReceiveConfig(2, 4, 1.0, 40, takes=lambda kind: True), random.Random(1))
    answer(there, head)
    data = cut(head, content)
    counts = layout_of(head).data_blocks
    assert len(counts) == 12
    for generation, count in enumerate(counts):
        blocks = [data[generation, index] for index in range(count)]
        for index in range(5, count):
            there.on_block(MessageBlock(7, generation, index, blocks[index]))
        code = parity(blocks)
        for extra in (0, 7, 14, 21, 28):
            there.on_block(MessageBlock(7, generation, count + extra, code[extra]))
    steps = 0
    while not (events := there.work()):
        steps += 1
    assert events == [Arrived(head, content)]
    assert steps == 12 * 4  # 60 byte places, 16 at a time
