"""ZeroMQ links against absent, restarted, strange and unruly other sides; real sockets on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import zmq

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import ChannelProcessConfig
from gateway.errors import LinkError
from gateway.links.base import Link
from gateway.links.channel_process import MAX_STATIONS, ChannelProcess, ChannelReport
from gateway.links.envelope import Hello, Packet, Refused, pack, unpack
from gateway.links.zeromq import ReplySocket, StationRouter, ZeromqChannelLink, ZeromqPeersLink, ask

PATIENCE_S = 5.0
CLEAN = ChannelSpec("clean")


def free_endpoint() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def hear(link: Link) -> bytes:
    received = link.receive(PATIENCE_S)
    assert received is not None
    return received.data


@contextmanager
def stranger(kind: int) -> Iterator[zmq.Socket[bytes]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made = context.socket(kind)
    made.setsockopt(zmq.LINGER, 0)
    try:
        yield made
    finally:
        made.close()
        context.term()


@contextmanager
def channel(config: ChannelProcessConfig) -> Iterator[ChannelProcess]:
    process = ChannelProcess(config)
    thread = threading.Thread(target=process.run)
    thread.start()
    try:
        yield process
    finally:
        process.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


# --- peers ---


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
    with ZeromqPeersLink(free_endpoint(), []) as link:
        waiting = threading.Thread(target=link.receive, args=[0.5])
        waiting.start()
        begun = time.monotonic()
        link.send(b"x")
        assert time.monotonic() - begun < 0.4
        waiting.join()


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
        assert 0.15 <= time.monotonic() - begun < 2.0
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


# --- the channel process ---


def test_strangers_are_counted_and_do_not_stop_the_channel() -> None:
    with (
        channel(ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN)) as process,
        stranger(zmq.DEALER) as rude,
        closing(socket.create_connection(("127.0.0.1", int(process.endpoint.rpartition(":")[2])))) as not_zmq,
        ZeromqChannelLink(process.endpoint, "alpha") as a,
        ZeromqChannelLink(process.endpoint, "bravo") as b,
    ):
        not_zmq.sendall(b"GET / HTTP/1.1\r\n\r\n")
        rude.connect(process.endpoint)
        for parts in ([b""], [b"\xc1garbage"], [b"two", b"parts"], [pack(Refused("you"))]):
            rude.send_multipart(parts)
        wait_until(lambda: process.report().dropped.get("malformed") == 4)
        wait_until(lambda: a.ready() and b.ready())
        a.send(b"still here")
        assert hear(b) == b"still here"


def test_the_number_of_stations_is_bounded() -> None:
    with channel(ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN)) as process, stranger(zmq.DEALER) as crowd:
        crowd.connect(process.endpoint)
        for index in range(MAX_STATIONS + 1):
            crowd.send(pack(Hello(f"station {index}", index)))
        answers = [unpack(crowd.recv()) for _ in range(MAX_STATIONS + 1) if crowd.poll(5000)]
        assert [isinstance(answer, Refused) for answer in answers] == [False] * MAX_STATIONS + [True]
        assert process.report().dropped["too_many_stations"] == 1


def test_a_station_that_left_gets_nothing_more() -> None:
    config = ChannelProcessConfig("tcp://127.0.0.1:*", ChannelSpec("far", delay_ms=100))
    with channel(config) as process, ZeromqChannelLink(process.endpoint, "alpha") as a:
        with ZeromqChannelLink(process.endpoint, "bravo") as b:
            wait_until(lambda: a.ready() and b.ready())
            a.send(b"under way")
            wait_until(lambda: ("alpha", "bravo") in process.report().paths)
        wait_until(lambda: process.report().dropped.get("receiver_left") == 1)
        a.send(b"to nobody")
        assert a.receive(0.05) is None
        assert process.report().paths["alpha", "bravo"].sent == 1


def test_stop_before_run_and_port_in_use() -> None:
    process = ChannelProcess(ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN))
    with pytest.raises(LinkError, match="in use"):
        ChannelProcess(ChannelProcessConfig(process.endpoint, CLEAN))
    process.stop()
    report = process.run()
    assert report == ChannelReport({}, 0, {})
    process.stop()
    process.close()


def test_a_router_wakes_at_once() -> None:
    router = StationRouter("tcp://127.0.0.1:*")
    threading.Timer(0.02, router.wake).start()
    begun = time.monotonic()
    router.wait(PATIENCE_S)
    assert time.monotonic() - begun < PATIENCE_S / 2
    assert router.receive() is None
    router.send(b"nobody", Packet("alpha", 0, b""))
    router.close()


def test_statistics_are_logged_while_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        channel(ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN, statistics_s=0.05)) as process,
        ZeromqChannelLink(process.endpoint, "alpha") as link,
    ):
        wait_until(link.ready)
        logged = ""

        def is_logged() -> bool:
            nonlocal logged
            logged += capsys.readouterr().out
            return "channel statistics" in logged and "alpha" in logged

        wait_until(is_logged)


# --- control of the channel process ---


def asked(endpoint: str | None, **request: object) -> dict[str, object]:
    assert endpoint is not None
    reply: dict[str, object] = json.loads(ask(endpoint, json.dumps(request).encode(), PATIENCE_S))
    return reply


def test_a_running_channel_is_controlled_at_its_second_endpoint() -> None:
    config = ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN, control="tcp://127.0.0.1:*")
    with (
        channel(config) as process,
        ZeromqChannelLink(process.endpoint, "alpha") as a,
        ZeromqChannelLink(process.endpoint, "bravo") as b,
    ):
        wait_until(lambda: a.ready() and b.ready())
        assert asked(process.control, do="cut", path="alpha>bravo")["ok"]
        a.send(b"cut")
        wait_until(lambda: process.report().paths.get(("alpha", "bravo")) is not None)
        assert asked(process.control, do="restore", path="*") == {"ok": True, "paths": 1}
        a.send(b"restored")
        assert hear(b) == b"restored"
        assert process.report().paths["alpha", "bravo"].cut_lost == 1
        assert asked(process.control, do="set", path="*", figures={"los": 1})["ok"] is False
        names = [station["name"] for station in asked(process.control, do="status")["stations"]]  # type: ignore[attr-defined]
        assert names == ["alpha", "bravo"]


def test_strange_requests_end_neither_control_nor_channel() -> None:
    config = ChannelProcessConfig("tcp://127.0.0.1:*", CLEAN, control="tcp://127.0.0.1:*")
    with channel(config) as process, stranger(zmq.DEALER) as rude, stranger(zmq.REQ) as many, stranger(zmq.REQ) as big:
        assert process.control is not None
        for one in (rude, many, big):
            one.connect(process.control)
        rude.send(b"without an envelope")
        rude.send_multipart([b"", b"gone before the answer comes"])
        many.send_multipart([b"several", b"parts"])
        assert many.poll(5000)
        assert b"needs one JSON object" in many.recv()
        big.send(bytes(100_000))  # disconnected, not read
        rude.close()
        assert asked(process.control, do="status")["ok"]
        assert not big.poll(0)


def test_a_request_without_an_envelope_alone_is_no_request() -> None:
    replies = ReplySocket("tcp://127.0.0.1:*", None, 1000, lambda _: None)
    with closing(replies), stranger(zmq.DEALER) as rude:
        rude.connect(replies.endpoint)
        rude.send(b"without an envelope")
        (listening,) = replies.sockets
        assert listening.poll(5000)  # ZeroMQ says that there is something
        assert not replies.serve(bytes)
        assert ask_in_turn(replies, b"ping") == b"PING"


def ask_in_turn(replies: ReplySocket, request: bytes) -> bytes:
    """What a peer that keeps the rules is answered."""
    with stranger(zmq.REQ) as asking:
        asking.connect(replies.endpoint)
        asking.send(request)
        wait_until(lambda: replies.serve(bytes.upper))
        assert asking.poll(5000)
        return bytes(asking.recv())


def test_nobody_at_a_control_endpoint() -> None:
    with pytest.raises(LinkError, match=r"no answer from tcp://127.0.0.1:1 within 0.1 s"):
        ask("tcp://127.0.0.1:1", b"{}", 0.1)
    for endpoint in ("nonsense", "inproc://x"):
        with pytest.raises(LinkError, match=f"cannot (connect to|use) {endpoint}"):
            ask(endpoint, b"{}", 0.1)


def test_a_control_port_in_use_leaves_the_other_port_free() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        endpoint = free_endpoint()
        config = ChannelProcessConfig(endpoint, CLEAN, control=f"tcp://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(LinkError, match="the port is in use"):
            ChannelProcess(config)
        ChannelProcess(ChannelProcessConfig(endpoint, CLEAN)).close()
