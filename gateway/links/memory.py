"""Stations within one process: a hub that hands every packet to all others on it, and a parrot for a station alone.

Rule: thread-safe, and usable from one thread with a ManualClock: there, waiting for a packet lets simulated time pass
(`clock.sleep`). A receiver that does not keep up loses its oldest packets (`link.rx_drop_queue_full`).
"""

from __future__ import annotations

import threading
from collections import deque

from gateway.clock import Clock, SystemClock
from gateway.links.base import Drop, Link, LinkInfo, Received
from gateway.metrics import Metrics

MTU_BYTES = 1024
QUEUE_PACKETS = 256


class MemoryHub:
    """The medium of any number of memory links: what one sends, all others that are open receive at once."""

    def __init__(self, clock: Clock, mtu_bytes: int = MTU_BYTES, queue_packets: int = QUEUE_PACKETS) -> None:
        self.clock = clock
        self.mtu_bytes = mtu_bytes
        self.queue_packets = queue_packets
        self.changed = threading.Condition()
        self.present: list[MemoryLink] = []
        """Links that are open; read and changed while holding `changed`."""

    def station(self, name: str, metrics: Metrics | None = None) -> MemoryLink:
        """A new link on this hub, not yet open."""
        return MemoryLink(self, name, metrics)


class MemoryLink(Link):
    """One station's end of a MemoryHub; made by `MemoryHub.station` or `memory_pair`."""

    def __init__(self, hub: MemoryHub, name: str, metrics: Metrics | None = None) -> None:
        super().__init__(metrics)
        self._hub = hub
        self._info = LinkInfo(f"memory:{name}", hub.mtu_bytes, has_integrity=True)
        self._queue: deque[Received] = deque()

    @property
    def info(self) -> LinkInfo:
        return self._info

    def _open(self) -> None:
        with self._hub.changed:
            self._hub.present.append(self)

    def _close(self) -> None:
        with self._hub.changed:
            self._hub.present.remove(self)
            self._queue.clear()
            self._hub.changed.notify_all()

    def _send(self, data: bytes) -> bool:
        with self._hub.changed:
            others = [link for link in self._hub.present if link is not self]
            for link in others:
                link._put(Received(data, self._hub.clock.now()))
            self._hub.changed.notify_all()
        if not others:
            self._drop_tx(Drop.NO_PEER)
        return bool(others)

    def _put(self, received: Received) -> None:
        if len(self._queue) >= self._hub.queue_packets:
            self._queue.popleft()
            self._drop_rx(Drop.QUEUE_FULL)
        self._queue.append(received)

    def _receive(self, timeout_s: float) -> Received | None:
        with self._hub.changed:
            if not self._queue and isinstance(self._hub.clock, SystemClock):
                self._hub.changed.wait_for(lambda: self._queue or not self._is_open, timeout_s)
            if self._queue:
                return self._queue.popleft()
        if not isinstance(self._hub.clock, SystemClock):
            self._hub.clock.sleep(timeout_s)
        return None


def memory_pair(
    clock: Clock, metrics: tuple[Metrics | None, Metrics | None] = (None, None), mtu_bytes: int = MTU_BYTES
) -> tuple[MemoryLink, MemoryLink]:
    """Two links, `a` and `b`, that hear each other and nobody else; not yet open."""
    hub = MemoryHub(clock, mtu_bytes)
    return hub.station("a", metrics[0]), hub.station("b", metrics[1])


class ParrotLink(Link):
    """A link without another station: hears its own packets again.

    `quiet_s` 0 returns each packet at once (a loopback); otherwise all that was sent comes back, evenly spaced as it
    was sent, beginning when nothing has been sent for `quiet_s`. Holds `queue_packets` at most, dropping the oldest.
    """

    def __init__(
        self,
        clock: Clock,
        quiet_s: float = 0.0,
        metrics: Metrics | None = None,
        mtu_bytes: int = MTU_BYTES,
        queue_packets: int = 4 * QUEUE_PACKETS,
    ) -> None:
        super().__init__(metrics)
        self._clock = clock
        self._quiet_s = quiet_s
        self._info = LinkInfo("loopback" if quiet_s == 0 else "parrot", mtu_bytes, has_integrity=True)
        self._queue_packets = queue_packets
        self._held: deque[tuple[float, bytes]] = deque()  # (sent at, packet): the over now being sent
        self._coming: deque[tuple[float, bytes]] = deque()  # (comes back at, packet)
        self._changed = threading.Condition()

    @property
    def info(self) -> LinkInfo:
        return self._info

    def _open(self) -> None:
        pass

    def _close(self) -> None:
        with self._changed:
            self._held.clear()
            self._coming.clear()
            self._changed.notify_all()

    def _send(self, data: bytes) -> bool:
        with self._changed:
            self._release(self._clock.now())
            self._held.append((self._clock.now(), data))
            if len(self._held) > self._queue_packets:
                self._held.popleft()
                self._drop_rx(Drop.QUEUE_FULL)
            self._changed.notify_all()
        return True

    def _release(self, now_s: float) -> None:
        """Turn the held packets into coming ones once it has been quiet for long enough."""
        if self._held and now_s >= self._held[-1][0] + self._quiet_s:
            later = self._held[-1][0] + self._quiet_s - self._held[0][0]
            self._coming.extend((sent_s + later, data) for sent_s, data in self._held)
            self._held.clear()

    def _next_due_s(self) -> float | None:
        if self._coming:
            return self._coming[0][0]
        return self._held[-1][0] + self._quiet_s if self._held else None

    def _receive(self, timeout_s: float) -> Received | None:
        deadline = self._clock.now() + timeout_s
        with self._changed:
            while True:
                now_s = self._clock.now()
                self._release(now_s + 1e-9)
                if self._coming and self._coming[0][0] <= now_s + 1e-9:
                    return Received(self._coming.popleft()[1], now_s)
                if now_s >= deadline - 1e-9 or not self._is_open:
                    return None
                due = self._next_due_s()
                wait_s = min(deadline, deadline if due is None else due) - now_s
                if isinstance(self._clock, SystemClock):
                    self._changed.wait(wait_s)
                else:
                    self._clock.sleep(wait_s)
