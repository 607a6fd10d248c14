"""The net: who hears whom, when, and what two who talk at once do to each other."""

from __future__ import annotations

import pytest

from gateway.channel.impairments import ChannelSpec
from gateway.channel.network import Network

CLEAN = ChannelSpec("clean")
RADIO = ChannelSpec("radio", rate_bps=80, half_duplex=True)  # 0.1 s a byte
TRIO = ["a", "b", "c"]


def heard(net: Network, now_s: float) -> list[tuple[str, str, bytes]]:
    return [(arrival.source, arrival.destination, arrival.data) for arrival in net.due(now_s)]


def test_all_others_hear_a_talker() -> None:
    net = Network(CLEAN, seed=0)
    net.send("a", TRIO, b"x", 0.0)
    assert heard(net, 0.0) == [("a", "b", b"x"), ("a", "c", b"x")]
    assert net.next_due_s is None


def test_packets_come_when_they_are_due_and_in_order_of_time() -> None:
    net = Network(ChannelSpec("far", delay_ms=500), seed=0, paths={("b", "c"): ChannelSpec("near", delay_ms=100)})
    net.send("a", ["c"], b"first", 0.0)
    net.send("b", ["c"], b"second", 0.2)
    assert net.next_due_s == pytest.approx(0.3)
    assert heard(net, 0.29) == []
    assert heard(net, 0.3) == [("b", "c", b"second")]
    assert heard(net, 9.0) == [("a", "c", b"first")]


def test_each_direction_has_its_own_figures() -> None:
    net = Network(CLEAN, seed=0, paths={("a", "b"): ChannelSpec("deaf", loss=1.0)})
    net.send("a", TRIO, b"x", 0.0)
    net.send("b", TRIO, b"y", 0.0)
    assert heard(net, 0.0) == [("a", "c", b"x"), ("b", "a", b"y"), ("b", "c", b"y")]
    assert net.stats()["a", "b"].lost == 1
    assert net.stats()["b", "a"].delivered == 1


def test_a_direction_does_not_depend_on_who_else_is_there() -> None:
    spec = ChannelSpec("lossy", loss=0.5)
    alone, crowd = Network(spec, seed=7), Network(spec, seed=7)
    other = Network(spec, seed=8)
    crowd.send("z", ["y", "a"], b"noise", 0.0)
    for index in range(100):
        alone.send("a", ["b"], bytes([index]), 1.0 + index)
        crowd.send("a", ["c", "b"], bytes([index]), 1.0 + index)
        other.send("a", ["b"], bytes([index]), 1.0 + index)
    got = [arrival.data for arrival in alone.due(1e3)]
    assert got == [arrival.data for arrival in crowd.due(1e3) if arrival.destination == "b"]
    assert got != [arrival.data for arrival in other.due(1e3)]


def test_the_two_directions_of_a_pair_are_independent() -> None:
    net = Network(ChannelSpec("lossy", loss=0.5), seed=3)
    for index in range(100):
        net.send("a", ["b"], bytes([index]), float(index))
        net.send("b", ["a"], bytes([index]), float(index))
    arrivals = net.due(1e3)
    to_a, to_b = ([got.data for got in arrivals if got.destination == name] for name in "ab")
    assert to_a != to_b


def test_two_talkers_at_once_collide_at_a_third() -> None:
    net = Network(RADIO, seed=0)
    net.send("a", TRIO, bytes(10), 0.0)  # on the air 0..1
    net.send("b", TRIO, bytes(10), 0.5)  # 0.5..1.5: nobody understands either, and both were transmitting
    assert heard(net, 10.0) == []
    assert net.collisions == 4


def test_talkers_one_after_the_other_do_not_collide() -> None:
    net = Network(RADIO, seed=0)
    net.send("a", TRIO, bytes(10), 0.0)
    net.send("b", TRIO, bytes(10), 1.0)
    assert len(heard(net, 10.0)) == 4
    assert net.collisions == 0


def test_a_station_that_transmits_is_deaf() -> None:
    net = Network(RADIO, seed=0, paths={("b", "a"): ChannelSpec("mute", rate_bps=80, loss=1.0)})
    net.send("b", ["a"], bytes(30), 0.0)  # lost on the way, but b transmits until 3.0
    net.send("a", ["b"], bytes(10), 1.0)
    net.send("a", ["b"], b"later", 4.0)
    assert heard(net, 10.0) == [("a", "b", b"later")]


def test_full_duplex_never_collides() -> None:
    net = Network(ChannelSpec("wire", rate_bps=80), seed=0)
    net.send("a", TRIO, bytes(10), 0.0)
    net.send("b", TRIO, bytes(10), 0.0)
    assert len(heard(net, 10.0)) == 4


def test_what_is_past_is_forgotten() -> None:
    net = Network(RADIO, seed=0)
    for index in range(200):
        net.send("a", TRIO, bytes(5), index * 1.0)
        assert len(net.due(index + 0.6)) == 2
    assert all(len(ear.heard) + len(ear.own) < 5 for ear in net._ears.values())
