"""Routers and questions over real sockets."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest
import zmq

from gateway.errors import LinkError
from gateway.links.envelope import Packet
from gateway.links.router import ReplySocket, StationRouter, ask
from tests.links.air import PATIENCE_S, stranger, wait_until


def test_a_router_wakes_at_once() -> None:
    router = StationRouter("tcp://127.0.0.1:*")
    threading.Timer(0.02, router.wake).start()
    begun = time.monotonic()
    router.wait(PATIENCE_S)
    assert time.monotonic() - begun < PATIENCE_S / 2
    assert router.receive() is None
    router.send(b"nobody", Packet("alpha", 0, b""))
    router.close()


def test_a_request_without_an_envelope_alone_is_no_request() -> None:
    replies = ReplySocket("tcp://127.0.0.1:*", None, 1000, lambda _: None)
    with closing(replies), stranger(zmq.DEALER) as rude:
        rude.connect(replies.endpoint)
        rude.send(b"without an envelope")
        (listening,) = replies.sockets
        assert listening.poll(5000)  # ZeroMQ says that there is something
        assert not replies.serve(bytes)
        assert ask_in_turn(replies, b"ping") == b"PING"


def test_nobody_at_a_control_endpoint() -> None:
    with pytest.raises(LinkError, match=r"no answer from tcp://127.0.0.1:1 within 0.1 s"):
        ask("tcp://127.0.0.1:1", b"{}", 0.1)
    for endpoint in ("nonsense", "inproc://x"):
        with pytest.raises(LinkError, match=f"cannot (connect to|use) {endpoint}"):
            ask(endpoint, b"{}", 0.1)


def ask_in_turn(replies: ReplySocket, request: bytes) -> bytes:
    """What a peer that keeps the rules is answered."""
    with stranger(zmq.REQ) as asking:
        asking.connect(replies.endpoint)
        asking.send(request)
        wait_until(lambda: replies.serve(bytes.upper))
        assert asking.poll(5000)
        return bytes(asking.recv())
