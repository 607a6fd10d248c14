"""ZeroMQ links: stations as peers, stations behind a channel process.

Rule: best effort, as a radio is. Queues are short and bounded, nothing is sent again, an absent or restarted other side
is normal and found again without help; only what cannot be set right by waiting (a bad address, a port in use, a name
taken by another station) is a LinkError.

A ZeroMQ link waits in real time whatever clock it is given, so that clock should be a SystemClock. Its sockets are
guarded by locks: calls from another thread are safe but may wait for one in progress, and a link is meant to be used by
one thread (peers: one that sends and one that receives).
"""

from __future__ import annotations

import math
import secrets
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import zmq

from gateway.clock import Clock, SystemClock
from gateway.errors import LinkError
from gateway.links import envelope
from gateway.links.base import Drop, Link, LinkInfo, Received
from gateway.links.curve import Curve
from gateway.links.sockets import (
    QUEUE_PACKETS,
    Guard,
    bind,
    connect,
    new_socket,
    take,
    wait_for,
)
from gateway.metrics import Metrics

MTU_BYTES = 1024
KEEPALIVE_S = 1.0
"""How often a station tells the channel process that it is there."""


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
        self._tx = new_socket(self._context, zmq.XPUB, envelope.MAX_MESSAGE_BYTES)
        self._rx = new_socket(self._context, zmq.SUB, envelope.MAX_MESSAGE_BYTES)
        self._guard = Guard(self._context, self._curve, lambda name: self.metrics.count(f"{self._layer}.{name}"))
        with self._guard.opening():
            self._tx.setsockopt(zmq.XPUB_VERBOSER, 1)  # every coming and going of a listener is told
            self._rx.setsockopt(zmq.LINGER, 0)
            self._rx.setsockopt(zmq.SUBSCRIBE, b"")
            self._guard.serve(self._tx)
            bind(self._tx, self._bind_to)
            for number, endpoint in enumerate(self._connect_to):
                self._guard.join(self._rx, number)
                connect(self._rx, endpoint)

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
        while (parts := take(self._tx)) is not None:
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
            while wait_for(self._rx, max(0.0, deadline - self._clock.now()), also=self._guard.sockets):
                self._guard.attend()
                if (parts := take(self._rx)) is None:
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
        self._socket = new_socket(self._context, zmq.DEALER, envelope.MAX_MESSAGE_BYTES)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)  # while nobody is there, drop now: stale voice later is worthless
        self._guard = Guard(self._context, self._curve, lambda name: self.metrics.count(f"{self._layer}.{name}"))
        with self._guard.opening():
            self._guard.join(self._socket)
            connect(self._socket, self._endpoint)
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
                    wait_for(self._socket, min(deadline, hello_s) - now_s)
                else:  # hello could not leave: wait for the connection as well
                    wait_for(self._socket, deadline - now_s, zmq.POLLIN | zmq.POLLOUT)

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
        while (parts := take(self._socket)) is not None:
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
