"""Many stations of a channel process in one: for measuring it, not for talking.

Rule: a socket for each station, as they have when they are processes of their own; one thread reads them all.
"""

from __future__ import annotations

import math
import secrets
from types import TracebackType
from typing import Self

import zmq

from gateway.clock import SystemClock
from gateway.errors import LinkError
from gateway.links import envelope

HELLO_EVERY_S = 1.0


class Crowd:
    """Stations `names` at the channel process at `endpoint`; a `with` block."""

    def __init__(self, endpoint: str, names: list[str]) -> None:
        self._endpoint, self._names = endpoint, names
        self._clock = SystemClock()
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._poller = zmq.Poller()
        self._sockets: list[zmq.Socket[bytes]] = []
        self._tokens = [secrets.randbits(63) for _ in names]
        self._welcomed: set[int] = set()
        self._index: dict[zmq.Socket[bytes], int] = {}
        self._next_hello = 0
        self._hello_s = -math.inf

    def __enter__(self) -> Self:
        for index, _ in enumerate(self._names):
            made = self._context.socket(zmq.DEALER)
            made.setsockopt(zmq.LINGER, 0)
            made.connect(self._endpoint)
            self._sockets.append(made)
            self._index[made] = index
            self._poller.register(made, zmq.POLLIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for made in self._sockets:
            made.close()
        self._context.term()

    def join(self, timeout_s: float) -> None:
        """Wait until all are welcome. Raises LinkError."""
        give_up_s = self._clock.now() + timeout_s
        while len(self._welcomed) < len(self._names):
            if self._clock.now() > give_up_s:
                raise LinkError(f"{len(self._welcomed)} of {len(self._names)} stations were let in at {self._endpoint}")
            self.heard(0.05)

    def send(self, station: int, data: bytes) -> None:
        """A packet of station number `station`."""
        packet = envelope.Packet(self._names[station], self._tokens[station], data)
        self._sockets[station].send(envelope.pack(packet), zmq.NOBLOCK)

    def heard(self, timeout_s: float) -> list[tuple[bytes, float]]:
        """What has come to any of them within the time, and when; keeps them present."""
        self._say_hello()
        packets = []
        for made, _ in self._poller.poll(math.ceil(timeout_s * 1000)):
            while made.poll(0, zmq.POLLIN):
                message = envelope.unpack(made.recv(zmq.NOBLOCK))
                at_s = self._clock.now()
                match message:
                    case envelope.Packet(data=data):
                        packets.append((data, at_s))
                    case envelope.Welcome():
                        self._welcomed.add(self._index[made])
        return packets

    def _say_hello(self) -> None:
        """One after the other, each once in a while."""
        now_s = self._clock.now()
        if now_s - self._hello_s < HELLO_EVERY_S / len(self._names):
            return
        self._hello_s = now_s
        index = self._next_hello % len(self._names)
        self._next_hello += 1
        self._sockets[index].send(envelope.pack(envelope.Hello(self._names[index], self._tokens[index])), zmq.NOBLOCK)
