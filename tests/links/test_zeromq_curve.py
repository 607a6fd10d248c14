"""CURVE over real sockets: who is on the list gets through, nobody else does, and the counters tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import zmq

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import ChannelProcessConfig
from gateway.errors import LinkError
from gateway.links.curve import Curve
from gateway.links.router import ask
from gateway.links.sockets import curve_keypair
from gateway.links.zeromq import ZeromqChannelLink, ZeromqPeersLink
from tests.links.air import PATIENCE_S, channel, free_endpoint, hear, wait_until

A, B, C = (curve_keypair() for _ in range(3))
CLEAN = ChannelSpec("clean")


def curve(own: tuple[str, str], *servers: tuple[str, str], allowed: tuple[tuple[str, str], ...] = ()) -> Curve:
    return Curve(*own, tuple(public for public, _ in servers), frozenset(public for public, _ in allowed))


def goes_on(*links: ZeromqPeersLink) -> None:
    """Newcomers are let in while a link receives."""
    for link in links:
        assert link.receive(0.0) is None


def counted(link: ZeromqPeersLink | ZeromqChannelLink, name: str) -> Callable[[], bool]:
    def condition() -> bool:
        link.receive(0.0)
        return link.metrics.counter(f"link.{name}") > 0

    return condition


def test_two_who_know_each_other_talk() -> None:
    at_a, at_b = free_endpoint(), free_endpoint()
    with (
        ZeromqPeersLink(at_a, [at_b], curve=curve(A, B, allowed=(B,))) as a,
        ZeromqPeersLink(at_b, [at_a], curve=curve(B, A, allowed=(A,))) as b,
    ):
        wait_until(lambda: goes_on(a, b) is None and a.listeners == b.listeners == 1)
        a.send(b"to bravo")
        assert hear(b) == b"to bravo"
        b.send(b"to alpha")
        assert hear(a) == b"to alpha"
        for link in (a, b):
            assert not any("curve" in name for name in link.metrics.snapshot())


def test_a_key_that_is_not_listed_hears_nothing() -> None:
    at_a, at_c = free_endpoint(), free_endpoint()
    with (
        ZeromqPeersLink(at_a, [], curve=curve(A, allowed=(B,))) as a,
        ZeromqPeersLink(at_c, [at_a], curve=curve(C, A)) as c,
    ):
        wait_until(counted(a, "curve_not_listed"))
        wait_until(counted(c, "curve_failed"))
        a.send(b"not for charlie")
        assert a.listeners == 0
        assert a.metrics.counter("link.tx_drop_no_peer") == 1
        assert c.receive(0.05) is None


def test_another_server_than_expected_is_not_listened_to() -> None:
    at_a, at_b = free_endpoint(), free_endpoint()
    with (
        ZeromqPeersLink(at_a, [], curve=curve(A, allowed=(B,))) as a,
        ZeromqPeersLink(at_b, [at_a], curve=curve(B, C)) as b,  # bravo thinks that charlie is there
    ):
        wait_until(counted(a, "curve_failed"))
        a.send(b"from an impostor")
        assert a.listeners == 0
        assert b.receive(0.05) is None


def test_one_without_curve_gets_nothing() -> None:
    at_a = free_endpoint()
    with (
        ZeromqPeersLink(at_a, [], curve=curve(A, allowed=(B,))) as a,
        zmq.Context() as context,
        context.socket(zmq.SUB) as plain,
    ):
        plain.setsockopt(zmq.SUBSCRIBE, b"")
        plain.connect(at_a)
        wait_until(counted(a, "curve_failed"))
        a.send(b"secret")
        assert a.listeners == 0
        assert not plain.poll(50)


def test_a_channel_process_serves_its_list_only() -> None:
    config = ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN)
    with (
        channel(config, curve(C, allowed=(A, B))) as process,
        ZeromqChannelLink(process.endpoint, "alpha", curve=curve(A, C)) as a,
        ZeromqChannelLink(process.endpoint, "bravo", curve=curve(B, C)) as b,
    ):
        wait_until(lambda: a.ready() and b.ready())
        with ZeromqChannelLink(process.endpoint, "eve", curve=curve(curve_keypair(), C)) as eve:
            wait_until(lambda: process.report().dropped.get("curve_not_listed", 0) > 0)
            wait_until(counted(eve, "curve_failed"))
            assert not eve.ready()
        with ZeromqChannelLink(process.endpoint, "alpha") as bare:
            wait_until(lambda: process.report().dropped.get("curve_failed", 0) > 0)
            assert not bare.ready()
        a.send(b"among us")
        assert hear(b) == b"among us"
        assert set(process.report().paths) == {("alpha", "bravo")}


def test_a_channel_process_with_another_key_is_not_believed() -> None:
    config = ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN)
    with (
        channel(config, curve(C, allowed=(A,))) as process,
        ZeromqChannelLink(process.endpoint, "alpha", curve=curve(A, B)) as a,
    ):
        wait_until(lambda: process.report().dropped.get("curve_failed", 0) > 0)
        assert not a.ready()


def test_a_peer_that_restarts_is_let_in_again() -> None:
    at_a, at_b = free_endpoint(), free_endpoint()
    with ZeromqPeersLink(at_a, [at_b], curve=curve(A, B, allowed=(B,))) as a:
        for _ in range(2):
            with ZeromqPeersLink(at_b, [at_a], curve=curve(B, A, allowed=(A,))) as b:
                wait_until(lambda: goes_on(a, b) is None and a.listeners == b.listeners == 1)
            wait_until(lambda: goes_on(a) is None and a.listeners == 0)


def test_there_is_a_key_for_each_address() -> None:
    with pytest.raises(LinkError, match="0 peer keys for 1 addresses"):
        ZeromqPeersLink(free_endpoint(), [free_endpoint()], curve=curve(A))


@pytest.mark.parametrize("key", range(3))
def test_key_pairs_are_z85(key: int) -> None:
    assert [len(half) for half in (A, B, C)[key]] == [40, 40]


def test_control_is_guarded_as_the_stations_endpoint_is() -> None:
    config = ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN, control="tcp://127.0.0.1:*")
    with channel(config, curve(C, allowed=(A,))) as process:
        assert process.control is not None
        assert b'"ok": true' in ask(process.control, b'{"do": "status"}', PATIENCE_S, curve(A, C))
        for stranger in (None, curve(B, C)):
            with pytest.raises(LinkError, match="no answer"):
                ask(process.control, b'{"do": "status"}', 0.5, stranger)
        dropped = process.report().dropped
        assert dropped["control_curve_not_listed"] >= 1
        assert dropped["control_curve_failed"] >= 1
