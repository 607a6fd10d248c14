"""The channel between virtual modems: half duplex, collisions, travel time, loss and bit errors.

Rule: pure. A frame that begins while its receiver transmits, or overlaps another frame at the receiver, is lost there;
what else befalls it is a `gateway.channel` model, one per direction, seeded.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from firmware_bridge.sim.base import AirFrame, AirQuality, VirtualModem
from gateway.channel.impairments import Channel, ChannelSpec

_SLACK_S = 1e-9


@dataclass(slots=True)
class _Arrival:
    """A frame at one receiver, from its first bit to its last."""

    frame: AirFrame
    begin_s: float
    end_s: float
    spoilt: bool = False


class Air:
    """Joins `modems` (by name); `step` when a modem may have given a frame and at `next_deadline`."""

    def __init__(
        self,
        modems: Mapping[str, VirtualModem],
        spec: ChannelSpec,
        seed: int = 0,
        *,
        delay_s: float = 0.0,
        half_duplex: bool = True,
        snr_db: float | None = None,
        start_s: float = 0.0,
    ) -> None:
        """`spec`'s losses, errors and delay come on top of `delay_s`; its rate counts not: modems know their own."""
        self._modems = dict(modems)
        self._half_duplex, self._delay_s, self.snr_db = half_duplex, delay_s, snr_db
        self._seeds = np.random.SeedSequence(seed)
        self._channels: dict[tuple[str, str], Channel] = {}
        self.spec = spec
        self.change(spec, start_s)
        self._waiting: dict[str, deque[AirFrame]] = {name: deque() for name in self._modems}
        self._sending: dict[str, tuple[float, float, AirFrame]] = {}
        self._arrivals: dict[str, list[_Arrival]] = {name: [] for name in self._modems}
        self._due: list[tuple[float, int, str, _Arrival, AirFrame]] = []
        self._hears = dict.fromkeys(self._modems, False)
        self._stepped_s = start_s
        self._order = count()
        self.cut = False
        """Nothing gets through while set."""
        self.counts: Counter[str] = Counter()
        """`sent`, `delivered`, `lost`, `collided`."""
        self.busy_s: dict[str, float] = dict.fromkeys(self._modems, 0.0)
        """Seconds each modem has been on the air."""

    def change(self, spec: ChannelSpec, now: float) -> None:
        """Another channel for frames that begin from now on; its outages count from now."""
        self.spec = spec
        plain = replace(
            spec,
            rate_bps=None,
            queue_bytes=None,
            half_duplex=False,
            turnaround_ms=0.0,
            overhead_bytes=0,
            airtimes_ms=(),
        )
        pairs = [(a, b) for a in self._modems for b in self._modems if a != b]
        seeds = self._seeds.spawn(len(pairs))
        self._channels = {
            pair: Channel(plain, np.random.default_rng(one), now) for pair, one in zip(pairs, seeds, strict=True)
        }

    def step(self, now: float) -> None:
        """End, deliver and begin what is due."""
        moved = True
        while moved:
            moved = self._end(now) or self._deliver(now)
            moved = self._listen(now) or moved
            for name, modem in self._modems.items():
                self._waiting[name].extend(modem.take_air())
                if self._waiting[name] and name not in self._sending:
                    self._begin(name, self._waiting[name].popleft(), now)
                    moved = True

    def next_deadline(self) -> float | None:
        """When `step` has something to do even if no modem speaks."""
        times = [end for _, end, _ in self._sending.values()] + ([self._due[0][0]] if self._due else [])
        begins = [arrival.begin_s for arrivals in self._arrivals.values() for arrival in arrivals]
        times += [begin for begin in begins if begin > self._stepped_s + _SLACK_S]
        return min(times, default=None)

    def is_sending(self, name: str) -> bool:
        """Whether this modem is on the air."""
        return name in self._sending

    def abort(self, name: str) -> None:
        """This modem's frame breaks off (a power cut): nobody can read it."""
        self._waiting[name].clear()
        begun = self._sending.pop(name, None)
        if begun is not None:
            for _, _, other, arrival, frame in self._due:
                if frame is begun[2]:
                    self._arrivals[other].remove(arrival)
            self._due = [item for item in self._due if item[4] is not begun[2]]
            heapq.heapify(self._due)

    def _begin(self, name: str, frame: AirFrame, now: float) -> None:
        end = now + frame.duration_s
        self._sending[name] = (now, end, frame)
        self.busy_s[name] += frame.duration_s
        self.counts["sent"] += 1
        if self._half_duplex:
            for arrival in self._arrivals[name]:
                if arrival.begin_s < now - _SLACK_S:  # what is still on its way may find us silent again
                    arrival.spoilt = True
        for other in self._modems:
            if other != name:
                self._launch(name, other, frame, now)

    def _launch(self, name: str, other: str, frame: AirFrame, now: float) -> None:
        deliveries = self._channels[name, other].send(frame.data, now + frame.duration_s)
        if not deliveries:
            self.counts["lost"] += 1
        for delivery in deliveries:
            end = delivery.at_s + self._delay_s
            arrived = _damaged(frame, delivery.data)
            arrival = _Arrival(arrived or frame, end - frame.duration_s, end, spoilt=arrived is None)
            heapq.heappush(self._due, (end, next(self._order), other, arrival, frame))
            for present in self._arrivals[other]:
                if present.begin_s < arrival.end_s - _SLACK_S and arrival.begin_s < present.end_s - _SLACK_S:
                    present.spoilt = arrival.spoilt = True
            self._arrivals[other].append(arrival)

    def _listen(self, now: float) -> bool:
        """Tell modems that a signal has begun, or that all have ended."""
        self._stepped_s = now
        changed = False
        for name, modem in self._modems.items():
            hears = any(arrival.begin_s <= now + _SLACK_S for arrival in self._arrivals[name])
            if hears != self._hears[name]:
                self._hears[name], changed = hears, True
                modem.carrier(hears, now)
        return changed

    def _end(self, now: float) -> bool:
        ended = [name for name, (_, end, _) in self._sending.items() if end <= now + _SLACK_S]
        for name in ended:
            begin, end, frame = self._sending.pop(name)
            if self._half_duplex:
                for arrival in self._arrivals[name]:
                    if arrival.begin_s < end - _SLACK_S and begin < arrival.end_s - _SLACK_S:
                        arrival.spoilt = True
            self._modems[name].frame_ended(frame, now)
        return bool(ended)

    def _deliver(self, now: float) -> bool:
        if not (self._due and self._due[0][0] <= now + _SLACK_S):
            return False
        _, _, name, arrival, _ = heapq.heappop(self._due)
        own = self._sending.get(name)
        if self._half_duplex and own is not None and own[0] < arrival.end_s - _SLACK_S:
            arrival.spoilt = True
        self._arrivals[name].remove(arrival)
        if arrival.spoilt or self.cut:
            self.counts["collided" if arrival.spoilt and not self.cut else "lost"] += 1
        else:
            self.counts["delivered"] += 1
            self._modems[name].on_air(arrival.frame, AirQuality(self.snr_db), now)
        return True


def _damaged(frame: AirFrame, data: bytes) -> AirFrame | None:
    """The frame with the channel's wrong bits where it may have them; None: it cannot be read."""
    if data == frame.data:
        return frame
    if frame.damageable is None:
        return None
    low, high = frame.damageable
    if data[:low] != frame.data[:low] or data[high:] != frame.data[high:]:
        # The rest is what a modem protects for itself (preamble, header): there the damage is not let through.
        data = frame.data[:low] + data[low:high] + frame.data[high:]
    return replace(frame, data=data)
