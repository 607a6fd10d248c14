"""ZeroMQ links, the only module that imports zmq: stations as peers, stations behind a channel process.

Rule: best effort, as a radio is. Queues are short and bounded, nothing is sent again, an absent or restarted other side
is normal and found again without help; only what cannot be set right by waiting (a bad address, a port in use, a name
taken by another station) is a LinkError.

A ZeroMQ link waits in real time whatever clock it is given, so that clock should be a SystemClock. Its sockets are
guarded by locks: calls from another thread are safe but may wait for one in progress, and a link is meant to be used by
one thread (peers: one that sends and one that receives).
"""

from __future__ import annotations

import contextlib
import errno
import math
import secrets
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import zmq
import zmq.utils.z85

from gateway.clock import Clock, SystemClock
from gateway.errors import LinkError
from gateway.links import envelope
from gateway.links.base import Drop, Link, LinkInfo, Received
from gateway.links.curve import ZAP_ENDPOINT, Curve, zap_answer
from gateway.metrics import Metrics

MTU_BYTES = 1024
QUEUE_PACKETS = 64
"""Packets a socket holds for one slow peer; more are dropped, which ZeroMQ does without telling."""
LINGER_MS = 250
"""At most this long does closing wait for the last packets to leave."""
KEEPALIVE_S = 1.0


def _socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, max_bytes: int) -> zmq.Socket[bytes]:
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


def _bind(bound: zmq.Socket[bytes], endpoint: str) -> str:
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


def _connect(connected: zmq.Socket[bytes], endpoint: str) -> None:
    try:
        connected.connect(endpoint)
    except zmq.ZMQError as error:
        raise LinkError(f"cannot connect to {endpoint}: {error.strerror}") from error


def _take(socket: zmq.Socket[bytes]) -> list[bytes] | None:
    """The next message, without waiting; None when there is none.

    Not by `poll` first: a message that breaks the rules of a socket's pattern counts there, and is then thrown away.
    """
    try:
        return socket.recv_multipart(zmq.NOBLOCK)
    except zmq.Again:
        return None


def _wait(
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


class _Guard:
    """CURVE on the sockets of one context: lets in who is on the list, and counts who is not. For one thread.

    Counts `curve_not_listed` (the key is not allowed here) and `curve_failed` (a handshake came to nothing: no CURVE,
    another key than expected, or the other side does not allow ours). Without keys it does nothing.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], curve: Curve | None, count: Callable[[str], None]
    ) -> None:
        self._curve = curve
        self._count = count
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


class ZeromqPeersLink(Link):
    """Stations as peers: each publishes at its own address (`bind`) and listens to those of the others (`connect`).

    Packets travel bare, one message of one part each. Drops: `tx_drop_no_peer` while nobody listens,
    `rx_drop_malformed` for a message of several parts, `rx_drop_oversize` above the MTU.
    A peer that restarts is found again while `receive` is called from time to time, for there ZeroMQ subscribes anew.
    """

    def __init__(
        self,
        bind: str,
        connect: Sequence[str],
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        mtu_bytes: int = MTU_BYTES,
        curve: Curve | None = None,
    ) -> None:
        """`curve`: keys, with one server key for each address in `connect`; None: open to all."""
        super().__init__(metrics)
        if curve is not None and len(curve.server_keys) != len(connect):
            raise LinkError(f"{len(curve.server_keys)} peer keys for {len(connect)} addresses; needed: one for each")
        self._curve = curve
        self._bind_to = bind
        self._connect_to = tuple(connect)
        self._clock = clock if clock is not None else SystemClock()
        self._info = LinkInfo(f"zeromq-peers:{bind}", mtu_bytes, has_integrity=True)
        self._tx_lock, self._rx_lock = threading.Lock(), threading.Lock()
        self._listeners = 0

    @property
    def info(self) -> LinkInfo:
        return self._info

    @property
    def listeners(self) -> int:
        """Stations that listen to this one now."""
        with self._tx_lock:
            self._check_open()
            self._count_listeners()
            return self._listeners

    def _open(self) -> None:
        for endpoint in (self._bind_to, *self._connect_to):
            if endpoint.startswith("inproc://"):
                raise LinkError(f"cannot use {endpoint}: inproc is for one program, give tcp:// or ipc://")
        if self._bind_to in self._connect_to:
            raise LinkError(f"cannot connect to {self._bind_to}: it is this station's own address (bind)")
        self._listeners = 0
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._tx = _socket(self._context, zmq.XPUB, envelope.MAX_MESSAGE_BYTES)
        self._rx = _socket(self._context, zmq.SUB, envelope.MAX_MESSAGE_BYTES)
        self._guard = _Guard(self._context, self._curve, lambda name: self.metrics.count(f"{self._layer}.{name}"))
        try:
            self._tx.setsockopt(zmq.XPUB_VERBOSER, 1)  # every coming and going of a listener is told
            self._rx.setsockopt(zmq.LINGER, 0)
            self._rx.setsockopt(zmq.SUBSCRIBE, b"")
            self._guard.serve(self._tx)
            _bind(self._tx, self._bind_to)
            for number, endpoint in enumerate(self._connect_to):
                self._guard.join(self._rx, number)
                _connect(self._rx, endpoint)
        except LinkError:
            self._guard.close()
            self._context.destroy(linger=0)
            raise

    def _close(self) -> None:
        with self._tx_lock, self._rx_lock:
            self._guard.close()
            self._tx.close()
            self._rx.close()
            self._context.term()

    def _send(self, data: bytes) -> bool:
        with self._tx_lock:
            self._check_open()
            self._count_listeners()
            if self._listeners == 0:
                self._drop_tx(Drop.NO_PEER)
                return False
            self._tx.send(data, zmq.NOBLOCK)
            return True

    def _count_listeners(self) -> None:
        while (parts := _take(self._tx)) is not None:
            match parts:
                case [b"\x01"]:
                    self._listeners += 1
                case [b"\x00"]:
                    self._listeners = max(0, self._listeners - 1)
                case _:
                    self._drop_rx(Drop.MALFORMED)

    def _receive(self, timeout_s: float) -> Received | None:
        deadline = self._clock.now() + timeout_s
        with self._rx_lock:
            self._check_open()
            while _wait(self._rx, max(0.0, deadline - self._clock.now()), also=self._guard.sockets):
                self._guard.attend()
                if (parts := _take(self._rx)) is None:
                    continue  # it was a newcomer
                if len(parts) != 1:
                    self._drop_rx(Drop.MALFORMED)
                elif len(parts[0]) > self._info.mtu_bytes:
                    self._drop_rx(Drop.OVERSIZE)
                else:
                    return Received(parts[0], self._clock.now())
        return None


class ZeromqChannelLink(Link):
    """One station of a channel process at `endpoint`, known there as `station`.

    Says hello on opening and every second while it is used; the answer tells the channel's figures, and `ready` is
    False until it comes. It never claims integrity, for the stations of a net must agree on the CRC and only the
    channel knows whether it damages bits. Raises LinkError from `send` or `receive` when the channel refuses it.
    """

    def __init__(
        self,
        endpoint: str,
        station: str,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        mtu_bytes: int = MTU_BYTES,
        curve: Curve | None = None,
    ) -> None:
        """`curve`: keys, with the server key of the channel process; None: whoever listens at the address hears all."""
        super().__init__(metrics)
        self._curve = curve
        if not 0 < len(station) <= envelope.MAX_NAME:
            raise LinkError(f"station name {station!r} has {len(station)} characters; needed: 1 to {envelope.MAX_NAME}")
        self._endpoint = endpoint
        self._station = station
        self._clock = clock if clock is not None else SystemClock()
        self._plain_info = self._info = LinkInfo(f"zeromq-channel:{endpoint}:{station}", mtu_bytes)
        self._lock = threading.Lock()

    @property
    def info(self) -> LinkInfo:
        return self._info

    def ready(self) -> bool:
        """Whether the channel process has answered lately."""
        if not super().ready():
            return False
        with self._lock:
            self._attend()
            return self._is_present()

    def _open(self) -> None:
        if self._endpoint.startswith("inproc://"):
            raise LinkError(f"cannot use {self._endpoint}: inproc is for one program, give tcp:// or ipc://")
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._socket = _socket(self._context, zmq.DEALER, envelope.MAX_MESSAGE_BYTES)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)  # while nobody is there, drop now: stale voice later is worthless
        self._guard = _Guard(self._context, self._curve, lambda name: self.metrics.count(f"{self._layer}.{name}"))
        try:
            self._guard.join(self._socket)
            _connect(self._socket, self._endpoint)
        except LinkError:
            self._guard.close()
            self._context.destroy(linger=0)
            raise
        self._token = secrets.randbits(63)
        self._inbox: deque[Received] = deque()
        self._info = self._plain_info
        self._answered_s = self._hello_s = -math.inf
        self._refused: str | None = None

    def _close(self) -> None:
        with self._lock:
            self._say(envelope.Bye(self._station, self._token))
            self._guard.close()
            self._socket.close()
            self._context.term()

    def _send(self, data: bytes) -> bool:
        with self._lock:
            self._check_open()
            self._attend()
            if not self._is_present() or not self._say(envelope.Packet(self._station, self._token, data)):
                self._drop_tx(Drop.NO_PEER)
                return False
            return True

    def _receive(self, timeout_s: float) -> Received | None:
        deadline = self._clock.now() + timeout_s
        with self._lock:
            while True:
                self._check_open()
                self._attend()
                if self._inbox:
                    return self._inbox.popleft()
                now_s = self._clock.now()
                if now_s >= deadline:
                    return None
                hello_s = self._hello_s + KEEPALIVE_S
                if hello_s > now_s:
                    _wait(self._socket, min(deadline, hello_s) - now_s)
                else:  # hello could not leave: wait for the connection as well
                    _wait(self._socket, deadline - now_s, zmq.POLLIN | zmq.POLLOUT)

    def _is_present(self) -> bool:
        return self._clock.now() - self._answered_s < envelope.PRESENT_S

    def _say(self, message: envelope.Message) -> bool:
        try:
            self._socket.send(envelope.pack(message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _attend(self) -> None:
        """Sort what has come in, and say hello if it is time."""
        self._guard.attend()
        while (parts := _take(self._socket)) is not None:
            self._sort(envelope.unpack(parts[0]) if len(parts) == 1 else None, self._clock.now())
        if self._refused is not None:
            raise LinkError(f"channel at {self._endpoint} refused station {self._station!r}: {self._refused}")
        now_s = self._clock.now()
        if now_s - self._hello_s >= KEEPALIVE_S and self._say(envelope.Hello(self._station, self._token)):
            self._hello_s = now_s

    def _sort(self, message: envelope.Message | None, now_s: float) -> None:
        match message:
            case envelope.Packet(data=data) if len(data) > self._plain_info.mtu_bytes:
                self._drop_rx(Drop.OVERSIZE)
            case envelope.Packet(data=data):
                if len(self._inbox) >= QUEUE_PACKETS:
                    self._inbox.popleft()
                    self._drop_rx(Drop.QUEUE_FULL)
                self._inbox.append(Received(data, now_s))
            case envelope.Welcome():
                self._answered_s = now_s
                self._info = replace(
                    self._plain_info,
                    mtu_bytes=min(self._plain_info.mtu_bytes, message.mtu_bytes or self._plain_info.mtu_bytes),
                    rate_bps=message.rate_bps or None,
                    half_duplex=message.half_duplex,
                    turnaround_s=message.turnaround_s,
                    overhead_bytes=message.overhead_bytes,
                    delay_s=message.delay_s,
                )
            case envelope.Refused(reason=reason):
                self._refused = reason
            case _:
                self._drop_rx(Drop.MALFORMED)


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
        self._guard = _Guard(self._context, curve, self._count_refused)
        self._socket = _socket(self._context, zmq.ROUTER, max_bytes)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # who comes back under its own name is let in again
        self._socket.setsockopt(zmq.SNDHWM, 16 * QUEUE_PACKETS)  # for all stations' sending in bursts
        self._socket.setsockopt(zmq.RCVHWM, 16 * QUEUE_PACKETS)
        try:
            self._guard.serve(self._socket)
            self.endpoint = _bind(self._socket, endpoint)
        except LinkError:
            self._guard.close()
            self._context.destroy(linger=0)
            raise
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
        if (received := _take(self._socket)) is None:
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
        self._guard = _Guard(self._context, curve, count)
        self._socket = _socket(self._context, zmq.REP, max_bytes)
        try:
            self._guard.serve(self._socket)
            self.endpoint = _bind(self._socket, endpoint)
        except LinkError:
            self._guard.close()
            self._context.destroy(linger=0)
            raise

    @property
    def sockets(self) -> list[zmq.Socket[bytes]]:
        """To be waited for."""
        return [self._socket, *self._guard.sockets]

    def serve(self, answer: Callable[[bytes], bytes]) -> bool:
        """Answer one request if there is one (one of several parts is as one of no bytes); whether there was."""
        self._guard.attend()
        if (parts := _take(self._socket)) is None:
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
    guard = _Guard(context, curve, lambda name: failed.update([name]))
    asking = context.socket(zmq.REQ)
    asking.setsockopt(zmq.LINGER, 0)
    try:
        guard.join(asking)
        _connect(asking, endpoint)
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
        self._socket = _socket(self._context, zmq.DEALER, max_bytes)
        # One name for all connections of this object, so that the other end knows us again after a broken one.
        self._socket.setsockopt(zmq.IDENTITY, b"\x01" + secrets.token_bytes(8))
        self._socket.setsockopt(zmq.IMMEDIATE, 1)  # while nobody is there, drop now: stale voice later is worthless
        self._guard = _Guard(self._context, curve, count)
        try:
            self._guard.join(self._socket)
            _connect(self._socket, endpoint)
        except LinkError:
            self._guard.close()
            self._context.destroy(linger=0)
            raise

    def send(self, message: bytes) -> bool:
        """Whether it could be sent: False while nobody is there, or too much waits."""
        try:
            self._socket.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def wait(self, timeout_s: float) -> None:
        """Return when there is a message, or after `timeout_s`."""
        _wait(self._socket, max(0.0, timeout_s))

    def receive(self) -> bytes | None:
        """The next message, None when there is none; one of several parts is as one of no bytes."""
        self._guard.attend()
        if (parts := _take(self._socket)) is None:
            return None
        return parts[0] if len(parts) == 1 else b""

    def close(self) -> None:
        """Let the last messages leave, then close."""
        self._guard.close()
        self._socket.close()
        self._context.term()
