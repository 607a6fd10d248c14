"""What every ZeroMQ socket here is given: short queues, errors in words, and CURVE where there are keys.

Rule: a socket belongs to one thread at a time; who uses it sees to that. What waiting cannot set right (a bad address,
a port in use) is a LinkError.
"""

from __future__ import annotations

import errno
import math
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import zmq
import zmq.utils.z85

from gateway.errors import LinkError
from gateway.links.curve import ZAP_ENDPOINT, Curve, zap_answer

QUEUE_PACKETS = 64
"""Packets a socket holds for one slow peer; more are dropped, which ZeroMQ does without telling."""
LINGER_MS = 250
"""At most this long does closing wait for the last packets to leave."""


def new_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, max_bytes: int) -> zmq.Socket[bytes]:
    """One of `kind` that finds its other side again without help, and refuses messages beyond `max_bytes`."""
    made = context.socket(kind)
    made.setsockopt(zmq.LINGER, LINGER_MS)
    made.setsockopt(zmq.SNDHWM, QUEUE_PACKETS)
    made.setsockopt(zmq.RCVHWM, QUEUE_PACKETS)
    made.setsockopt(zmq.MAXMSGSIZE, max_bytes)  # whoever sends more is disconnected, not stored
    made.setsockopt(zmq.RECONNECT_IVL, 100)
    made.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    made.setsockopt(zmq.HEARTBEAT_IVL, 1000)
    made.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3000)
    return made


def bind(bound: zmq.Socket[bytes], endpoint: str) -> str:
    """Listen at `endpoint`; returns the address got (another than asked for where the port is `*`)."""
    if endpoint.startswith("ipc://") and _answers(endpoint.removeprefix("ipc://")):
        # libzmq would take the path away from whoever listens there.
        raise LinkError(f"cannot listen at {endpoint}: another program listens there already")
    try:
        bound.bind(endpoint)
    except zmq.ZMQError as error:
        if error.errno == errno.EADDRINUSE:
            raise LinkError(
                f"cannot listen at {endpoint}: the port is in use by another program; stop that or choose another port"
            ) from error
        raise LinkError(f"cannot listen at {endpoint}: {error.strerror}") from error
    return bound.getsockopt_string(zmq.LAST_ENDPOINT)


def _answers(path: str) -> bool:
    if not Path(path).is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def connect(connected: zmq.Socket[bytes], endpoint: str) -> None:
    """Seek whoever listens at `endpoint`, there already or not; raises LinkError for what is no address."""
    try:
        connected.connect(endpoint)
    except zmq.ZMQError as error:
        raise LinkError(f"cannot connect to {endpoint}: {error.strerror}") from error


def take(socket: zmq.Socket[bytes]) -> list[bytes] | None:
    """The next message, without waiting; None when there is none.

    Not by `poll` first: a message that breaks the rules of a socket's pattern counts there, and is then thrown away.
    """
    try:
        return socket.recv_multipart(zmq.NOBLOCK)
    except zmq.Again:
        return None


def wait_for(
    polled: zmq.Socket[bytes], timeout_s: float, events: int = zmq.POLLIN, also: Sequence[zmq.Socket[bytes]] = ()
) -> bool:
    """Whether something happened on `polled`, or came in on one of `also`, within the time."""
    timeout_ms = math.ceil(timeout_s * 1000)
    if not also:
        return bool(polled.poll(timeout_ms, events))
    poller = zmq.Poller()
    poller.register(polled, events)
    for other in also:
        poller.register(other, zmq.POLLIN)
    return bool(poller.poll(timeout_ms))


_FAILED_HANDSHAKES = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


class Guard:
    """CURVE on the sockets of one context: lets in who is on the list, and counts who is not. For one thread.

    Counts `curve_not_listed` (the key is not allowed here) and `curve_failed` (a handshake came to nothing: no CURVE,
    another key than expected, or the other side does not allow ours). Without keys it does nothing.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], curve: Curve | None, count: Callable[[str], None]
    ) -> None:
        self._context, self._curve, self._count = context, curve, count
        self._zap: zmq.Socket[bytes] | None = None
        self._watched: list[zmq.Socket[bytes]] = []
        self.sockets: list[zmq.Socket[bytes]] = []
        """To be polled together with those guarded."""
        if curve is not None:
            self._allowed = frozenset(zmq.utils.z85.decode(key.encode()) for key in curve.allowed)
            self._zap = context.socket(zmq.REP)
            self._zap.setsockopt(zmq.LINGER, 0)
            self._zap.bind(ZAP_ENDPOINT)  # before any socket that it decides about
            self.sockets.append(self._zap)

    @contextmanager
    def opening(self) -> Iterator[None]:
        """While addresses are opened: where one cannot be used, nothing of the context stays open."""
        try:
            yield
        except LinkError:
            self.close()
            self._context.destroy(linger=0)
            raise

    def serve(self, bound: zmq.Socket[bytes]) -> None:
        """Before `bind`: only those on the list get in."""
        if self._curve is not None:
            bound.setsockopt(zmq.CURVE_SERVER, 1)
            self._identify(bound, self._curve)
            bound.setsockopt(zmq.ZAP_DOMAIN, b"clarilink")

    def join(self, connecting: zmq.Socket[bytes], number: int = 0) -> None:
        """Before each `connect`: only the owner of server key `number` may be there."""
        if self._curve is not None:
            if number == 0:
                self._identify(connecting, self._curve)
            connecting.setsockopt(zmq.CURVE_SERVERKEY, self._curve.server_keys[number].encode())

    def attend(self) -> None:
        """Answer newcomers; count failures. Newcomers wait until this is called."""
        while self._zap is not None and self._zap.poll(0, zmq.POLLIN):
            answer = zap_answer(self._zap.recv_multipart(), self._allowed)
            if answer is not None and not answer.is_admitted:
                self._count("curve_not_listed")
            self._zap.send_multipart(() if answer is None else answer.parts)
        for monitor in self.sockets[1:]:
            while monitor.poll(0, zmq.POLLIN):
                monitor.recv_multipart()
                self._count("curve_failed")

    def close(self) -> None:
        """Before the sockets guarded are closed."""
        for watched in self._watched:
            watched.disable_monitor()
        for own in self.sockets:
            own.close(linger=0)

    def _identify(self, made: zmq.Socket[bytes], curve: Curve) -> None:
        made.setsockopt(zmq.CURVE_PUBLICKEY, curve.public.encode())
        made.setsockopt(zmq.CURVE_SECRETKEY, curve.secret.encode())
        self.sockets.append(made.get_monitor_socket(_FAILED_HANDSHAKES))
        self._watched.append(made)


def curve_keypair() -> tuple[str, str]:
    """A new public and secret key, 40 characters of Z85 each."""
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()
