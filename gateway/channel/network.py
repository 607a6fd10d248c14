"""Many stations in earshot of each other: one channel per ordered pair, and collisions where they are half duplex.

Rule: pure, as the channels are. A pair's randomness depends on the seed and the two names alone, never on who joined
first, so that a net can be repeated.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import count

import numpy as np

from gateway.channel.impairments import Channel, ChannelSpec, ChannelStats
from gateway.channel.selection import Selection

Pair = tuple[str, str]
Change = Callable[[ChannelSpec], ChannelSpec]
"""Figures that take the place of others. Raises ValueError where they do not fit together."""

DELAYS_KEPT = 64
"""Of the latest deliveries of each path."""
MAX_CHANGES = 1000
_SLACK_S = 1e-9
"""Times closer than this are one: sums of floats rarely meet exactly."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet at its receiver."""

    at_s: float
    source: str
    destination: str
    data: bytes


@dataclass(frozen=True, slots=True)
class PathFigures:
    """One direction so far. `delays_s` of its latest deliveries, from sending to arrival; `queue_s` until its
    transmitter is free; `collided` packets are among those that `stats` counts as delivered."""

    channel: str
    is_cut: bool
    stats: ChannelStats
    causes: Mapping[str, int]
    collided: int
    queue_s: float
    delays_s: tuple[float, ...]


@dataclass(slots=True)
class _Way:
    """A channel in use, and what is known beside its own figures."""

    channel: Channel
    delays_s: deque[float] = field(default_factory=lambda: deque(maxlen=DELAYS_KEPT))
    is_used: bool = False
    """False: only prepared."""
    collided: int = 0
    recent: int = 0
    """Packets since somebody last asked for the busiest."""
    counts_from: int = 0
    """Number of the first packet that the figures are about."""


@dataclass(frozen=True, slots=True)
class _Changed:
    """What was changed by hand, for paths that will be used later."""

    selection: Selection
    change: Change
    figures: frozenset[str]


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
        self._ways: dict[Pair, _Way] = {}
        self._ears: dict[str, _Ear] = {}
        self._under_way: list[tuple[float, int, float, bool, Arrival]] = []
        self._order = count()
        self._longest_s = 0.0
        self._forget_at_s = -math.inf
        self._collisions = 0
        self._changes: list[_Changed] = []
        self._cuts: list[tuple[Selection, bool]] = []

    @property
    def collisions(self) -> int:
        """Packets lost because two transmissions overlapped."""
        return self._collisions

    @property
    def next_due_s(self) -> float | None:
        """When the next packet arrives, None if none is under way."""
        return self._under_way[0][0] if self._under_way else None

    @property
    def pairs(self) -> list[Pair]:
        """(from, to) pairs used so far, sorted."""
        return sorted(pair for pair, way in self._ways.items() if way.is_used)

    def stats(self) -> dict[Pair, ChannelStats]:
        """Figures of every (from, to) pair used so far."""
        return {pair: self._ways[pair].channel.stats for pair in self.pairs}

    def figures(self, pair: Pair, now_s: float) -> PathFigures:
        """All about a pair used so far."""
        way = self._ways[pair]
        channel = way.channel
        return PathFigures(
            channel.spec.name,
            channel.is_cut,
            channel.stats,
            channel.causes,
            way.collided,
            max(0.0, channel.burst_s[1] - now_s),
            tuple(way.delays_s),
        )

    def busiest(self, most: int) -> list[Pair]:
        """Up to `most` of the paths that had the most packets since this was last asked, sorted; idle ones never."""
        used = [pair for pair, way in self._ways.items() if way.recent]
        found = heapq.nsmallest(most, used, key=lambda pair: (-self._ways[pair].recent, pair))
        for way in self._ways.values():
            way.recent = 0
        return sorted(found)

    def prepare(self, source: str, destination: str) -> None:
        """Make the channel of a pair before its first packet, when there is time for it; changes nothing else."""
        self._way(source, destination)

    def send(self, source: str, destinations: Iterable[str], data: bytes, now_s: float) -> None:
        """Put a packet of `source` on its way to each of `destinations` (itself excepted)."""
        for destination in destinations:
            if destination == source:
                continue
            way = self._way(source, destination)
            channel = way.channel
            way.is_used = True
            way.recent += 1
            is_copy = False
            for delivery in channel.send(data, now_s):
                arrival = Arrival(delivery.at_s, source, destination, delivery.data)
                entry = (delivery.at_s, next(self._order), delivery.airtime_s, is_copy, arrival)
                heapq.heappush(self._under_way, entry)
                if not is_copy:
                    way.delays_s.append(delivery.at_s - now_s)
                is_copy = True
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
            at_s, order, airtime_s, _, arrival = heapq.heappop(self._under_way)
            way = self._way(arrival.source, arrival.destination)
            if way.channel.spec.half_duplex and self._spoiled(arrival, at_s - airtime_s):
                self._collisions += 1
                way.collided += order >= way.counts_from
            else:
                arrived.append(arrival)
        if now_s >= self._forget_at_s:
            self._forget(now_s)
            self._forget_at_s = now_s + self._longest_s  # what is past does no harm, going through it costs time
        return arrived

    def change(self, selection: Selection, change: Change, figures: Iterable[str], now_s: float) -> int:
        """Give the paths selected, those not used yet as well, other `figures` (their names) from now on.

        All or nothing: raises ValueError naming a path that `change` does not fit. Returns how many are in use.
        """
        found: list[tuple[_Way, ChannelSpec]] = []
        for pair, way in sorted(self._ways.items(), key=lambda entry: entry[0]):
            if selection.fits(*pair):
                found.append((way, _changed(change, way.channel.spec, ">".join(pair))))
        for pair, spec in self._paths.items():
            if selection.fits(*pair) and pair not in self._ways:
                _changed(change, self._unused(pair, spec), ">".join(pair))
        if any(None in pair or (pair not in self._ways and pair not in self._paths) for pair in selection.pairs):
            everywhere = [one.change for one in self._changes if one.selection.fits_all]
            default = reduce(lambda spec, one: one(spec), everywhere, self._default)
            _changed(change, default, f"the net's channel, {default.name}")
        names = frozenset(figures)
        # An earlier change of the same paths that this one leaves nothing of would only be carried along.
        kept = [one for one in self._changes if one.selection != selection or not one.figures <= names]
        if len(kept) >= MAX_CHANGES:
            raise ValueError(f"{MAX_CHANGES} different changes have been made; restart the channel with another file")
        self._changes = [*kept, _Changed(selection, change, names)]
        for way, spec in found:
            way.channel.change(spec, now_s)
        return _in_use(way for way, _ in found)

    def cut(self, selection: Selection) -> int:
        """Let nothing through on the paths selected, those not used yet as well, until `restore`: what is under way
        is lost, too. Returns how many are in use."""
        kept = []
        for entry in self._under_way:
            _, order, _, is_copy, arrival = entry
            way = self._ways[arrival.source, arrival.destination]
            if not selection.fits(arrival.source, arrival.destination):
                kept.append(entry)
            elif order >= way.counts_from:
                way.channel.recall(len(arrival.data), is_copy=is_copy)
        heapq.heapify(kept)
        self._under_way = kept
        return self._set_cut(selection, is_cut=True)

    def restore(self, selection: Selection) -> int:
        """End a `cut`. Returns how many of the paths selected are in use."""
        return self._set_cut(selection, is_cut=False)

    def reset(self, selection: Selection) -> int:
        """Count anew on the paths selected. Returns how many are in use."""
        ways = self._selected(selection)
        after = next(self._order)
        for way in ways:
            way.channel.reset_stats()
            way.delays_s.clear()
            way.collided, way.counts_from = 0, after
        return _in_use(ways)

    def _set_cut(self, selection: Selection, *, is_cut: bool) -> int:
        self._cuts = [entry for entry in self._cuts if entry[0] != selection]
        if len(self._cuts) >= MAX_CHANGES:
            raise ValueError(f"{MAX_CHANGES} different cuts have been made; restore all (`*`)")
        self._cuts.append((selection, is_cut))
        if selection.fits_all and not is_cut:
            self._cuts.clear()
        ways = self._selected(selection)
        for way in ways:
            way.channel.is_cut = is_cut
        return _in_use(ways)

    def _selected(self, selection: Selection) -> list[_Way]:
        return [way for pair, way in self._ways.items() if selection.fits(*pair)]

    def _way(self, source: str, destination: str) -> _Way:
        pair = (source, destination)
        way = self._ways.get(pair)
        if way is None:
            spec = self._unused(pair, self._paths.get(pair, self._default))
            way = self._ways[pair] = _Way(Channel(spec, pair_rng(self._seed, *pair), self._start_s))
            for selection, is_cut in self._cuts:
                if selection.fits(*pair):
                    way.channel.is_cut = is_cut
        return way

    def _unused(self, pair: Pair, spec: ChannelSpec) -> ChannelSpec:
        """What a path that is not in use yet has by now."""
        for changed in self._changes:
            if changed.selection.fits(*pair):
                try:
                    spec = changed.change(spec)
                except ValueError:  # of several changes that fit on their own; those in use were asked
                    continue
        return spec

    def _ear(self, station: str) -> _Ear:
        return self._ears.setdefault(station, _Ear())

    def _spoiled(self, arrival: Arrival, begin: float) -> bool:
        ear, source = self._ear(arrival.destination), arrival.source
        end, begin = arrival.at_s - _SLACK_S, begin + _SLACK_S
        return any(a < end and begin < b for a, b in ear.own) or any(
            a < end and begin < b and talker != source for a, b, talker in ear.heard
        )

    def _forget(self, now_s: float) -> None:
        """Drop spans that no packet still under way can overlap: it began at most the longest air time ago."""
        horizon = now_s - self._longest_s
        for ear in self._ears.values():
            ear.heard = [span for span in ear.heard if span[1] > horizon]
            ear.own = [span for span in ear.own if span[1] > horizon]


def _in_use(ways: Iterable[_Way]) -> int:
    return sum(way.is_used for way in ways)


def _changed(change: Change, spec: ChannelSpec, name: str) -> ChannelSpec:
    try:
        return change(spec)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def pair_rng(seed: int, source: str, destination: str) -> np.random.Generator:
    """The generator of one direction: a function of the net's seed and the two names."""
    names = hashlib.sha256(f"{source}\0{destination}".encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(names[:16], "big")]))
