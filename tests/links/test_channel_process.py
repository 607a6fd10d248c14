"""The channel process over real sockets: who may join it, what it counts, how it is controlled."""

from __future__ import annotations

import json
import socket
from contextlib import closing

import pytest
import zmq

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import ChannelProcessConfig
from gateway.errors import LinkError
from gateway.links.channel_process import MAX_STATIONS, ChannelProcess, ChannelReport
from gateway.links.envelope import Hello, Refused, pack, unpack
from gateway.links.router import ask
from gateway.links.zeromq import ZeromqChannelLink
from tests.links.air import PATIENCE_S, channel, free_endpoint, hear, stranger, wait_until

CLEAN = ChannelSpec("clean")


def asked(endpoint: str | None, **request: object) -> dict[str, object]:
    assert endpoint is not None
    reply: dict[str, object] = json.loads(ask(endpoint, json.dumps(request).encode(), PATIENCE_S))
    return reply


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


def test_a_control_port_in_use_leaves_the_other_port_free() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        endpoint = free_endpoint()
        config = ChannelProcessConfig(endpoint, CLEAN, control=f"tcp://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(LinkError, match="the port is in use"):
            ChannelProcess(config)
        ChannelProcess(ChannelProcessConfig(endpoint, CLEAN)).close()
