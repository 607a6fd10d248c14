"""The net: who hears whom, when, and what two who talk at once do to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channel.impairments import ChannelSpec, ChannelStats
from gateway.channel.network import MAX_CHANGES, Network
from gateway.channel.selection import select

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


# --- changed while in use ---


def lossy(loss: float) -> Callable[[ChannelSpec], ChannelSpec]:
    return lambda spec: replace(spec, loss=loss)


def test_a_change_holds_for_paths_in_use_and_those_to_come() -> None:
    net = Network(CLEAN, seed=0, paths={("c", "a"): ChannelSpec("other", delay_ms=100)})
    net.send("a", TRIO, b"1", 0.0)
    assert net.change(select("a>b"), lossy(1.0), ["loss"], 1.0) == 1
    assert net.change(select("*>a"), lossy(1.0), ["loss"], 1.0) == 0
    net.send("a", TRIO, b"2", 1.0)
    net.send("b", TRIO, b"3", 1.0)
    net.send("c", TRIO, b"4", 1.0)
    got = [(source, to, data) for source, to, data in heard(net, 9.0) if data != b"1"]
    assert got == [("a", "c", b"2"), ("b", "c", b"3"), ("c", "b", b"4")]
    assert net.figures(("c", "a"), 9.0).channel == "other"


def test_the_latest_of_several_changes_counts_and_they_do_not_pile_up() -> None:
    net = Network(CLEAN, seed=0)
    for _ in range(3000):
        net.change(select("*"), lossy(1.0), ["loss"], 0.0)
    net.change(select("a>b"), lossy(0.0), ["loss"], 0.0)
    net.change(select("a>c"), lossy(0.0), ["loss"], 0.0)
    net.change(select("a>c"), lossy(1.0), ["loss"], 0.0)
    net.send("a", TRIO, b"x", 0.0)
    assert heard(net, 0.0) == [("a", "b", b"x")]
    for index in range(MAX_CHANGES - 3):
        net.change(select(f"a>n{index}"), lossy(1.0), ["loss"], 0.0)
    with pytest.raises(ValueError, match="1000 different changes"):
        net.change(select("a>one more"), lossy(1.0), ["loss"], 0.0)


def test_a_change_that_does_not_fit_one_path_changes_none() -> None:
    net = Network(RADIO, seed=0, paths={("b", "a"): ChannelSpec("wire")})
    net.send("a", TRIO, b"x", 0.0)
    with pytest.raises(ValueError, match="b>a: queue_bytes: needs rate_bps"):
        net.change(select("*"), lambda spec: replace(spec, queue_bytes=100), ["queue_bytes"], 1.0)
    assert net._ways["a", "b"].channel.spec is RADIO
    assert net.change(select("a>*"), lambda spec: replace(spec, queue_bytes=100), ["queue_bytes"], 1.0) == 2


def test_a_cut_loses_what_is_under_way_and_all_after_it_until_it_is_restored() -> None:
    net = Network(ChannelSpec("far", delay_ms=1000), seed=0)
    net.send("a", TRIO, b"under way", 0.0)
    assert net.cut(select("a>b")) == 1
    net.send("a", TRIO, b"cut", 0.5)
    assert net.restore(select("a<>b")) == 1
    net.send("a", TRIO, b"again", 0.7)
    assert [got for got in heard(net, 9.0) if got[1] == "b"] == [("a", "b", b"again")]
    stats = net.stats()["a", "b"]
    assert (stats.sent, stats.delivered, stats.cut_lost, stats.bytes_delivered) == (3, 1, 2, 5)
    assert net.stats()["a", "c"].delivered == 3


def test_a_cut_holds_for_paths_to_come() -> None:
    net = Network(CLEAN, seed=0)
    net.cut(select("a"))
    net.restore(select("a>c"))
    net.send("a", TRIO, b"x", 0.0)
    assert heard(net, 0.0) == [("a", "c", b"x")]
    net.restore(select("*"))
    net.send("b", TRIO, b"y", 0.0)
    assert heard(net, 0.0) == [("b", "a", b"y"), ("b", "c", b"y")]


def test_counting_anew_leaves_what_happens_alone() -> None:
    spec = ChannelSpec("lossy", loss=0.3, jitter_ms=20, duplicate=0.2, delay_ms=500)
    plain, watched = Network(spec, seed=5), Network(spec, seed=5)
    got: tuple[list[object], list[object]] = ([], [])
    for index in range(200):
        now_s = index * 0.1
        for net, heard_here in zip((plain, watched), got, strict=True):
            net.send("a", TRIO, bytes([index]), now_s)
            heard_here += net.due(now_s)
        if index % 7 == 0:
            watched.reset(select("*"))
            watched.figures(("a", "b"), now_s)
            watched.busiest(1)
        watched.prepare("b", f"n{index}")
    assert got[0] == got[1]
    assert watched.stats()["a", "b"].sent == 3
    assert len(watched.figures(("a", "b"), 20.0).delays_s) <= 3
    watched.reset(select("*"))
    watched.cut(select("*"))  # of packets that are no longer counted
    assert watched.stats()["a", "b"] == ChannelStats()
    assert watched.due(1e3) == []


@given(st.lists(st.sampled_from(["send", "cut", "restore", "reset", "due"]), max_size=40))
def test_every_packet_is_accounted_for(steps: list[str]) -> None:
    spec = ChannelSpec("mixed", loss=0.3, duplicate=0.4, delay_ms=700, rate_bps=2000, queue_bytes=60, mtu_bytes=30)
    net, now_s = Network(spec, seed=2), 0.0
    net.send("a", ["b"], bytes(40), 0.0)
    for step in steps:
        now_s += 0.1
        if step == "send":
            net.send("a", ["b"], bytes(20), now_s)
        elif step == "due":
            net.due(now_s)
        else:
            getattr(net, step)(select("*"))
        stats = net.stats()["a", "b"]
        fates = stats.delivered + stats.lost + stats.cut_lost + stats.queue_drops + stats.oversize
        assert stats.sent == fates
        assert min(stats.delivered, stats.cut_lost, stats.duplicated, stats.bytes_delivered) >= 0


def test_collisions_are_told_by_path() -> None:
    net = Network(RADIO, seed=0)
    net.send("a", ["c"], bytes(10), 0.0)
    net.send("b", ["c"], bytes(10), 0.5)
    net.due(9.0)
    assert [net.figures((name, "c"), 9.0).collided for name in "ab"] == [1, 1]
    assert net.figures(("b", "c"), 1.0).queue_s == pytest.approx(0.5)


def test_the_busiest_paths() -> None:
    net = Network(CLEAN, seed=0)
    for times, name in enumerate("abc"):
        for _ in range(times):
            net.send(name, ["z"], b"x", 0.0)
    assert net.busiest(1) == [("c", "z")]
    net.send("b", ["z"], b"x", 0.0)
    assert net.busiest(5) == [("b", "z")]
    assert net.busiest(5) == []
