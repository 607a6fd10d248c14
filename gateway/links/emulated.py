"""Any link with a channel model on its sending side.

Rule: no thread of its own. What is under way is handed to the link below when it is due, by whatever call comes next:
`receive` (which wakes up for it while it waits), `send`, or `pump`, which simulated time uses to learn what is next.
"""

from __future__ import annotations

import heapq
from dataclasses import asdict, replace
from itertools import count

import numpy as np

from gateway.channel.impairments import Channel, ChannelSpec, ChannelStats, Delivery
from gateway.clock import Clock
from gateway.links.base import Drop, Link, LinkInfo, Received

_SLACK_S = 1e-9
"""Times closer than this are one, so that waiting for a time reached by adding floats always ends."""


class EmulatedLink(Link):
    """`inner` behind a Channel of `spec`; opening and closing it opens and closes `inner`.

    Scheduled outages count from the making of this object. Half duplex: packets that arrive while this station
    transmits are lost (`channel.rx_drop_transmitting`). Counters and the channel's figures are named `channel.*`, in
    the Metrics of `inner`, which counts `link.*` as ever.
    """

    _layer = "channel"

    def __init__(self, inner: Link, spec: ChannelSpec, rng: np.random.Generator, clock: Clock) -> None:
        super().__init__(inner.metrics)
        self._inner = inner
        self._spec = spec
        self._clock = clock
        self._inner_info = inner.info
        self._info = self._info_behind(self._inner_info)
        self._channel = Channel(spec, rng, clock.now())
        self._under_way: list[tuple[float, int, bytes]] = []
        self._order = count()
        self.last_sent_s = clock.now()
        self.last_deliveries: tuple[Delivery, ...] = ()
        """What becomes of the packet sent last, at `last_sent_s`: for those who record."""

    @property
    def info(self) -> LinkInfo:
        inner = self._inner.info
        if inner is not self._inner_info:  # asked for several times a turn, and hardly ever another
            self._inner_info, self._info = inner, self._info_behind(inner)
        return self._info

    def _info_behind(self, inner: LinkInfo) -> LinkInfo:
        spec = self._spec
        rates = [rate for rate in (inner.rate_bps, spec.rate_bps) if rate is not None]
        return replace(
            inner,
            name=f"{inner.name}+{spec.name}",
            mtu_bytes=inner.mtu_bytes if spec.mtu_bytes is None else min(inner.mtu_bytes, spec.mtu_bytes),
            rate_bps=min(rates, default=None),
            half_duplex=inner.half_duplex or spec.half_duplex,
            turnaround_s=max(inner.turnaround_s, spec.turnaround_ms / 1000),
            has_integrity=inner.has_integrity and not spec.damages_bits,
            overhead_bytes=max(inner.overhead_bytes, spec.overhead_bytes),
            delay_s=inner.delay_s + spec.usual_delay_s + spec.jitter_ms / 1000,
            airtimes_ms=spec.airtimes_ms or inner.airtimes_ms,
        )

    @property
    def stats(self) -> ChannelStats:
        """The channel's figures so far."""
        return self._channel.stats

    def ready(self) -> bool:
        return super().ready() and self._inner.ready() and not self._transmitting(self._clock.now())

    def outage(self) -> str | None:
        return self._inner.outage()

    def pump(self) -> float | None:
        """Hand on what is due now; returns when the next packet is due, None if none is under way."""
        now_s = self._clock.now()
        while self._is_open and self._under_way and self._under_way[0][0] <= now_s + _SLACK_S:
            self._inner.send(heapq.heappop(self._under_way)[2])
        return self._under_way[0][0] if self._under_way else None

    def _open(self) -> None:
        self._inner.open()

    def _close(self) -> None:
        self._under_way.clear()
        self._inner.close()

    def _send(self, data: bytes) -> bool:
        self.last_sent_s = self._clock.now()
        self.last_deliveries = self._channel.send(data, self.last_sent_s)
        for delivery in self.last_deliveries:
            heapq.heappush(self._under_way, (delivery.at_s, next(self._order), delivery.data))
        for name, value in asdict(self._channel.stats).items():
            self.metrics.gauge(f"channel.{name}", value)
        self.pump()
        return True

    def _receive(self, timeout_s: float) -> Received | None:
        deadline = self._clock.now() + timeout_s
        while True:
            due = self.pump()
            now_s = self._clock.now()
            until = deadline if due is None else min(deadline, due)
            received = self._inner.receive(max(0.0, until - now_s))
            if received is not None and self._spec.half_duplex and self._transmitting(received.at_s):
                self._drop_rx(Drop.TRANSMITTING)
            elif received is not None:
                return received
            elif self._clock.now() >= deadline - _SLACK_S:
                self.pump()
                return None

    def _transmitting(self, when_s: float) -> bool:
        begin, end = self._channel.burst_s
        return begin <= when_s < end
