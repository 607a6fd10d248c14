"""Messages over ZeroMQ between programs: a router for many, a dealer to one, questions and their answers.

Rule: best effort, as in zeromq.py; what is not a message of ours is thrown away and counted, never raised.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import socket
from collections import Counter
from collections.abc import Callable

import zmq

from gateway.errors import LinkError
from gateway.links import envelope
from gateway.links.curve import Curve
from gateway.links.sockets import QUEUE_PACKETS, Guard, bind, connect, new_socket, take, wait_for


class MessageRouter:
    """A socket that many connect to: messages of one part, their senders told apart by an `address` that ZeroMQ gives.

    Used from one thread, `wake` excepted, which any thread or signal handler may call.
    """

    def __init__(self, endpoint: str, curve: Curve | None = None, max_bytes: int = envelope.MAX_MESSAGE_BYTES) -> None:
        """Listen at `endpoint`; `curve`: for those allowed only; who sends more than `max_bytes` is cut off. Raises
        LinkError."""
        self.refused: Counter[str] = Counter()
        """Newcomers not let in, by the names of the links' counters."""
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._guard = Guard(self._context, curve, self._count_refused)
        self._socket = new_socket(self._context, zmq.ROUTER, max_bytes)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # who comes back under its own name is let in again
        self._socket.setsockopt(zmq.SNDHWM, 16 * QUEUE_PACKETS)  # for all stations' sending in bursts
        self._socket.setsockopt(zmq.RCVHWM, 16 * QUEUE_PACKETS)
        with self._guard.opening():
            self._guard.serve(self._socket)
            self.endpoint = bind(self._socket, endpoint)
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._woken.fileno(), zmq.POLLIN)
        for guarding in self._guard.sockets:
            self._poller.register(guarding, zmq.POLLIN)

    def also_wait_for(self, other: ReplySocket) -> None:
        """Let `wait` return for what comes in there as well."""
        for one in other.sockets:
            self._poller.register(one, zmq.POLLIN)

    def _count_refused(self, name: str) -> None:
        self.refused[name] += 1

    def close(self) -> None:
        """Stop listening; nothing if done already."""
        if not self._socket.closed:
            self._guard.close()
            self._socket.close()
            self._context.term()
            self._woken.close()
            self._wake.close()

    def wake(self) -> None:
        """Make a `wait` in progress, or the next, return at once."""
        with contextlib.suppress(OSError):  # closed, or so many wake-ups unread that one more changes nothing
            self._wake.send(b"x")

    def wait(self, timeout_s: float) -> None:
        """Return when there is a message, after `wake`, or after `timeout_s`."""
        ready = dict(self._poller.poll(math.ceil(max(0.0, timeout_s) * 1000)))
        if self._woken.fileno() in ready:
            self._woken.recv(4096)
        self._guard.attend()

    def receive_bytes(self) -> tuple[bytes, bytes | None] | None:
        """The sender's address and its message (None for one of several parts); None when there is nothing."""
        if (received := take(self._socket)) is None:
            return None
        address, *parts = received
        return address, parts[0] if len(parts) == 1 else None

    def send_bytes(self, address: bytes, message: bytes) -> None:
        """Send to one; dropped by ZeroMQ when it is gone or does not read."""
        self._socket.send_multipart([address, message], zmq.NOBLOCK)


class StationRouter(MessageRouter):
    """The channel process's socket, to its stations."""

    def receive(self) -> tuple[bytes, envelope.Message | None] | None:
        """The sender's address and its message (None for what is not one); None when there is nothing."""
        received = self.receive_bytes()
        if received is None:
            return None
        address, data = received
        return address, None if data is None else envelope.unpack(data)

    def send(self, address: bytes, message: envelope.Message) -> None:
        """Send to one station; dropped by ZeroMQ when it is gone or does not read."""
        self.send_bytes(address, envelope.pack(message))


class ReplySocket:
    """Requests, each of which is answered at once, at an address of its own. For one thread."""

    def __init__(self, endpoint: str, curve: Curve | None, max_bytes: int, count: Callable[[str], None]) -> None:
        """Listen at `endpoint`; `curve`: for those allowed only. Raises LinkError."""
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._guard = Guard(self._context, curve, count)
        self._socket = new_socket(self._context, zmq.REP, max_bytes)
        with self._guard.opening():
            self._guard.serve(self._socket)
            self.endpoint = bind(self._socket, endpoint)

    @property
    def sockets(self) -> list[zmq.Socket[bytes]]:
        """To be waited for."""
        return [self._socket, *self._guard.sockets]

    def serve(self, answer: Callable[[bytes], bytes]) -> bool:
        """Answer one request if there is one (one of several parts is as one of no bytes); whether there was."""
        self._guard.attend()
        if (parts := take(self._socket)) is None:
            return False
        with contextlib.suppress(zmq.Again):  # who asked is gone
            self._socket.send(answer(parts[0] if len(parts) == 1 else b""), zmq.NOBLOCK)
        return True

    def close(self) -> None:
        """Stop listening; nothing if done already."""
        if not self._socket.closed:
            self._guard.close()
            self._socket.close()
            self._context.term()


def ask(endpoint: str, request: bytes, timeout_s: float, curve: Curve | None = None) -> bytes:
    """The answer of the ReplySocket at `endpoint`. Raises LinkError where none comes in time."""
    if endpoint.startswith("inproc://"):
        raise LinkError(f"cannot use {endpoint}: inproc is for one program, give tcp:// or ipc://")
    failed: Counter[str] = Counter()
    context = zmq.Context[zmq.Socket[bytes]]()
    guard = Guard(context, curve, lambda name: failed.update([name]))
    asking = context.socket(zmq.REQ)
    asking.setsockopt(zmq.LINGER, 0)
    try:
        guard.join(asking)
        connect(asking, endpoint)
        asking.send(request)
        if not asking.poll(math.ceil(timeout_s * 1000), zmq.POLLIN):
            guard.attend()
            why = "; its CURVE keys and ours do not fit" if failed else ""
            raise LinkError(f"no answer from {endpoint} within {timeout_s:g} s{why}")
        return b"".join(asking.recv_multipart())
    finally:
        guard.close()
        asking.close()
        context.term()


class MessageDealer:
    """The other end of a MessageRouter: messages of one part to and from `endpoint`, found again whenever it is there.

    For one thread. Counts `curve_failed` through `count`.
    """

    def __init__(self, endpoint: str, curve: Curve | None, max_bytes: int, count: Callable[[str], None]) -> None:
        """`curve`: keys, with the server key of the other end. Raises LinkError for an address that is none."""
        if endpoint.startswith("inproc://"):
            raise LinkError(f"cannot use {endpoint}: inproc is for one program, give tcp:// or ipc://")
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._socket = new_socket(self._context, zmq.DEALER, max_bytes)
        # One name for all connections of this object, so that the other end knows us again after a broken one.
        self._socket.setsockopt(zmq.IDENTITY, b"\x01" + secrets.token_bytes(8))
        self._socket.setsockopt(zmq.IMMEDIATE, 1)  # while nobody is there, drop now: stale voice later is worthless
        self._guard = Guard(self._context, curve, count)
        with self._guard.opening():
            self._guard.join(self._socket)
            connect(self._socket, endpoint)

    def send(self, message: bytes) -> bool:
        """Whether it could be sent: False while nobody is there, or too much waits."""
        try:
            self._socket.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def wait(self, timeout_s: float) -> None:
        """Return when there is a message, or after `timeout_s`."""
        wait_for(self._socket, max(0.0, timeout_s))

    def receive(self) -> bytes | None:
        """The next message, None when there is none; one of several parts is as one of no bytes."""
        self._guard.attend()
        if (parts := take(self._socket)) is None:
            return None
        return parts[0] if len(parts) == 1 else b""

    def close(self) -> None:
        """Let the last messages leave, then close."""
        self._guard.close()
        self._socket.close()
        self._context.term()
