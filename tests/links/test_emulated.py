"""A channel around a link: what is due when, in simulated and in real time."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from gateway.channel.impairments import ChannelSpec
from gateway.clock import Clock, ManualClock, SystemClock
from gateway.errors import LocalProtocolError
from gateway.links.base import Link
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import MemoryLink, memory_pair


def pair(spec: ChannelSpec, clock: Clock, seed: int = 1) -> tuple[EmulatedLink, Link]:
    """An emulated sender and a plain receiver, open."""
    a, b = memory_pair(clock)
    sender = EmulatedLink(a, spec, np.random.default_rng(seed), clock)
    sender.open()
    b.open()
    return sender, b


def test_pump_delivers_what_is_due_and_tells_what_is_next() -> None:
    clock = ManualClock(10.0)
    sender, receiver = pair(ChannelSpec("far", delay_ms=300), clock)
    sender.send(b"1")
    clock.sleep(0.1)
    sender.send(b"2")
    assert sender.pump() == pytest.approx(10.3)
    assert receiver.receive() is None
    clock.advance_to(10.3)
    assert sender.pump() == pytest.approx(10.4)
    received = receiver.receive()
    assert received is not None
    assert (received.data, received.at_s) == (b"1", 10.3)
    clock.advance_to(11.0)
    assert sender.pump() is None


def test_waiting_to_receive_delivers_on_time() -> None:
    clock = ManualClock()
    sender, receiver = pair(ChannelSpec("far", delay_ms=70), clock)
    sender.send(b"x")
    assert sender.receive(1.0) is None
    assert clock.now() == pytest.approx(1.0)
    received = receiver.receive()
    assert received is not None
    assert received.at_s == pytest.approx(0.07)


def test_waiting_in_real_time_delivers_on_time() -> None:
    sender, receiver = pair(ChannelSpec("near", delay_ms=30), SystemClock())
    begun = time.monotonic()
    sender.send(b"x")
    assert sender.receive(0.1) is None
    received = receiver.receive()
    assert received is not None
    assert 0.03 <= received.at_s - begun < 1.0


def test_time_reached_in_odd_steps_still_ends_the_wait() -> None:
    clock = ManualClock(0.1)
    sender, receiver = pair(ChannelSpec("odd", delay_ms=100.1, jitter_ms=33.3), clock)
    for _ in range(200):
        sender.send(b"x")
        assert sender.receive(0.7) is None
    sender.receive(5.0)
    assert sum(1 for _ in iter(receiver.receive, None)) == 200


def test_the_same_seed_loses_the_same_packets() -> None:
    def arrived(seed: int) -> list[bytes]:
        clock = ManualClock()
        sender, receiver = pair(ChannelSpec("lossy", loss=0.3, bit_error_rate=0.05), clock, seed)
        for index in range(100):
            sender.send(bytes([index, 0, 0]))
        return [received.data for received in iter(receiver.receive, None)]

    assert arrived(4) == arrived(4)
    assert arrived(4) != arrived(5)


def test_info_tells_the_tighter_of_link_and_channel() -> None:
    clock = ManualClock()
    spec = ChannelSpec(
        "narrow", rate_bps=300, mtu_bytes=64, overhead_bytes=4, half_duplex=True, turnaround_ms=50, bit_error_rate=0.01
    )
    sender, receiver = pair(spec, clock)
    info = sender.info
    assert info.name == "memory:a+narrow"
    assert (info.rate_bps, info.mtu_bytes, info.overhead_bytes) == (300, 64, 4)
    assert (info.half_duplex, info.turnaround_s, info.has_integrity) == (True, 0.05, False)
    assert info.airtime_s(64) == pytest.approx(68 * 8 / 300)
    assert receiver.info.has_integrity
    assert sender.info is info, "put together once"
    with pytest.raises(LocalProtocolError, match="MTU 64"):
        sender.send(bytes(65))


def test_info_follows_what_the_link_below_learns() -> None:
    sender, _ = pair(ChannelSpec("narrow", rate_bps=300), ManualClock())
    below = sender._inner
    assert isinstance(below, MemoryLink)
    mtu_bytes = sender.info.mtu_bytes
    below._info = replace(below.info, mtu_bytes=mtu_bytes - 9)
    assert sender.info.mtu_bytes == mtu_bytes - 9


def test_a_half_duplex_station_is_deaf_while_it_transmits() -> None:
    clock = ManualClock()
    sender, other = pair(ChannelSpec("radio", rate_bps=80, half_duplex=True), clock)
    sender.send(bytes(10))  # a second
    assert not sender.ready()
    clock.sleep(0.5)
    other.send(b"unheard")
    assert sender.receive(0.2) is None
    assert sender.metrics.counter("channel.rx_drop_transmitting") == 1
    clock.sleep(1.0)
    assert sender.ready()
    other.send(b"heard")
    received = sender.receive(0.1)
    assert received is not None
    assert received.data == b"heard"


def test_figures_are_counted_beside_the_links_own() -> None:
    sender, _ = pair(ChannelSpec("dead", loss=1.0), ManualClock())
    sender.send(b"x")
    assert sender.stats.lost == 1
    figures = sender.metrics.snapshot()
    assert (figures["channel.lost"], figures["channel.tx_packets"]) == (1, 1)
    assert "link.tx_packets" not in figures


def test_closing_drops_what_is_under_way() -> None:
    clock = ManualClock()
    sender, receiver = pair(ChannelSpec("far", delay_ms=100), clock)
    sender.send(b"x")
    sender.close()
    sender.open()
    clock.sleep(1.0)
    assert sender.pump() is None
    assert receiver.receive() is None
