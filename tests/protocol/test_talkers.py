"""Several talkers at one receiver: no frame of one ever lands in the over of another, and the number is theirs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.over import OverConfig, OverReceiver
from gateway.protocol.over_events import FramesArrived, OverDrop, OverStarted, PacketIgnored
from gateway.protocol.packetizer import Packetizer
from gateway.protocol.packets import SessionBlock, VoicePacket

PACKET_S = 0.48


def over(talker: int, packets: int, over_id: int) -> list[VoicePacket]:
    """Every frame says who spoke it and when."""
    sender = Packetizer(6, SessionBlock(talker, 9, 1, 1), over_id)
    sent = [p for k in range(6 * packets) if (p := sender.push(bytes((talker, k >> 8, k & 0xFF))))]
    return [*sent, sender.finish()]


def receive(arrivals: list[tuple[float, VoicePacket]]) -> tuple[list[set[int]], list[OverDrop]]:
    """Who was heard in each over, in order of overs, and what was ignored; frames must be at their places."""
    receiver = OverReceiver(OverConfig(frames_per_packet=6))
    heard: dict[int, set[int]] = {}
    ignored = []
    for now_s, packet in sorted(arrivals, key=lambda item: item[0]):
        for event in receiver.receive(packet, now_s):
            if isinstance(event, OverStarted):
                heard[event.over] = set()
            elif isinstance(event, FramesArrived):
                for place, frame in enumerate(event.frames, event.first_frame_index):
                    heard[event.over].add(frame[0])
                    assert place % 65536 == frame[1] << 8 | frame[2] or place < 64 * 6
            elif isinstance(event, PacketIgnored):
                ignored.append(event.reason)
    return list(heard.values()), ignored


def arrivals(
    packets: list[VoicePacket], begin_s: float, lost: set[int], jitter_s: list[float]
) -> list[tuple[float, VoicePacket]]:
    return [
        (begin_s + n * PACKET_S + jitter_s[n % len(jitter_s)], packet)
        for n, packet in enumerate(packets)
        if n not in lost
    ]


jitters = st.lists(st.floats(0, 0.2), min_size=1, max_size=8)


@given(
    ids=st.lists(st.integers(0, 31), min_size=2, max_size=4, unique=True),
    begins=st.lists(st.floats(0, 40), min_size=4, max_size=4),
    losses=st.lists(st.sets(st.integers(0, 60), max_size=30), min_size=4, max_size=4),
    jitter=jitters,
)
def test_talkers_with_ids_of_their_own_never_mix(
    ids: list[int], begins: list[float], losses: list[set[int]], jitter: list[float]
) -> None:
    air = []
    for talker, over_id in enumerate(ids, 1):
        air += arrivals(over(talker, 60, over_id), begins[talker - 1], losses[talker - 1], jitter)
    overs, _ = receive(air)
    assert all(len(talkers) <= 1 for talkers in overs)


@given(
    behind=st.integers(3, 61),
    losses=st.tuples(st.sets(st.integers(3, 90), max_size=40), st.sets(st.integers(1, 90), max_size=40)),
    jitter=jitters,
)
def test_talkers_with_the_same_id_are_told_apart_once_the_second_names_itself(
    behind: int, losses: tuple[set[int], set[int]], jitter: list[float]
) -> None:
    """The rare case: two stations chose the same id and do not hear each other. The second one's first packet comes."""
    first = arrivals(over(1, 90, 7), 0.0, losses[0], jitter)
    second = arrivals(over(2, 90, 7), behind * PACKET_S, losses[1], jitter)
    gone = [b - a for a, b in pairwise(sorted(at for at, _ in first))]
    if max(gone) > 1.9:
        return  # silent for so long, the first one has lost the receiver, as 7.4 has it
    overs, ignored = receive([item for item in first + second if item[0] < 89 * PACKET_S])
    assert overs[0] == {1}
    assert OverDrop.OTHER_TALKER in ignored


def test_numbers_too_close_to_tell_are_left_out() -> None:
    receiver = OverReceiver(OverConfig(frames_per_packet=6))
    alice, bob = over(1, 30, 7), over(2, 30, 7)
    for n in range(4):
        receiver.receive(alice[n], n * PACKET_S)
    receiver.receive(bob[2], 3.4 * PACKET_S)  # bob began almost with alice, one packet behind
    events = receiver.receive(bob[3], 4.4 * PACKET_S)
    assert [type(event) for event in events] == [PacketIgnored]
    assert receiver.receive(bob[4], 4.5 * PACKET_S)[0] == PacketIgnored(OverDrop.OTHER_TALKER, 7, 4)


@pytest.mark.parametrize("joined", range(25))
def test_a_late_listener_hears_at_once_and_knows_the_talker_within_twelve_packets(joined: int) -> None:
    """Clause 4.3, without loss, for every place in two rounds of the session block."""
    receiver = OverReceiver(OverConfig(frames_per_packet=6))
    names = []
    for n, packet in enumerate(over(1, 60, 3)[joined:]):
        events = receiver.receive(packet, n * PACKET_S)
        if n == 0:
            assert any(isinstance(event, FramesArrived) for event in events)
        names += [n + 1 for event in events if type(event).__name__ == "TalkerKnown"]
    assert len(names) == 1
    assert names[0] <= 12
