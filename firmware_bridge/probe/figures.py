"""From what was measured to a modem's figures: air time by length, delay, loss, and whether live voice fits.

Rule: pure arithmetic on what the prober noted; a figure that cannot be known is None and stays the profile's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

from firmware_bridge.profile import AirSection, ModemProfile
from gateway.links.base import LinkInfo
from gateway.protocol.live import CHECKSUM, NO_PROTECTION, LinkProfile, LiveRow, LiveVerdict, live_row, live_verdict

DEFAULT_FRAMES = 6
UNMEASURABLE_S = 1e-6
"""Less air time than this for a byte is too little to be told from none."""


class Way(Enum):
    """The direction of a burst."""

    THERE = "there"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class BurstResult:
    """One burst: `sent` parts of `length` bytes, `spacing_s` between arrivals (None: fewer than two came)."""

    way: Way
    length: int
    sent: int
    received: int
    spacing_s: float | None


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One answered probe: `seconds` without what the other side held it."""

    length: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Notes:
    """All that a test has measured. `key_up_s`: what the first of many packets took longer than the next, where the
    modem tells when one has left."""

    round_trips: tuple[RoundTrip, ...]
    probes_sent: int
    bursts: tuple[BurstResult, ...]
    damaged: int
    key_up_s: float | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """Seconds of a packet of n bytes: `fixed_s` + n * `byte_s`; `worst_s` is the farthest measured from that."""

    fixed_s: float
    byte_s: float
    worst_s: float

    def seconds(self, n_bytes: float) -> float:
        """Of a packet of `n_bytes`."""
        return self.fixed_s + n_bytes * self.byte_s


def fit_line(points: Sequence[tuple[float, float, float]]) -> Fit | None:
    """Least squares through (bytes, seconds, weight), neither part below zero; None for no point."""
    if not points:
        return None
    total = sum(weight for _, _, weight in points)
    mean_n, mean_s = sum(w * n for n, _, w in points) / total, sum(w * s for _, s, w in points) / total
    spread = sum(w * (n - mean_n) ** 2 for n, _, w in points)
    byte_s = sum(w * (n - mean_n) * (s - mean_s) for n, s, w in points) / spread if spread else 0.0
    fixed_s = mean_s - byte_s * mean_n
    if byte_s <= UNMEASURABLE_S:
        fixed_s, byte_s = mean_s, 0.0
    elif fixed_s < 0:
        fixed_s, byte_s = 0.0, sum(w * n * s for n, s, w in points) / sum(w * n * n for n, _, w in points)
    return Fit(fixed_s, byte_s, max(abs(s - fixed_s - n * byte_s) for n, s, _ in points))


@dataclass(frozen=True, slots=True)
class Figures:
    """A modem as measured; None where it could not be.

    `delay_s` is one way beyond air time and key-up; `throughput_bps` payload of the longest packets; `loss` of all
    packets of a direction.
    """

    air: Fit | None
    round_trip_s: float | None
    round_trip_max_s: float | None
    voice_bytes: int
    key_up_s: float | None
    delay_s: float | None
    loss_there: float | None
    loss_back: float | None
    answered: int
    probes: int
    throughput_bps: float | None
    has_integrity: bool

    @property
    def rate_bps(self) -> float | None:
        """Bits per second on the air; None: too fast to tell."""
        return None if self.air is None or not self.air.byte_s else 8 / self.air.byte_s


def figures_of(notes: Notes, profile: ModemProfile, info: LinkInfo, voice_bytes: int) -> Figures:
    """The figures in `notes`; `voice_bytes` is the length at which round trips were measured."""
    bursts = [burst for burst in notes.bursts if burst.spacing_s is not None]
    air = fit_line(
        [(one.length, one.spacing_s, max(1, one.received - 1)) for one in bursts if one.spacing_s is not None]
    )
    trips = sorted(trip.seconds for trip in notes.round_trips)
    round_trip = median(trips) if trips else None
    key_up = notes.key_up_s
    delay = None
    if round_trip is not None:
        air_s = info.airtime_s(voice_bytes) if air is None else air.seconds(voice_bytes)
        known = profile.air.turnaround_ms / 1000 if key_up is None else key_up
        delay = max(0.0, round_trip / 2 - air_s - known)
    longest = max((burst.length for burst in bursts), default=0)
    spacings = [burst.spacing_s for burst in bursts if burst.length == longest and burst.spacing_s is not None]
    return Figures(
        air,
        round_trip,
        trips[-1] if trips else None,
        voice_bytes,
        key_up,
        delay,
        _loss(notes, Way.THERE),
        _loss(notes, Way.BACK),
        len(trips),
        notes.probes_sent,
        8 * longest / median(spacings) if spacings and median(spacings) > 0 else None,
        info.has_integrity and not notes.damaged,
    )


def _loss(notes: Notes, way: Way) -> float | None:
    bursts = [burst for burst in notes.bursts if burst.way is way]
    sent = sum(burst.sent for burst in bursts)
    return 1 - sum(min(burst.received, burst.sent) for burst in bursts) / sent if sent else None


def measured_profile(profile: ModemProfile, figures: Figures, name: str) -> ModemProfile:
    """`profile` with what was measured in the place of what was believed."""
    air = profile.air.model_dump()
    rate_bps, overhead = profile.air.rate_bps, profile.air.overhead_bytes
    if figures.air is not None:
        # Rather too slow than too fast: a driver that goes by too short an air time fills up the modem.
        rate_bps, fixed_s = figures.rate_bps, figures.air.fixed_s + figures.air.worst_s
        if rate_bps is None:
            overhead = 0
        else:
            # The bytes that the modem adds are in the fixed part: as many as are known of, at most as fit in.
            overhead = min(overhead, int(fixed_s * rate_bps / 8 + 1e-6))
            fixed_s -= overhead * 8 / rate_bps
        air |= {
            "rate_bps": None if rate_bps is None else round(rate_bps, 1),
            "overhead_bytes": overhead,
            "fixed_ms": round(1000 * max(0.0, fixed_s), 1),
            "airtimes_ms": (),  # another modem's table must not take the place of what this one was measured at
        }
    if figures.key_up_s is not None:
        air["turnaround_ms"] = round(1000 * figures.key_up_s, 1)
    if figures.delay_s is not None:
        air["delay_ms"] = round(1000 * figures.delay_s, 1)
    air["has_integrity"] = figures.has_integrity
    return profile.model_copy(update={"name": name, "air": AirSection.model_validate(air)})


@dataclass(frozen=True, slots=True)
class VoiceFit:
    """Whether live voice fits: the verdict on 480 ms packets, and the figures of the size to take (None: none fits)."""

    verdict: LiveVerdict
    row: LiveRow | None


def voice_fit(profile: ModemProfile) -> VoiceFit:
    """By the arithmetic of SPEC.md, clause 9, with a checksum where the modem has none."""
    info = profile.link_info()
    link = LinkProfile(
        info.name,
        info.rate_bps,
        info.overhead_bytes,
        info.fixed_s,
        mtu_bytes=info.mtu_bytes,
        half_duplex=info.half_duplex,
        turnaround_s=info.turnaround_s,
        delay_s=info.delay_s,
        airtimes_ms=info.airtimes_ms,
    )
    added = NO_PROTECTION if info.has_integrity else CHECKSUM
    verdict = live_verdict(link, DEFAULT_FRAMES, added)
    sizes = [size for size in verdict.fitting if size >= DEFAULT_FRAMES] or list(verdict.fitting[-1:])
    return VoiceFit(verdict, live_row(link, sizes[0], added) if sizes else None)
