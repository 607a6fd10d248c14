"""What tests of ZeroMQ links share: free ports, patience, strangers, a channel process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import zmq

from gateway.channel.spec_file import ChannelProcessConfig
from gateway.links.base import Link
from gateway.links.channel_process import ChannelProcess
from gateway.links.curve import Curve

PATIENCE_S = 5.0


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
def channel(config: ChannelProcessConfig, keys: Curve | None = None) -> Iterator[ChannelProcess]:
    process = ChannelProcess(config, curve=keys)
    thread = threading.Thread(target=process.run)
    thread.start()
    try:
        yield process
    finally:
        process.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


# --- peers ---
