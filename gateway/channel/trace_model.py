"""Replay of a recorded trace: each packet meets what one met at that time of the recording.

Rule: pure: the trace was read with the channel file and comes as arrays. The same seed and calls give the same
deliveries, to the bit.

By time, a packet takes the fate of the recorded one sent nearest to it; several sent at once take theirs in turn, so
that a repeated run meets exactly the recorded fates. By packet, the n-th takes the n-th fate: for loss strings and
other traces without times. Delivery opportunities (Mahimahi) let a packet out when its bytes have had their turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.traces.flights import Flights, Floats

LOST_AFTER_END = "trace ended"
RECORDED = "recorded"
NEAR_S = 0.02
"""A packet takes a fate of its own within this time (or half the usual spacing, if less); else the nearest."""


@dataclass(frozen=True, slots=True)
class TraceModel(PathModel):
    """The table of `kind = "trace"`.

    `file` (relative to the channel file) and in it `direction` ("alpha > bravo"; default: the busiest). From `offset_s`
    ("random": anywhere, by the seed) `window_s` of the recording, at `speed` times its pace; at its `end` it begins
    again ("wrap") or nothing arrives any more ("stop"). `by` "auto": by packet where the trace has no times. Delays
    that were not recorded are drawn from those that were, by `seed` (default: the channel's).
    """

    file: str
    direction: str = ""
    end: Literal["wrap", "stop"] = "wrap"
    offset_s: float | Literal["random"] = 0.0
    window_s: float | None = None
    speed: float = 1.0
    by: Literal["auto", "time", "packet"] = "auto"
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.file:
            raise ValueError("file: needs the path of a trace")
        if not isinstance(self.offset_s, str) and not 0 <= self.offset_s < math.inf:
            raise ValueError(f'offset_s: got {self.offset_s:g}; needed: 0 or more, or "random"')
        if self.window_s is not None and not 0 < self.window_s < math.inf:
            raise ValueError(f"window_s: got {self.window_s:g}; needed: above 0")
        if not 0 < self.speed <= 1e6:
            raise ValueError(f"speed: got {self.speed:g}; needed: above 0, at most 1e6")
        if self.seed is not None and self.seed < 0:
            raise ValueError(f"seed: got {self.seed}; needed: 0 or more")

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        raise ValueError(f"file: {self.file} has not been read; load_channel reads it with the channel file")


@dataclass(frozen=True, slots=True)
class LoadedTrace(PathModel):
    """A TraceModel with its data."""

    model: TraceModel
    flights: Flights
    has_times: bool = True

    def __post_init__(self) -> None:
        count = len(self.flights) + len(self.flights.opportunity_s)
        if not count:
            raise ValueError(f"file: {self.model.file} has no packet whose fate is known")
        offset_s = 0.0 if self.model.offset_s == "random" else self.model.offset_s
        if not len(self._inside(offset_s)):
            length_s = float(np.ptp(self._times()))
            raise ValueError(f"offset_s: {offset_s:g} leaves nothing of a trace of {length_s:g} s")

    def _times(self) -> Floats:
        flights = self.flights
        return flights.opportunity_s if len(flights.opportunity_s) else flights.sent_s

    def _inside(self, offset_s: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        times = self._times()
        begin = float(times[0]) + offset_s
        end = math.inf if self.model.window_s is None else begin + self.model.window_s
        low, high = np.searchsorted(times, [begin - 1e-9, end], side="left")
        return np.arange(low, high)

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        if self.model.seed is not None:
            rng = np.random.default_rng(self.model.seed)
        times = self._times()
        begin = float(times[0])
        offset_s: float
        if self.model.offset_s == "random":
            room = float(times[-1]) - begin - (self.model.window_s or 0.0)
            choices = max(1, int(np.searchsorted(times, begin + max(0.0, room))))
            offset_s = float(times[int(rng.integers(choices))]) - begin
        else:
            offset_s = self.model.offset_s
        inside = self._inside(offset_s)
        if len(self.flights.opportunity_s):
            return _OpportunityPath(self, inside, begin + offset_s, start_s)
        return _FatePath(self, inside, begin + offset_s, start_s, rng)


def _lap_s(times: Floats, begin_s: float, window_s: float | None) -> float:
    """How long a lap is: the window, or to the last packet and one usual spacing more."""
    if window_s is not None:
        return window_s
    steps = np.diff(times)
    usual = float(np.median(steps[steps > 0])) if np.any(steps > 0) else 1.0
    return float(times[-1]) - begin_s + usual


class _FatePath(Path):
    """Recorded fates in turn."""

    def __init__(
        self,
        loaded: LoadedTrace,
        inside: np.ndarray[tuple[int], np.dtype[np.int64]],
        begin_s: float,
        start_s: float,
        rng: np.random.Generator,
    ) -> None:
        model, flights = loaded.model, loaded.flights
        self._model, self._start_s, self._begin_s = model, start_s, begin_s
        self._by_packet = model.by == "packet" or (model.by == "auto" and not loaded.has_times)
        self._times = flights.sent_s[inside]
        self._lost = flights.is_lost[inside]
        delays = flights.delay_s[inside].copy()
        unknown = np.flatnonzero(np.isnan(delays) & ~self._lost)
        known = flights.known_delays_s
        # Drawn for every packet of the recording, not for each asked for: who asks changes nothing.
        delays[unknown] = rng.choice(known, len(unknown)) if len(known) else 0.0
        self._delays = np.maximum(delays, 0.0)
        self._snr, self._doppler = flights.snr_db[inside], flights.doppler_hz[inside]
        self._copies: dict[int, list[float]] = {}
        for of, later_s in zip(flights.copy_of.tolist(), flights.copy_later_s.tolist(), strict=True):
            if inside[0] <= of <= inside[-1]:
                self._copies.setdefault(of - int(inside[0]), []).append(later_s)
        self._lap_s = _lap_s(self._times, begin_s, model.window_s)
        steps = np.diff(self._times)
        usual = float(np.median(steps[steps > 0])) if np.any(steps > 0) else NEAR_S
        self._near_s = min(NEAR_S, usual / 2)
        self._asked = 0
        self._lap = 0
        self._free = 0  # the first recorded packet that nobody has taken in this lap

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        place = self._next() if self._by_packet else self._at((begin_s - self._start_s) * self._model.speed)
        if place is None:
            return Conditions(loss=1.0, cause=LOST_AFTER_END)
        if self._lost[place]:
            return Conditions(loss=1.0, cause=RECORDED)
        return Conditions(
            delay_s=float(self._delays[place]),
            snr_db=_value(self._snr[place]),
            doppler_hz=_value(self._doppler[place]),
            copies_delay_s=tuple(self._copies.get(place, ())),
        )

    def _next(self) -> int | None:
        lap, place = divmod(self._asked, len(self._times))
        self._asked += 1
        return place if lap == 0 or self._model.end == "wrap" else None

    def _at(self, elapsed_s: float) -> int | None:
        lap = int(elapsed_s // self._lap_s)
        if lap > 0 and self._model.end == "stop":
            return None
        if lap != self._lap:
            self._lap, self._free = lap, 0
        when = self._begin_s + elapsed_s - lap * self._lap_s
        low, high = np.searchsorted(self._times, [when - self._near_s - 1e-9, when + self._near_s + 1e-9])
        low = max(int(low), self._free)
        if low < high:
            # Of those still free the nearest; of several at one time the first.
            place = low + int(np.argmin(np.round(np.abs(self._times[low:high] - when), 9)))
            self._free = place + 1
            return place
        after = int(np.searchsorted(self._times, when))
        around = [place for place in (after - 1, after) if 0 <= place < len(self._times)]
        return min(around, key=lambda place: abs(float(self._times[place]) - when))


class _OpportunityPath(Path):
    """Bytes that wait for their turn, as mm-link does it: an opportunity that nobody waits for is wasted."""

    def __init__(
        self,
        loaded: LoadedTrace,
        inside: np.ndarray[tuple[int], np.dtype[np.int64]],
        begin_s: float,
        start_s: float,
    ) -> None:
        self._model, self._start_s = loaded.model, start_s
        self._times = loaded.flights.opportunity_s[inside] - begin_s
        self._bytes = loaded.flights.opportunity_bytes[inside]
        self._lap_s = max(_lap_s(self._times, 0.0, loaded.model.window_s), 1e-3)
        self._next = 0  # counted through all laps
        self._left = 0.0  # bytes that are left of the opportunity before it
        self._left_at_s = -math.inf

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        ready_s = (begin_s - self._start_s) * self._model.speed
        if ready_s > self._left_at_s:
            self._left = 0.0
            self._skip_to(ready_s)
        needed = n_bytes - self._left
        while needed > 0:
            lap, place = divmod(self._next, len(self._times))
            if lap and self._model.end == "stop":
                return Conditions(loss=1.0, cause=LOST_AFTER_END)
            self._left_at_s = lap * self._lap_s + float(self._times[place])
            needed -= float(self._bytes[place]) or 1.0
            self._next += 1
        self._left = -needed
        return Conditions(delay_s=max(0.0, self._left_at_s - ready_s) / self._model.speed)

    def _skip_to(self, ready_s: float) -> None:
        lap = int(ready_s // self._lap_s)
        place = int(np.searchsorted(self._times, ready_s - lap * self._lap_s - 1e-9))
        self._next = max(self._next, lap * len(self._times) + place)


def _value(number: float) -> float | None:
    return None if math.isnan(number) else float(number)
