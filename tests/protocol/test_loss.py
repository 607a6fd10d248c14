"""Loss statistics: equal to counting by hand, whatever the order of packets; the figures of the channel come out."""

from __future__ import annotations

import random
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.protocol.loss import LossStatistics
from gateway.protocol.over import OverConfig, OverReceiver
from gateway.protocol.over_events import OverEnded, OverStarted
from gateway.protocol.packetizer import Packetizer
from gateway.protocol.packets import SessionBlock, VoicePacket
from gateway.protocol.report import Reception

PACKET_S = 0.48


def over(frames: int) -> list[VoicePacket]:
    sender = Packetizer(6, SessionBlock(1, 9, 1, 1), 5)
    packets = [packet for index in range(frames) if (packet := sender.push(index.to_bytes(3, "big")))]
    return [*packets, sender.finish()]


def measure(arrivals: list[tuple[float, VoicePacket]]) -> LossStatistics | None:
    receiver, statistics = OverReceiver(OverConfig(6, time_out_s=1e4, linger_s=1e4)), None
    for now_s, packet in arrivals:
        for event in receiver.receive(packet, now_s):
            if isinstance(event, OverStarted):
                assert statistics is None
                statistics = LossStatistics(event)
            elif statistics is not None:
                statistics.feed(event)
    return statistics


def by_hand(heard: list[int]) -> tuple[int, int, int, int]:
    first, last = min(heard), max(heard)
    runs = [sum(1 for _ in run) for lost, run in groupby(n not in heard for n in range(first, last + 1)) if lost]
    return last - first + 1, sum(runs), len(runs), max(runs, default=0)


def figures(reception: Reception) -> tuple[int, int, int, int]:
    return reception.expected, reception.lost, reception.bursts, reception.longest_burst


@given(st.integers(7, 500), st.randoms(use_true_random=False), st.floats(0, 0.7))
def test_equals_counting_by_hand(frames: int, rng: random.Random, loss: float) -> None:
    packets = over(frames)
    heard = [n for n in range(len(packets)) if rng.random() >= loss]
    # A run of more than eight is a leap that a second packet must confirm, which is the over receiver's business.
    if len(heard) < 2 or any(b - a > 8 for a, b in pairwise(heard)) or not heard[0] < 32:
        return
    # Neighbours may overtake each other, the first one excepted.
    order = list(heard)
    for place in range(1, len(order) - 1, 2):
        if rng.random() < 0.3:
            order[place], order[place + 1] = order[place + 1], order[place]
    times = sorted(n * PACKET_S for n in heard)
    statistics = measure([(at, packets[n]) for at, n in zip(times, order, strict=True)])
    assert statistics is not None
    assert figures(statistics.reception()) == by_hand(heard)


def test_packet_overtaken_by_the_second_one_is_counted() -> None:
    packets = over(60)
    order = [1, 0, *range(2, len(packets))]
    statistics = measure([(place * PACKET_S, packets[n]) for place, n in enumerate(order)])
    assert statistics is not None
    assert figures(statistics.reception()) == (11, 0, 0, 0)


def test_an_end_without_frames_counts_and_one_with_frames_counts_once() -> None:
    for frames, expected in ((60, 11), (63, 11), (59, 10)):
        packets = over(frames)
        statistics = measure([(n * PACKET_S, packet) for n, packet in enumerate(packets)])
        assert statistics is not None
        assert figures(statistics.reception()) == (expected, 0, 0, 0)


def test_late_ones_talker_and_signal() -> None:
    statistics = measure([(n * PACKET_S, packet) for n, packet in enumerate(over(60))])
    assert statistics is not None
    assert statistics.reception().snr_db is None
    statistics.late()
    statistics.late(2)
    for snr_db in (10.0, 14.0):
        statistics.snr(snr_db)
    reception = statistics.reception(source=7)
    assert (reception.late, reception.source, reception.snr_db, reception.over_id) == (3, 7, 12.0, 5)
    assert reception.loss == pytest.approx(3 / 11)


def test_events_of_other_overs_change_nothing() -> None:
    statistics = measure([(0.0, over(60)[0])])
    assert statistics is not None
    before = statistics.reception()
    other = OverReceiver(OverConfig(frames_per_packet=6))
    other.receive(over(6)[0], 0.0)
    other.tick(100.0)
    for n, packet in enumerate(over(60)[2:6]):
        for event in other.receive(packet, 100.0 + n):
            if not isinstance(event, OverStarted | OverEnded):
                statistics.feed(event)
    assert statistics.reception() == before


@pytest.mark.parametrize(("loss", "burst"), [(0.1, 2.0), (0.1, 8.0), (0.2, 2.0), (0.05, 1.25)])
def test_a_long_over_gives_the_figures_of_the_channel(loss: float, burst: float) -> None:
    channel = Channel(ChannelSpec("c", loss=loss, mean_burst=burst), np.random.default_rng(11))
    arrivals = []
    for n, packet in enumerate(over(6 * 20_000)):
        if channel.send(packet.to_bytes(False), n * PACKET_S):
            arrivals.append((n * PACKET_S, packet))
    statistics = measure(arrivals)
    assert statistics is not None
    reception = statistics.reception()
    assert reception.lost / reception.expected == pytest.approx(loss, rel=0.15)
    assert reception.mean_burst == pytest.approx(burst, rel=0.1)
