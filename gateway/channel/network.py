"""Many stations in earshot of each other: one channel per ordered pair, and collisions where they are half duplex.

Rule: pure, as the channels are. A pair's randomness depends on the seed and the two names alone, never on who joined
first, so that a net can be repeated.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from gateway.channel.impairments import Channel, ChannelSpec, ChannelStats

_SLACK_S = 1e-9
"""Times closer than this are one: sums of floats rarely meet exactly."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet at its receiver."""

    at_s: float
    source: str
    destination: str
    data: bytes


@dataclass(slots=True)
class _Ear:
    """What may spoil reception at one station: (begin, end, talker) of what it hears, (begin, end) of its own."""

    heard: list[tuple[float, float, str]] = field(default_factory=list)
    own: list[tuple[float, float]] = field(default_factory=list)


class Network:
    """Channels between named stations, with the packets under way.

    `paths` gives the (from, to) pairs that differ from `default`. On a half-duplex path a packet is lost when its
    reception overlaps another talker's packet at the same receiver, or the receiver's own transmission. Packets that
    the channel loses are too faint to collide.
    """

    def __init__(
        self,
        default: ChannelSpec,
        *,
        seed: int,
        start_s: float = 0.0,
        paths: Mapping[tuple[str, str], ChannelSpec] | None = None,
    ) -> None:
        self._default = default
        self._paths = dict(paths or {})
        self._seed = seed
        self._start_s = start_s
        self._channels: dict[tuple[str, str], Channel] = {}
        self._ears: dict[str, _Ear] = {}
        self._under_way: list[tuple[float, int, float, Arrival]] = []
        self._order = count()
        self._longest_s = 0.0
        self._collisions = 0

    @property
    def collisions(self) -> int:
        """Packets lost because two transmissions overlapped."""
        return self._collisions

    @property
    def next_due_s(self) -> float | None:
        """When the next packet arrives, None if none is under way."""
        return self._under_way[0][0] if self._under_way else None

    def stats(self) -> dict[tuple[str, str], ChannelStats]:
        """Figures of every (from, to) pair used so far."""
        return {pair: channel.stats for pair, channel in sorted(self._channels.items())}

    def send(self, source: str, destinations: Iterable[str], data: bytes, now_s: float) -> None:
        """Put a packet of `source` on its way to each of `destinations` (itself excepted)."""
        for destination in destinations:
            if destination == source:
                continue
            channel = self._channel(source, destination)
            for delivery in channel.send(data, now_s):
                arrival = Arrival(delivery.at_s, source, destination, delivery.data)
                entry = (delivery.at_s, next(self._order), delivery.airtime_s, arrival)
                heapq.heappush(self._under_way, entry)
                self._longest_s = max(self._longest_s, delivery.airtime_s)
                if delivery.airtime_s:
                    span = (delivery.at_s - delivery.airtime_s, delivery.at_s, source)
                    self._ear(destination).heard.append(span)
            own, burst = self._ear(source).own, channel.burst_s
            if own and own[-1][0] == burst[0]:
                own[-1] = (burst[0], max(own[-1][1], burst[1]))
            elif burst[1] > burst[0]:
                own.append(burst)

    def due(self, now_s: float) -> list[Arrival]:
        """Packets that have arrived by `now_s`, in order of arrival, collided ones left out and counted."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now_s + _SLACK_S:
            at_s, _, airtime_s, arrival = heapq.heappop(self._under_way)
            spec = self._channel(arrival.source, arrival.destination).spec
            if spec.half_duplex and self._spoiled(arrival, at_s - airtime_s):
                self._collisions += 1
            else:
                arrived.append(arrival)
        self._forget(now_s)
        return arrived

    def _channel(self, source: str, destination: str) -> Channel:
        pair = (source, destination)
        if pair not in self._channels:
            spec = self._paths.get(pair, self._default)
            self._channels[pair] = Channel(spec, pair_rng(self._seed, *pair), self._start_s)
        return self._channels[pair]

    def _ear(self, station: str) -> _Ear:
        return self._ears.setdefault(station, _Ear())

    def _spoiled(self, arrival: Arrival, begin: float) -> bool:
        ear, end = self._ear(arrival.destination), arrival.at_s
        spans = [span[:2] for span in ear.heard if span[2] != arrival.source] + ear.own
        return any(a < end - _SLACK_S and begin < b - _SLACK_S for a, b in spans)

    def _forget(self, now_s: float) -> None:
        """Drop spans that no packet still under way can overlap: it began at most the longest air time ago."""
        horizon = now_s - self._longest_s
        for ear in self._ears.values():
            ear.heard = [span for span in ear.heard if span[1] > horizon]
            ear.own = [span for span in ear.own if span[1] > horizon]


def pair_rng(seed: int, source: str, destination: str) -> np.random.Generator:
    """The generator of one direction: a function of the net's seed and the two names."""
    names = hashlib.sha256(f"{source}\0{destination}".encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(names[:16], "big")]))
