"""Overs: sender and receiver driven against each other through loss, delay, strangers and an hour of talking."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.over import OverConfig, OverReceiver, extend_sequence
from gateway.protocol.over_events import (
    FramesArrived,
    OverDrop,
    OverEnd,
    OverEnded,
    OverEvent,
    OverStarted,
    PacketIgnored,
    TalkerKnown,
)
from gateway.protocol.packetizer import Packetizer, carries_session
from gateway.protocol.packets import SessionBlock, VoicePacket

SEQUENCE = json.loads((Path(__file__).parents[1] / "golden" / "air_sequence.json").read_text())
ALICE, BOB = SessionBlock(1, 9, 1, 1), SessionBlock(2, 9, 1, 1)
PACKET_S = 0.48


def code(index: int) -> bytes:
    return index.to_bytes(3, "big")


def over(frames: int, talker: SessionBlock = ALICE, over_id: int = 5, per_packet: int = 6) -> list[VoicePacket]:
    sender = Packetizer(per_packet, talker, over_id)
    packets = [packet for index in range(frames) if (packet := sender.push(code(index)))]
    return [*packets, sender.finish()]


def receiver() -> OverReceiver:
    return OverReceiver(OverConfig(frames_per_packet=6))


def heard(events: list[OverEvent]) -> dict[int, bytes]:
    got: dict[int, bytes] = {}
    for event in events:
        if isinstance(event, FramesArrived):
            for place, frame in enumerate(event.frames, event.first_frame_index):
                assert place not in got
                got[place] = frame
    return got


def kinds(events: tuple[OverEvent, ...]) -> list[type]:
    return [type(event) for event in events]


@pytest.mark.parametrize("vector", SEQUENCE)
def test_golden_sequence_extension(vector: dict[str, Any]) -> None:
    got = extend_sequence(int(vector["wire"]), vector["last"], vector["expected_from_time"])
    assert got == vector["extended"]


@given(st.integers(0, 10**6), st.floats(-31.4, 31.4))
def test_extension_is_right_while_the_error_is_below_half_a_round(true: int, error: float) -> None:
    assert extend_sequence(true % 64, 0, max(0.0, true + error)) == true or true + error < 0


def test_rules_that_make_no_sense_are_refused() -> None:
    bad: dict[str, Any]
    for bad in ({"frames_per_packet": 0}, {"frames_per_packet": 6, "hold_s": 0.0}):
        with pytest.raises(LocalProtocolError):
            OverConfig(**bad)


def test_a_whole_over() -> None:
    rx = receiver()
    events: list[OverEvent] = []
    for place, packet in enumerate(over(20)):
        events += rx.receive(packet, place * PACKET_S)
    assert events[:2] == [OverStarted(1, 5, 0, 6, late_entry=False), TalkerKnown(1, ALICE)]
    assert heard(events) == {k: code(k) for k in range(20)}
    assert events[-1] == OverEnded(1, OverEnd.FLAGGED, 20)
    assert sum(isinstance(event, TalkerKnown) for event in events) == 1
    counters = rx.counters()
    assert (counters.overs, counters.packets, counters.lost, dict(counters.ignored)) == (1, 4, 0, {})


@given(
    frames=st.integers(1, 300),
    fates=st.lists(st.tuples(st.booleans(), st.integers(1, 2), st.floats(0, 2.0)), min_size=60, max_size=60),
)
def test_any_loss_repeat_and_reordering_places_frames_right(frames: int, fates: list[tuple[bool, int, float]]) -> None:
    """Up to 2 s of jitter, and loss of anything but the first packet, never puts a frame at a wrong index."""
    arrivals = [
        (place * PACKET_S + delay_s * (place > 0) + copy * 0.01, place, packet)
        for place, (packet, (lost, copies, delay_s)) in enumerate(zip(over(frames), fates, strict=False))
        if not lost or place == 0
        for copy in range(copies)
    ]
    rx = OverReceiver(OverConfig(6, time_out_s=60, hold_s=50, linger_s=5))
    events: list[OverEvent] = []
    for at_s, _, packet in sorted(arrivals, key=lambda arrival: arrival[:2]):
        events += rx.receive(packet, at_s)
    got = heard(events)
    assert all(frame == code(index) for index, frame in got.items())
    sent = {place for _, place, _ in arrivals}
    refused = sum(isinstance(e, PacketIgnored) and e.reason is not OverDrop.DUPLICATE for e in events)
    assert rx.counters().packets >= len(sent) - refused
    assert sum(isinstance(event, OverStarted) for event in events) == 1


@pytest.mark.parametrize("joined", [1, 2, 3, 11, 12, 63, 64, 70])
def test_late_entry_plays_at_once_and_learns_the_talker_in_time(joined: int) -> None:
    rx, packets = receiver(), over(6 * 100)
    first = rx.receive(packets[joined], 0.0)
    assert isinstance(first[0], OverStarted)
    assert first[0].late_entry == (joined % 64 != 0)
    assert heard(list(first)) == {
        (joined % 64) * 6 + k: code(joined * 6 + k) for k in range(6)
    }  # the round of numbers is not known
    waited = 0
    events = list(first)
    while not any(isinstance(event, TalkerKnown) for event in events):
        waited += 1
        events += rx.receive(packets[joined + waited], waited * PACKET_S)
    assert waited == next(k for k in range(12) if carries_session(joined + k))
    indices = sorted(heard(events))
    assert indices == list(range(indices[0], indices[0] + 6 * (waited + 1)))


def test_an_hour_long_over_with_losses_keeps_its_place() -> None:
    rx, rng, lost = receiver(), random.Random(1), 0
    got: dict[int, bytes] = {}
    packets = over(45_000)
    for place, packet in enumerate(packets):
        if 0 < place < len(packets) - 1 and rng.random() < 0.1:
            lost += 1
            continue
        got |= heard(list(rx.receive(packet, place * PACKET_S * 1.0002 + rng.uniform(0, 0.4))))
    assert all(frame == code(index) for index, frame in got.items())
    assert len(got) == 45_000 - 6 * lost
    assert rx.counters().lost == lost
    assert rx.counters().overs == 1


@pytest.mark.parametrize("per_packet", [2, 6, 12])
def test_a_30_second_outage_within_the_time_out_keeps_its_place(per_packet: int) -> None:
    """At 160 ms packets the 6-bit numbers go round three times in it: the clock tells which round it is."""
    rx = OverReceiver(OverConfig(per_packet, time_out_s=40))
    packet_s = per_packet * 0.08
    got: dict[int, bytes] = {}
    packets = over(1000, per_packet=per_packet)
    gone = range(5, 5 + round(30 / packet_s))
    for place, packet in enumerate(packets):
        if place not in gone:
            got |= heard(list(rx.receive(packet, place * packet_s)))
    assert got == {k: code(k) for k in range(1000) if k // per_packet not in gone}
    assert rx.counters().lost == len(gone)


def test_a_30_second_outage_beyond_the_time_out_is_a_new_entry() -> None:
    rx, packets = receiver(), over(600)
    rx.receive(packets[0], 0.0)
    assert rx.tick(5.0) == ()
    assert rx.tick(5.01) == (OverEnded(1, OverEnd.TIMED_OUT, 6),)
    assert rx.tick(6.0) == ()
    assert kinds(rx.receive(packets[63], 30.0)) == [OverStarted, FramesArrived]


def test_lost_end_times_out_even_without_ticks() -> None:
    rx = receiver()
    rx.receive(over(12)[0], 0.0)
    events = rx.receive(over(12, BOB, over_id=9)[0], 100.0)
    assert kinds(events) == [OverEnded, OverStarted, TalkerKnown, FramesArrived]


def test_duplicates_and_old_packets_are_counted() -> None:
    rx, packets = receiver(), over(6 * 60)
    rx.receive(packets[0], 0.0)
    assert rx.receive(packets[0], 0.1) == (PacketIgnored(OverDrop.DUPLICATE, 5, 0),)
    for place in range(2, 31):
        rx.receive(packets[place], place * PACKET_S)
    assert kinds(rx.receive(packets[1], 30.5 * PACKET_S)) == [FramesArrived]  # whether it is still of use, jitter says
    assert rx.counters().lost == 0
    for place in range(31, 40):
        rx.receive(packets[place], place * PACKET_S)
    # More than half a round behind looks like the next round, where one packet alone is not believed.
    assert rx.receive(packets[1], 39.5 * PACKET_S) == (PacketIgnored(OverDrop.LEAP, 5, 1),)
    assert kinds(rx.receive(packets[40], 40 * PACKET_S)) == [FramesArrived]
    assert dict(rx.counters().ignored) == {OverDrop.DUPLICATE: 1, OverDrop.LEAP: 1}


def test_a_packet_from_before_the_first_one_heard_and_number_zero_is_late() -> None:
    rx, packets = receiver(), over(6 * 70)
    rx.receive(packets[64], 0.0)
    assert rx.receive(packets[63], 0.1) == (PacketIgnored(OverDrop.LATE, 5, 63),)
    assert kinds(rx.receive(packets[65], 0.5)) == [FramesArrived]


def test_the_end_may_overtake_the_packets_before_it() -> None:
    rx, packets = receiver(), over(20)
    rx.receive(packets[0], 0.0)
    assert kinds(rx.receive(packets[3], 0.5)) == [FramesArrived, OverEnded]
    assert heard(list(rx.receive(packets[1], 0.6))) == {k: code(k) for k in range(6, 12)}
    assert kinds(rx.receive(packets[3], 0.7)) == [PacketIgnored]
    assert kinds(rx.receive(VoicePacket(5, 4, False, (b"abc",) * 6), 0.8)) == [PacketIgnored]
    assert dict(rx.counters().ignored) == {OverDrop.DUPLICATE: 1, OverDrop.ENDED: 1}


def test_a_second_talker_waits_until_the_first_has_gone_quiet() -> None:
    rx, alice, bob = receiver(), over(60), over(60, BOB, over_id=7)
    rx.receive(alice[0], 0.0)
    assert rx.receive(bob[0], 0.2) == (PacketIgnored(OverDrop.OTHER_OVER, 7, 0),)
    rx.receive(alice[1], 0.48)
    assert kinds(rx.receive(bob[5], 2.4)) == [PacketIgnored]
    events = rx.receive(bob[6], 2.88)
    assert events[:2] == (OverEnded(1, OverEnd.REPLACED, 12), OverStarted(2, 7, 36, 6, late_entry=True))


def test_after_a_flagged_end_the_next_over_starts_at_once() -> None:
    rx = receiver()
    for place, packet in enumerate(over(8)):
        rx.receive(packet, place * 0.1)
    events = rx.receive(over(8, BOB, over_id=7)[0], 0.3)
    assert kinds(events) == [OverStarted, TalkerKnown, FramesArrived]


def test_the_same_talkers_next_over_replaces_one_whose_end_was_lost() -> None:
    rx = receiver()
    rx.receive(over(60)[0], 0.0)
    events = rx.receive(over(60, over_id=6)[0], 0.3)
    assert kinds(events) == [OverEnded, OverStarted, TalkerKnown, FramesArrived]


def test_a_stranger_with_the_same_over_id_is_told_by_source_and_by_packet_length() -> None:
    rx, alice = receiver(), over(60)
    rx.receive(alice[0], 0.0)
    assert rx.receive(over(60, BOB)[2], 0.1) == (PacketIgnored(OverDrop.OTHER_TALKER, 5, 2),)
    assert rx.receive(over(60, per_packet=4)[1], 0.2) == (PacketIgnored(OverDrop.LENGTH, 5, 1),)
    too_long = VoicePacket(5, 3, True, (b"abc",) * 7)
    assert rx.receive(too_long, 0.3) == (PacketIgnored(OverDrop.LENGTH, 5, 3),)
    assert kinds(rx.receive(alice[1], 0.48)) == [FramesArrived]


def test_the_packet_length_is_learnt_and_the_profile_serves_until_then() -> None:
    rx = receiver()
    assert rx.receive(over(60, per_packet=4)[3], 0.0)[0] == OverStarted(1, 5, 12, 4, late_entry=True)
    rx = receiver()
    events = rx.receive(VoicePacket(5, 3, True, (b"abc",) * 2), 0.0)
    assert events[1:] == (FramesArrived(1, 18, (b"abc",) * 2), OverEnded(1, OverEnd.FLAGGED, 20))


def test_the_empty_end_of_an_over_never_heard_starts_nothing() -> None:
    rx = receiver()
    assert kinds(rx.receive(VoicePacket(5, 9, True, ()), 0.0)) == [PacketIgnored]
    assert rx.counters().overs == 0


def test_one_stray_packet_far_ahead_does_not_move_the_over() -> None:
    rx, packets = receiver(), over(600)
    rx.receive(packets[0], 0.0)
    assert rx.receive(packets[20], 0.4) == (PacketIgnored(OverDrop.LEAP, 5, 20),)
    assert heard(list(rx.receive(packets[1], 0.48))) == {k: code(k) for k in range(6, 12)}
    assert kinds(rx.receive(packets[30], 0.96)) == [PacketIgnored]
    assert kinds(rx.receive(packets[31], 1.0)) == [FramesArrived]  # two in a row: it did leap


packets = st.builds(
    VoicePacket,
    over_id=st.integers(0, 2),
    sequence=st.integers(0, 63),
    end_of_over=st.booleans(),
    frames=st.integers(1, 7).map(lambda count: (b"abc",) * count),
    session=st.none() | st.sampled_from([ALICE, BOB]),
)


@given(st.lists(st.tuples(packets, st.floats(0, 40)), max_size=60))
def test_any_packets_at_any_times_keep_events_in_order(arrivals: list[tuple[VoicePacket, float]]) -> None:
    rx, now_s, current, ended = receiver(), 0.0, 0, True
    for packet, step_s in arrivals:
        now_s += step_s * step_s / 100
        for event in rx.receive(packet, now_s):
            if isinstance(event, OverStarted):
                assert ended
                assert event.over == current + 1
                current, ended = event.over, False
            elif isinstance(event, OverEnded):
                assert (event.over, ended) == (current, False)
                ended = True
            elif isinstance(event, FramesArrived):
                assert event.over == current
                assert event.first_frame_index >= 0
    counters = rx.counters()
    assert counters.packets + sum(counters.ignored.values()) == len(arrivals)
    assert counters.lost >= 0


def test_a_straggler_behind_a_lone_end_teaches_the_length() -> None:
    rx = receiver()
    rx.receive(VoicePacket(5, 3, True, (b"abc",) * 2), 0.0)
    assert rx.receive(VoicePacket(5, 2, False, (b"abc",) * 4), 0.1) == (FramesArrived(1, 8, (b"abc",) * 4),)
