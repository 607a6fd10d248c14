"""Recovery: whatever is lost, however it is shuffled, what comes out is what was sent, and enough of it comes out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.blocks import BlockReceiver
from gateway.protocol.frames import PartialFrame, first_bits
from gateway.protocol.over import OverConfig
from gateway.protocol.over_events import FramesArrived, OverEnded, OverEvent, OverStarted
from gateway.protocol.packetizer import Packetizer
from gateway.protocol.packets import ParityPacket, SessionBlock, VoicePacket
from gateway.protocol.parse import parse
from gateway.protocol.protection import Protection, ProtectionKind, protector
from gateway.protocol.recovery import VoiceReceiver

PER_PACKET = 3
PACKET_S = PER_PACKET * 0.08
STAGE_ONE = Protection(ProtectionKind.STAGE_ONE_REPEAT, distance=2)
PAYLOAD = Protection(ProtectionKind.PAYLOAD_REPEAT, distance=2)
BLOCKS = Protection(ProtectionKind.REED_SOLOMON, n=6, k=4)
INTERLEAVED = Protection(ProtectionKind.REED_SOLOMON, n=5, k=3, depth=2)
ALL = [STAGE_ONE, Protection(ProtectionKind.TWO_BYTE_REPEAT, distance=3), PAYLOAD, BLOCKS, INTERLEAVED]

Sent = VoicePacket | ParityPacket


def speech(count: int, seed: int = 1) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(3) for _ in range(count)]


def over(frames: list[bytes], protection: Protection, over_id: int = 7) -> list[Sent]:
    packetizer = Packetizer(PER_PACKET, SessionBlock(9, 1, 1, 1), over_id)
    guard = protector(protection)
    voice = [packet for frame in frames if (packet := packetizer.push(frame)) is not None]
    return [sent for packet in (*voice, packetizer.finish()) for sent in guard.push(packet)]


def receive(packets: list[Sent], receiver: VoiceReceiver | None = None) -> list[OverEvent]:
    ears = VoiceReceiver(OverConfig(PER_PACKET)) if receiver is None else receiver
    events: list[OverEvent] = []
    for place, packet in enumerate(packets):
        arrived = parse(packet.to_bytes(crc=False), crc=False)
        assert isinstance(arrived, VoicePacket | ParityPacket)
        events += ears.receive(arrived, place * 0.1)
    return events


def known(events: list[OverEvent], frames: list[bytes]) -> dict[int, int]:
    """Bits known of each frame; every one of them is checked."""
    bits: dict[int, int] = {}
    for event in events:
        if isinstance(event, FramesArrived):
            for index, frame in enumerate(event.frames, event.first_frame_index):
                if isinstance(frame, PartialFrame):
                    assert frame.data == first_bits(frames[index], frame.known_bits)
                    bits[index] = max(bits.get(index, 0), frame.known_bits)
                else:
                    assert frame == frames[index]
                    bits[index] = 24
    return bits


@pytest.mark.parametrize("protection", ALL, ids=lambda p: p.name)
@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 70), data=st.data())
def test_any_losses_and_any_small_disorder(protection: Protection, count: int, data: st.DataObject) -> None:
    frames = speech(count)
    sent = over(frames, protection)
    kept = [packet for packet in sent if data.draw(st.integers(0, 3))]
    if data.draw(st.booleans()):
        rng = random.Random(data.draw(st.integers(0, 99)))
        kept = [packet for _, packet in sorted(enumerate(kept), key=lambda item: item[0] + 4 * rng.random())]
    events = receive(kept)
    known(events, frames)
    ends = [event for event in events if isinstance(event, OverEnded)]
    assert len(ends) <= 1
    for end in ends:
        assert end.end_frame_index == count


@pytest.mark.parametrize("protection", ALL, ids=lambda p: p.name)
def test_without_loss_nothing_is_recovered_or_wrong(protection: Protection) -> None:
    frames = speech(40)
    receiver = VoiceReceiver(OverConfig(PER_PACKET))
    events = receive(over(frames, protection), receiver)
    assert known(events, frames) == dict.fromkeys(range(40), 24)
    assert not any(isinstance(event, FramesArrived) and event.recovered for event in events)
    assert receiver.counters().recovered == receiver.counters().lost == 0


@pytest.mark.parametrize("count", [2, 9, 16, 17, 18])
@pytest.mark.parametrize("protection", ALL, ids=lambda p: p.name)
def test_any_one_packet_may_be_lost(protection: Protection, count: int) -> None:
    frames = speech(count)
    sent = over(frames, protection)
    partial = {ProtectionKind.STAGE_ONE_REPEAT: 12, ProtectionKind.TWO_BYTE_REPEAT: 16}.get(protection.kind, 24)
    for lost in range(len(sent)):
        bits = known(receive(sent[:lost] + sent[lost + 1 :]), frames)
        assert set(bits) == set(range(count)), lost
        assert min(bits.values()) >= partial


def test_one_packet_and_an_empty_end_need_the_packet_for_blocks_but_not_for_repeats() -> None:
    """Parity starts no over (12.2.5), and an empty end does not either (7.2)."""
    frames = speech(3)
    assert known(receive(over(frames, BLOCKS)[1:]), frames) == {}
    assert known(receive(over(frames, Protection(ProtectionKind.PAYLOAD_REPEAT, distance=1))[1:]), frames) == {
        0: 24,
        1: 24,
        2: 24,
    }


def test_a_whole_frame_that_comes_late_is_told_after_its_coarse_one() -> None:
    frames = speech(12)
    sent = over(frames, STAGE_ONE)
    events = receive([sent[0], sent[2], sent[3], sent[1]])
    arrived = [event for event in events if isinstance(event, FramesArrived) and event.first_frame_index == 3]
    assert [event.recovered for event in arrived] == [True, False]


def test_a_burst_as_long_as_the_distance_is_survived_and_one_longer_is_not() -> None:
    frames = speech(36)
    sent = over(frames, PAYLOAD)
    assert len(known(receive(sent[:4] + sent[6:]), frames)) == 36
    assert len(known(receive(sent[:4] + sent[7:]), frames)) == 33


@pytest.mark.parametrize("lost", [(0, 3), (1, 2), (2, 4), (4, 5), (0, 5)])
def test_a_block_survives_as_many_losses_as_it_has_parity(lost: tuple[int, int]) -> None:
    frames = speech(12)
    sent = over(frames, BLOCKS)
    assert [isinstance(packet, ParityPacket) for packet in sent[:6]] == [False] * 4 + [True] * 2
    receiver = VoiceReceiver(OverConfig(PER_PACKET))
    receive([sent[1]] if lost[0] == 0 else [sent[0]], receiver)
    kept = [packet for place, packet in enumerate(sent) if place not in lost]
    assert len(known(receive(kept), frames)) == 12
    assert len(known(receive([packet for packet in kept if packet is not sent[1 if lost[0] != 1 else 3]]), frames)) < 12


def test_a_lost_end_comes_back_with_its_length() -> None:
    frames = speech(11)  # three whole packets and two frames
    sent = over(frames, BLOCKS)
    assert isinstance(sent[3], VoicePacket)
    assert sent[3].end_of_over
    events = receive(sent[:3] + sent[4:])
    assert [event.end_frame_index for event in events if isinstance(event, OverEnded)] == [11]
    assert len(known(events, frames)) == 11


def test_what_is_recovered_still_counts_as_lost() -> None:
    frames = speech(30)
    receiver = VoiceReceiver(OverConfig(PER_PACKET))
    sent = over(frames, PAYLOAD)
    receive(sent[:3] + sent[4:], receiver)
    assert receiver.counters().lost == 1
    assert receiver.counters().recovered == 1


def test_parity_and_late_copies_start_no_over() -> None:
    frames = speech(12)
    sent = over(frames, BLOCKS)
    parity = [packet for packet in sent if isinstance(packet, ParityPacket)]
    assert receive([*parity]) == []
    receiver = VoiceReceiver(OverConfig(PER_PACKET))
    tail = over(frames, PAYLOAD)
    receive(tail[:-1], receiver)
    assert receiver.tick(2.0 + 0.1 * len(tail)) == ()
    end = tail[-1]
    assert isinstance(end, VoicePacket)
    late = VoiceReceiver(OverConfig(PER_PACKET))
    for place, packet in enumerate(tail):
        late.receive(packet, place * 0.1)
    for later in range(1, 6):  # copies that come 1.5 s apart on a slow link are still of the over that ended
        events = late.receive(end, 0.1 * len(tail) + 1.5 * later)
        assert not any(isinstance(event, OverStarted) for event in events)


def test_the_first_packets_are_recovered_by_a_listener_who_missed_them() -> None:
    frames = speech(30)
    sent = over(frames, PAYLOAD)
    events = receive(sent[2:])
    started = next(event for event in events if isinstance(event, OverStarted))
    assert started.late_entry
    assert len(known(events, frames)) == 30


def test_packets_of_different_overs_are_not_mixed() -> None:
    mine, other = speech(12, 1), speech(12, 2)
    a, b = over(mine, BLOCKS, 7), over(other, BLOCKS, 8)
    blocks = BlockReceiver()
    for packet in (a[0], b[1], a[2], b[3]):
        assert isinstance(packet, VoicePacket)
        assert blocks.on_voice(packet, 0.0) == ()
    for first, second in ((a[4], b[4]), (a[5], b[5])):
        assert isinstance(first, ParityPacket)
        assert isinstance(second, ParityPacket)
        found = blocks.on_parity(first, 0.0) + blocks.on_parity(second, 0.0)
    sent = {
        (packet.over_id, packet.sequence): packet.frames for packet in a[:4] + b[:4] if isinstance(packet, VoicePacket)
    }
    assert {(p.over_id, p.sequence): p.frames for p in found} == {
        key: sent[key] for key in ((7, 1), (7, 3), (8, 0), (8, 2))
    }


def test_a_number_used_again_is_another_packet() -> None:
    """After 64 packets numbers repeat: an old packet must not help to calculate a new one."""
    frames = speech(3 * 72)
    sent = over(frames, BLOCKS)
    receiver = VoiceReceiver(OverConfig(PER_PACKET, time_out_s=100.0, hold_s=100.0))
    now_s = 0.0
    events: list[OverEvent] = []
    number = -1
    for packet in sent:
        if isinstance(packet, VoicePacket):
            number += 1
            now_s += PACKET_S
        if 4 <= number < 64 or (isinstance(packet, VoicePacket) and number in (65, 67)):
            continue
        events += receiver.receive(packet, now_s)
    bits = known(events, frames)
    assert set(range(3 * 65, 3 * 66)) <= set(bits)
    assert set(range(3 * 67, 3 * 68)) <= set(bits)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            ParityPacket,
            over_id=st.integers(0, 1),
            first=st.integers(0, 63),
            members=st.integers(2, 16),
            depth=st.integers(1, 16),
            parities=st.just(16),
            row=st.integers(0, 15),
            last_frames=st.none() | st.integers(0, 1),
            data=st.binary(min_size=3, max_size=3),
        )
        | st.builds(
            VoicePacket,
            over_id=st.integers(0, 1),
            sequence=st.integers(0, 63),
            end_of_over=st.booleans(),
            frames=st.lists(st.binary(min_size=3, max_size=3), min_size=1, max_size=2).map(tuple),
        ),
        max_size=60,
    )
)
def test_packets_that_do_not_belong_together_harm_nothing(packets: list[Sent]) -> None:
    receiver = VoiceReceiver(OverConfig(1))
    for packet in packets:
        receiver.receive(packet, 0.0)


def test_a_flood_of_parity_is_bounded() -> None:
    blocks = BlockReceiver()
    for number in range(5000):
        blocks.on_parity(ParityPacket(number % 32, number % 64, 2 + number % 15, 1, 4, 0, None, bytes(3)), 0.0)
    held = sum(len(state.blocks) for state in blocks._overs.values())
    assert held <= 64
