"""What the memory hub and the parrot do beyond the conformance suite."""

from __future__ import annotations

import threading
import time

import pytest

from gateway.clock import ManualClock, SystemClock
from gateway.links.base import LinkInfo
from gateway.links.memory import MemoryHub, ParrotLink, memory_pair
from tests.patience import PATIENCE_S


def test_all_others_on_a_hub_hear_a_station() -> None:
    hub = MemoryHub(ManualClock())
    stations = [hub.station(name) for name in "abc"]
    for station in stations:
        station.open()
    stations[0].send(b"all")
    assert [station.receive() is not None for station in stations] == [False, True, True]


def test_waiting_lets_simulated_time_pass() -> None:
    clock = ManualClock(3.0)
    with memory_pair(clock)[0] as link:
        assert link.receive(0.25) is None
    assert clock.now() == 3.25


def test_a_packet_arrives_when_it_was_sent_not_when_it_is_read() -> None:
    clock = ManualClock(1.0)
    a, b = memory_pair(clock)
    a.open()
    b.open()
    a.send(b"x")
    clock.advance_to(9.0)
    received = b.receive()
    assert received is not None
    assert received.at_s == 1.0


def test_without_another_station_packets_are_dropped_and_counted() -> None:
    with memory_pair(ManualClock())[0] as link:
        link.send(b"anyone?")
        assert link.metrics.counter("link.tx_drop_no_peer") == 1
        assert link.metrics.counter("link.tx_packets") == 0


def test_a_receiver_that_sleeps_keeps_the_newest_packets() -> None:
    hub = MemoryHub(ManualClock(), queue_packets=3)
    a, b = hub.station("a"), hub.station("b")
    a.open()
    b.open()
    for index in range(5):
        a.send(bytes([index]))
    assert [received.data[0] for received in iter(b.receive, None)] == [2, 3, 4]
    assert b.metrics.counter("link.rx_drop_queue_full") == 2


def test_a_waiting_receiver_is_woken_by_a_packet_from_another_thread() -> None:
    a, b = memory_pair(SystemClock())
    a.open()
    b.open()
    timer = threading.Timer(0.02, a.send, [b"wake"])
    timer.start()
    begun = time.monotonic()
    received = b.receive(PATIENCE_S)
    assert received is not None
    assert time.monotonic() - begun < PATIENCE_S / 2
    timer.join()


def test_a_waiting_receiver_is_woken_by_close() -> None:
    link = memory_pair(SystemClock())[0]
    link.open()
    timer = threading.Timer(0.02, link.close)
    timer.start()
    begun = time.monotonic()
    assert link.receive(PATIENCE_S) is None
    assert time.monotonic() - begun < PATIENCE_S / 2
    timer.join()


def test_a_loopback_returns_each_packet_at_once() -> None:
    with ParrotLink(ManualClock()) as link:
        link.send(b"1")
        link.send(b"2")
        assert [received.data for received in iter(link.receive, None)] == [b"1", b"2"]


def test_a_parrot_returns_the_over_after_it_with_its_spacing() -> None:
    clock = ManualClock()
    with ParrotLink(clock, quiet_s=1.0) as link:
        for index in range(3):
            assert link.receive() is None
            link.send(bytes([index]))
            clock.sleep(0.5)
        got = [link.receive(5.0) for _ in range(3)]
        assert [received.at_s for received in got if received] == pytest.approx([2.0, 2.5, 3.0])
        assert link.receive(1.0) is None
        assert clock.now() == pytest.approx(4.0)


def test_a_parrot_in_real_time() -> None:
    with ParrotLink(SystemClock(), quiet_s=0.05) as link:
        link.send(b"polly")
        assert link.receive(0.0) is None
        received = link.receive(2.0)
        assert received is not None
        assert received.data == b"polly"


def test_a_parrot_keeps_no_more_than_its_bound() -> None:
    clock = ManualClock()
    with ParrotLink(clock, quiet_s=1.0, queue_packets=10) as link:
        for index in range(25):
            link.send(bytes([index]))
        clock.sleep(2.0)
        assert [received.data[0] for received in iter(link.receive, None)] == list(range(15, 25))
        assert link.metrics.counter("link.rx_drop_queue_full") == 15


def test_air_time() -> None:
    assert LinkInfo("x", 64, rate_bps=727, overhead_bytes=14).airtime_s(64) == pytest.approx(0.858, abs=1e-3)
    assert LinkInfo("x", 64).airtime_s(64) == 0
