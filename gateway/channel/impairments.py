"""One direction of one link as a pure, seeded function of what is sent and when.

Rule: no clock and no hidden randomness. The time and a numpy Generator are handed in; the same spec, seed and calls
give the same deliveries to the byte. Each impairment draws from its own child generator, so that switching one on does
not change the others: the same packets are lost with and without bit errors.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np

from gateway.airtimes import airtime_ms, check_airtimes
from gateway.channel.conditions import Conditions, PathModel
from gateway.channel.outages import Outages, check_windows

_PLAIN = Conditions()
LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "rate_bps": (1, 1e9),
        "queue_bytes": (1, 1e9),
        "delay_ms": (0, 3_600_000),
        "jitter_ms": (0, 600_000),
        "loss": (0, 1),
        "mean_burst": (1, 1e6),
        "bit_error_rate": (0, 0.5),
        "duplicate": (0, 1),
        "reorder": (0, 1),
        "reorder_ms": (0, 600_000),
        "turnaround_ms": (0, 600_000),
        "outages_period_s": (0.001, 1e9),
        "mtu_bytes": (1, 65_535),
        "overhead_bytes": (0, 65_535),
    }
)
"""Lowest and highest value of each figure of a ChannelSpec, both allowed."""


def check_figure(name: str, value: float) -> None:
    """Raise ValueError unless `value` lies within the limits of the figure `name`."""
    low, high = LIMITS[name]
    if not low <= value <= high:
        raise ValueError(f"needed: {low:g} to {high:g}")


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """The figures of one direction of a channel; the defaults are a perfect one.

    `rate_bps` serialises: a packet of n bytes takes (n + `overhead_bytes`) * 8 / rate_bps, the next one waits; or what
    `airtimes_ms` says, measured (bytes, ms) in ascending order, straight lines between and beyond them;
    `queue_bytes` (overhead included) bounds what may wait, None does not. `loss` is a share of packets, independent
    (`mean_burst` None) or Gilbert-Elliott with the given mean number of packets lost in a row. `jitter_ms` is the mean
    of an exponentially distributed delay on top of `delay_ms`; it does not reorder (a late packet holds up those behind
    it) unless `ordered` is False. `reorder` is the share of packets held back by `reorder_ms` while others pass.
    `turnaround_ms` is the key-up time before a half-duplex transmitter's first bit. `outages_s` are (start, end) since
    the channel was made, again every `outages_period_s` if that is given. Raises ValueError naming the figure.
    """

    name: str
    description: str = ""
    rate_bps: float | None = None
    queue_bytes: int | None = None
    overhead_bytes: int = 0
    mtu_bytes: int | None = None
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    ordered: bool = True
    loss: float = 0.0
    mean_burst: float | None = None
    bit_error_rate: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_ms: float = 0.0
    half_duplex: bool = False
    turnaround_ms: float = 0.0
    outages_s: tuple[tuple[float, float], ...] = ()
    outages_period_s: float | None = None
    airtimes_ms: tuple[tuple[int, float], ...] = ()
    model: PathModel | None = None
    """What the path does over time, on top of the figures above."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in LIMITS and value is not None:
                try:
                    check_figure(field.name, value)
                except ValueError as error:
                    raise ValueError(f"{field.name}: got {value!r}; {error}") from None
        if self.queue_bytes is not None and self.rate_bps is None:
            raise ValueError("queue_bytes: needs rate_bps, for without a rate nothing waits")
        if self.turnaround_ms and not self.half_duplex:
            raise ValueError("turnaround_ms: needs half_duplex = true")
        if (self.reorder > 0) != (self.reorder_ms > 0):
            raise ValueError("reorder and reorder_ms: each needs the other above 0")
        if self.mean_burst is not None and self.mean_burst < self.loss / (1 - self.loss or 1):
            shortest = self.loss / (1 - self.loss)
            raise ValueError(f"mean_burst: got {self.mean_burst:g}; a loss of {self.loss:g} needs {shortest:g} or more")
        check_windows(self.outages_s, self.outages_period_s)
        if self.airtimes_ms and self.rate_bps is None:
            raise ValueError("airtimes_ms: needs rate_bps, about what they amount to")
        check_airtimes(self.airtimes_ms)

    @property
    def damages_bits(self) -> bool:
        """Whether packets may arrive with wrong bits, so that someone has to check."""
        return self.bit_error_rate > 0 or (self.model is not None and self.model.damages_bits)

    @property
    def usual_delay_s(self) -> float:
        """One way, jitter left out: what plans count on."""
        return self.delay_ms / 1000 + (0.0 if self.model is None else self.model.usual_delay_s)

    def airtime_s(self, n_bytes: int) -> float:
        """Seconds that a packet of `n_bytes` occupies the channel, without turn-around; 0 without a rate."""
        if self.airtimes_ms:
            return airtime_ms(self.airtimes_ms, n_bytes) / 1000
        return 0.0 if self.rate_bps is None else (n_bytes + self.overhead_bytes) * 8 / self.rate_bps


@dataclass(frozen=True, slots=True)
class Delivery:
    """A packet that gets through: its last bit arrives at `at_s`, its first `airtime_s` earlier."""

    at_s: float
    data: bytes
    airtime_s: float = 0.0
    snr_db: float | None = None
    doppler_hz: float | None = None
    one_probability: tuple[float, ...] | None = None
    """How probably each bit of `data` is 1, where the channel's modem gives soft bits."""


@dataclass(frozen=True, slots=True)
class ChannelStats:
    """Packets so far. sent = delivered + lost + outage_lost + faded + cut_lost + queue_drops + oversize; copies are
    counted apart."""

    sent: int = 0
    delivered: int = 0
    lost: int = 0
    outage_lost: int = 0
    faded: int = 0
    """Lost by the model's conditions."""
    cut_lost: int = 0
    """Lost because somebody has cut the path, those under way at that moment included."""
    queue_drops: int = 0
    oversize: int = 0
    duplicated: int = 0
    reordered: int = 0
    bytes_delivered: int = 0
    bit_errors: int = 0

    @property
    def lost_on_the_way(self) -> int:
        """Lost by whatever the channel did, queue and MTU left out."""
        return self.lost + self.outage_lost + self.faded


class _LossProcess:
    """Losses as a two-state chain: the chance that the next packet is lost, given whether the last one was.

    Gilbert-Elliott with every packet lost in the bad state: leave r = 1/L, enter p = eps / (L (1 - eps)).
    """

    def __init__(self, loss: float, mean_burst: float | None, rng: np.random.Generator) -> None:
        self._rng = rng
        self.change(loss, mean_burst)
        self._lost = bool(rng.random() < loss)

    def change(self, loss: float, mean_burst: float | None) -> None:
        """Other figures from the next packet on."""
        self._after_loss = self._after_good = loss
        if mean_burst is not None and 0 < loss < 1:
            self._after_loss = 1 - 1 / mean_burst
            self._after_good = loss / (mean_burst * (1 - loss))

    def next_is_lost(self) -> bool:
        chance = self._after_loss if self._lost else self._after_good
        self._lost = bool(self._rng.random() < chance)
        return self._lost


class Channel:
    """One direction of one link in the making of `spec`; `start_s` is the zero of the scheduled outages."""

    def __init__(self, spec: ChannelSpec, rng: np.random.Generator, start_s: float = 0.0) -> None:
        self.spec = spec
        loss_rng, self._delay_rng, self._bits_rng, self._copy_rng, self._reorder_rng, path_rng, self._fate_rng = (
            rng.spawn(7)
        )
        self._loss = _LossProcess(spec.loss, spec.mean_burst, loss_rng)
        self._path_rng = path_rng
        self._path = None if spec.model is None else spec.model.start(path_rng, start_s)
        self._outages = Outages(spec.outages_s, spec.outages_period_s)
        self._outages_of = spec
        self.is_cut = False
        """Whether all that is sent is lost, as on a wire that somebody has cut."""
        self._start_s = start_s
        self._now_s = -math.inf
        self._last_at_s = -math.inf
        self._waiting: deque[tuple[float, int]] = deque()  # (begin of transmission, bytes) not yet begun
        self._burst = (-math.inf, -math.inf)
        self._counts: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()

    @property
    def causes(self) -> dict[str, int]:
        """Packets lost by the model's conditions, by cause."""
        return dict(self._causes)

    @property
    def burst_s(self) -> tuple[float, float]:
        """Begin and end of the latest uninterrupted transmission, key-up included; the end may lie ahead."""
        return self._burst

    @property
    def stats(self) -> ChannelStats:
        """The figures so far."""
        return ChannelStats(**self._counts)

    def change(self, spec: ChannelSpec, now_s: float) -> None:
        """Have the figures of `spec` from now on; what is under way keeps those it had. A new model starts now."""
        before, self.spec = self.spec, spec
        if (spec.loss, spec.mean_burst) != (before.loss, before.mean_burst):
            self._loss.change(spec.loss, spec.mean_burst)
        if spec.model != before.model:
            fresh = self._path_rng.spawn(1)[0]
            self._path = None if spec.model is None else spec.model.start(fresh, now_s)
        if spec.queue_bytes is None:
            self._waiting.clear()

    def recall(self, delivery_bytes: int, *, is_copy: bool) -> None:
        """Count a delivery as cut off on its way."""
        if is_copy:
            self._counts["duplicated"] -= 1
            return
        self._counts["delivered"] -= 1
        self._counts["bytes_delivered"] -= delivery_bytes
        self._counts["cut_lost"] += 1

    def reset_stats(self) -> None:
        """Begin counting anew; what the channel does is not changed."""
        self._counts.clear()
        self._causes.clear()

    def send(self, data: bytes, now_s: float) -> tuple[Delivery, ...]:
        """Send one packet at `now_s` (a time before the last call's counts as the last call's).

        Returns what arrives: nothing if lost, one delivery, or two if duplicated.
        """
        self._now_s = now_s = max(self._now_s, now_s)
        self._counts["sent"] += 1
        if self.spec.mtu_bytes is not None and len(data) > self.spec.mtu_bytes:
            self._counts["oversize"] += 1
            return ()
        span = self._transmit(len(data), now_s)
        if span is None:
            self._counts["queue_drops"] += 1
            return ()
        lost = self._loss.next_is_lost()
        found = _PLAIN if self._path is None else self._path.carry(data, *span)
        faded = found.loss > 0 and bool(self._fate_rng.random() < found.loss)
        if self.is_cut:
            self._counts["cut_lost"] += 1
            return ()
        if self._in_outage(*span):
            self._counts["outage_lost"] += 1
            return ()
        if lost:
            self._counts["lost"] += 1
            return ()
        if faded:
            self._counts["faded"] += 1
            self._causes[found.cause] += 1
            return ()
        return self._deliver(data, span, found)

    def _transmit(self, n_bytes: int, now_s: float) -> tuple[float, float] | None:
        """Begin and end of the packet's transmission, or None when the queue has no room for it."""
        burst_begin, busy_until = self._burst
        begin = busy_until
        if busy_until <= now_s:
            burst_begin, begin = now_s, now_s + self.spec.turnaround_ms / 1000
        elif self.spec.queue_bytes is not None:
            while self._waiting and self._waiting[0][0] <= now_s:
                self._waiting.popleft()
            size = n_bytes + self.spec.overhead_bytes
            if sum(waiting for _, waiting in self._waiting) + size > self.spec.queue_bytes:
                return None
            self._waiting.append((begin, size))
        end = begin + self.spec.airtime_s(n_bytes)
        self._burst = (burst_begin, end)
        return begin, end

    def _in_outage(self, begin: float, end: float) -> bool:
        if self._outages_of is not self.spec:
            self._outages_of = self.spec
            self._outages = Outages(self.spec.outages_s, self.spec.outages_period_s)
        return self._outages.meet(begin - self._start_s, end - self._start_s)

    def _deliver(self, data: bytes, span: tuple[float, float], found: Conditions) -> tuple[Delivery, ...]:
        spec, (begin, end) = self.spec, span
        if found.received is not None:
            data = self._replaced(data, found.received)
        data = self._damage(data, found.bit_error_rate)
        self._counts["delivered"] += 1
        self._counts["bytes_delivered"] += len(data)
        held_s = 0.0
        if spec.reorder and self._reorder_rng.random() < spec.reorder:
            self._counts["reordered"] += 1
            held_s = spec.reorder_ms / 1000
        arrivals = [self._arrival(end, held_s, found.delay_s)]
        if spec.duplicate and self._copy_rng.random() < spec.duplicate:
            arrivals.append(self._arrival(end, held_s, found.delay_s))
        arrivals += [arrivals[0] + later_s for later_s in found.copies_delay_s]
        self._counts["duplicated"] += len(arrivals) - 1
        return tuple(
            Delivery(at_s, data, end - begin, found.snr_db, found.doppler_hz, found.one_probability)
            for at_s in arrivals
        )

    def _replaced(self, sent: bytes, received: bytes) -> bytes:
        """`received`, with its wrong bits counted: those of bytes that are missing or too many as well."""
        size = max(len(sent), len(received))
        wrong = int.from_bytes(sent.ljust(size, b"\0")) ^ int.from_bytes(received.ljust(size, b"\0"))
        self._counts["bit_errors"] += wrong.bit_count()
        return received

    def _arrival(self, end: float, held_s: float, more_s: float) -> float:
        at_s = end + self.spec.delay_ms / 1000 + more_s
        if self.spec.jitter_ms:
            at_s += float(self._delay_rng.exponential(self.spec.jitter_ms)) / 1000
        if self.spec.ordered:
            at_s = max(at_s, self._last_at_s)
            if not held_s:  # a packet held back on purpose must not hold up the others
                self._last_at_s = at_s
        return at_s + held_s

    def _damage(self, data: bytes, more: float) -> bytes:
        plain = self.spec.bit_error_rate
        rate = plain + more - 2 * plain * more  # wrong by one of the two, not by both
        if not rate or not data:
            return data
        flips = self._bits_rng.random(8 * len(data)) < rate
        count = int(np.count_nonzero(flips))
        if not count:
            return data
        self._counts["bit_errors"] += count
        return np.bitwise_xor(np.frombuffer(data, np.uint8), np.packbits(flips)).tobytes()
