"""ZeroMQ links against absent, restarted, strange and unruly other sides; real sockets on loopback."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import zmq

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import ChannelProcessConfig
from gateway.errors import LinkError
from gateway.links.base import Received
from gateway.links.zeromq import ZeromqChannelLink, ZeromqPeersLink
from tests.links.air import PATIENCE_S, channel, free_endpoint, hear, stranger, wait_until

CLEAN = ChannelSpec("clean")


def test_a_port_in_use_is_named() -> None:
    endpoint = free_endpoint()
    with (
        ZeromqPeersLink(endpoint, []),
        pytest.raises(LinkError, match=f"cannot listen at {endpoint}: the port is in use"),
    ):
        ZeromqPeersLink(endpoint, []).open()


def test_an_ipc_path_in_use_is_not_stolen_and_a_stale_one_is_reused(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/radio"
    with ZeromqPeersLink(endpoint, []), pytest.raises(LinkError, match="another program listens"):
        ZeromqPeersLink(endpoint, []).open()
    with closing(socket.socket(socket.AF_UNIX)) as stale:
        stale.bind(f"{tmp_path}/stale")
    with ZeromqPeersLink(f"ipc://{tmp_path}/stale", []) as link:
        assert link.ready()


@pytest.mark.parametrize("endpoint", ["nonsense", "inproc://x", "tcp://192.0.2.1:5555"])
def test_an_address_one_cannot_listen_at_is_named(endpoint: str) -> None:
    with pytest.raises(LinkError, match=endpoint):
        ZeromqPeersLink(endpoint, []).open()


def test_a_bad_peer_address_is_named_and_the_port_is_free_again() -> None:
    endpoint = free_endpoint()
    with pytest.raises(LinkError, match="cannot connect to nonsense"):
        ZeromqPeersLink(endpoint, ["nonsense"]).open()
    with pytest.raises(LinkError, match="own address"):
        ZeromqPeersLink(endpoint, [endpoint]).open()
    with ZeromqPeersLink(endpoint, []) as link:
        assert link.ready()


def test_packets_to_nobody_are_counted() -> None:
    with ZeromqPeersLink(free_endpoint(), [free_endpoint()]) as link:
        link.send(b"anyone?")
        assert link.metrics.counter("link.tx_drop_no_peer") == 1
        assert link.receive(0.0) is None


def test_a_peer_that_restarts_is_found_again() -> None:
    at_a, at_b = free_endpoint(), free_endpoint()
    with ZeromqPeersLink(at_a, [at_b]) as a:
        for text in (b"first life", b"second life"):
            with ZeromqPeersLink(at_b, [at_a]) as b:
                wait_until(lambda: a.receive(0.0) is None and a.listeners == b.listeners == 1)
                a.send(text)
                assert hear(b) == text
                b.send(text)
                assert hear(a) == text
            wait_until(lambda: a.listeners == 0)


def test_three_peers_all_hear_each_other() -> None:
    endpoints = [free_endpoint() for _ in range(3)]
    with ExitStack() as stack:
        links = [
            stack.enter_context(ZeromqPeersLink(own, [other for other in endpoints if other != own]))
            for own in endpoints
        ]
        wait_until(lambda: all(link.listeners == 2 for link in links))
        links[0].send(b"all")
        assert [hear(link) for link in links[1:]] == [b"all", b"all"]


def test_strange_messages_are_counted_and_do_no_harm() -> None:
    strange = free_endpoint()
    with stranger(zmq.XPUB) as publisher, ZeromqPeersLink(free_endpoint(), [strange], mtu_bytes=100) as link:
        publisher.bind(strange)
        assert publisher.poll(5000, zmq.POLLIN)
        publisher.send_multipart([b"two", b"parts"])
        publisher.send(bytes(101))
        publisher.send(b"fine")
        assert hear(link) == b"fine"
        assert link.metrics.counter("link.rx_drop_malformed") == 1
        assert link.metrics.counter("link.rx_drop_oversize") == 1


def test_strange_listeners_do_no_harm() -> None:
    endpoint = free_endpoint()
    with ZeromqPeersLink(endpoint, []) as link, stranger(zmq.XSUB) as listener:
        listener.connect(endpoint)
        listener.send(b"\x01")
        wait_until(lambda: link.listeners == 1)
        listener.send_multipart([b"what", b"is this"])
        listener.send(b"\x01topic")
        wait_until(lambda: link.listeners == 1 and link.metrics.counter("link.rx_drop_malformed") == 2)
        link.send(b"on air")
        assert listener.poll(5000, zmq.POLLIN)
        assert listener.recv() == b"on air"


def test_receiving_in_one_thread_does_not_hold_up_sending_in_another() -> None:
    at_a, at_b = free_endpoint(), free_endpoint()
    with ZeromqPeersLink(at_a, [at_b]) as a, ZeromqPeersLink(at_b, [at_a]) as b:
        wait_until(lambda: a.listeners == b.listeners == 1)
        heard: list[Received | None] = []
        waiting = threading.Thread(target=lambda: heard.append(a.receive(15.0)))
        waiting.start()
        a.send(b"x")
        assert hear(b) == b"x"
        assert waiting.is_alive()
        b.send(b"y")
        waiting.join()
        assert [received and received.data for received in heard] == [b"y"]


# --- behind a channel process ---


def test_without_a_channel_process_packets_are_counted_and_later_it_is_found() -> None:
    endpoint = free_endpoint()
    with ZeromqChannelLink(endpoint, "alpha") as link:
        assert not link.ready()
        link.send(b"too early")
        assert link.metrics.counter("link.tx_drop_no_peer") == 1
        assert link.receive(0.02) is None
        with channel(ChannelProcessConfig(endpoint, CLEAN)):
            wait_until(link.ready)


def test_a_channel_process_that_restarts_is_found_again() -> None:
    endpoint = free_endpoint()
    config = ChannelProcessConfig(endpoint, CLEAN)
    with ZeromqChannelLink(endpoint, "alpha") as a, ZeromqChannelLink(endpoint, "bravo") as b:
        with channel(config):
            wait_until(lambda: a.ready() and b.ready())
        with channel(config):

            def gets_through() -> bool:
                a.send(b"again")
                return b.receive(0.02) is not None

            wait_until(gets_through)


def test_a_station_learns_the_channels_figures() -> None:
    spec = ChannelSpec("radio", rate_bps=300, mtu_bytes=64, overhead_bytes=4, half_duplex=True, turnaround_ms=50)
    with (
        channel(ChannelProcessConfig("tcp://127.0.0.1:*", spec)) as process,
        ZeromqChannelLink(process.endpoint, "alpha") as link,
    ):
        assert (link.info.mtu_bytes, link.info.rate_bps, link.info.has_integrity) == (1024, None, False)
        wait_until(link.ready)
        info = link.info
        assert (info.mtu_bytes, info.rate_bps, info.overhead_bytes) == (64, 300, 4)
        assert (info.half_duplex, info.turnaround_s, info.has_integrity) == (True, 0.05, False)


def test_each_direction_has_its_channel_and_delay_is_real() -> None:
    config = ChannelProcessConfig(
        "tcp://127.0.0.1:*",
        ChannelSpec("far", delay_ms=150),
        {("bravo", "alpha"): ChannelSpec("deaf", loss=1.0)},
    )
    with (
        channel(config) as process,
        ZeromqChannelLink(process.endpoint, "alpha") as a,
        ZeromqChannelLink(process.endpoint, "bravo") as b,
    ):
        wait_until(lambda: a.ready() and b.ready())
        begun = time.monotonic()
        a.send(b"over")
        assert hear(b) == b"over"
        assert time.monotonic() - begun >= 0.15
        b.send(b"lost")
        assert a.receive(0.1) is None
        report = process.report()
        assert report.paths["alpha", "bravo"].delivered == 1
        assert report.paths["bravo", "alpha"].lost == 1


def test_a_name_taken_by_another_station_is_an_error_for_the_first() -> None:
    with (
        channel(ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN)) as process,
        ZeromqChannelLink(process.endpoint, "alpha") as first,
    ):
        wait_until(first.ready)
        with ZeromqChannelLink(process.endpoint, "alpha") as second:
            wait_until(second.ready)
            with pytest.raises(LinkError, match="refused station 'alpha': another station of this name"):
                first.receive(PATIENCE_S)
            assert second.receive(0.05) is None


def test_a_station_name_must_have_some_length() -> None:
    for name in ("", "x" * 65):
        with pytest.raises(LinkError, match="needed: 1 to 64"):
            ZeromqChannelLink("tcp://127.0.0.1:5600", name)
