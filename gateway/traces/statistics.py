"""Figures of a path: loss, bursts, delays, and the Gilbert-Elliott chain that fits them, with intervals.

Rule: pure. The chain is the one of `gateway.channel.impairments`: every packet lost in the bad state, none in the good
one; its two chances are estimated from the changes between neighbouring packets (the maximum-likelihood estimate of a
two-state Markov chain), so that loss = enter / (enter + leave) and mean burst = 1 / leave.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.traces.flights import Flights

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_Z = 1.959964
"""Of the 95 % interval of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g}..{self.high:.4g})"


@dataclass(frozen=True, slots=True)
class PathFit:
    """What a direction did. None where there is nothing to estimate it from."""

    name: str
    packets: int
    lost: int
    duration_s: float
    loss: Estimate | None
    mean_burst: Estimate | None
    enter: Estimate | None
    """Chance that a packet is lost after one that was not."""
    leave: Estimate | None
    """Chance that a packet is delivered after one that was lost."""
    bursts: Mapping[int, int]
    """How many bursts of each length, in packets lost in a row."""
    delay_ms: Mapping[str, float]
    """Percentiles (`p50`), `min`, `max`, `mean`; empty without known delays."""
    duplicated: float
    reordered: float
    snr_db: float | None
    """Median."""
    size: float | None
    """Median bytes of a packet."""
    inferred: int
    fate_unknown: int
    refused: int

    @property
    def longest_burst(self) -> int:
        """Packets."""
        return max(self.bursts, default=0)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def fit_path(flights: Flights) -> PathFit:
    """Figures and fit of one direction."""
    lost, n = flights.is_lost, len(flights)
    lengths = burst_lengths(lost)
    values, counts = np.unique(lengths, return_counts=True)
    enter, leave, loss, burst = _chain(lost, lengths)
    delays = flights.known_delays_s
    delay_ms = {}
    if len(delays):
        points = np.percentile(delays, PERCENTILES) * 1000
        delay_ms = {
            "min": float(delays.min() * 1000),
            **{f"p{share}": float(point) for share, point in zip(PERCENTILES, points, strict=True)},
            "max": float(delays.max() * 1000),
            "mean": float(delays.mean() * 1000),
        }
    arrived = ~lost & ~np.isnan(flights.delay_s)
    arrivals = (flights.sent_s + flights.delay_s)[arrived]
    overtaken = np.count_nonzero(arrivals[1:] < np.maximum.accumulate(arrivals)[:-1]) if len(arrivals) > 1 else 0
    delivered = n - int(np.count_nonzero(lost))
    return PathFit(
        name=flights.name,
        packets=n,
        lost=n - delivered,
        duration_s=float(flights.sent_s[-1] - flights.sent_s[0]) if n else 0.0,
        loss=loss,
        mean_burst=burst,
        enter=enter,
        leave=leave,
        bursts={int(value): int(count) for value, count in zip(values, counts, strict=True)},
        delay_ms=delay_ms,
        duplicated=len(flights.copy_of) / delivered if delivered else 0.0,
        reordered=overtaken / len(arrivals) if len(arrivals) else 0.0,
        snr_db=_median(flights.snr_db),
        size=_median(flights.size),
        inferred=flights.inferred,
        fate_unknown=flights.fate_unknown,
        refused=flights.refused,
    )


def burst_lengths(is_lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the runs of losses, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_lost.view(np.int8), [0]])))
    return (edges[1::2] - edges[::2]).astype(np.int64)


def _chain(
    lost: NDArray[np.bool_], lengths: NDArray[np.int64]
) -> tuple[Estimate | None, Estimate | None, Estimate | None, Estimate | None]:
    """Chances to enter and leave the bad state, loss, mean burst."""
    if len(lost) < 2:
        return None, None, None, None
    before, after = lost[:-1], lost[1:]
    from_good, from_bad = int(np.count_nonzero(~before)), int(np.count_nonzero(before))
    entered, left = int(np.count_nonzero(~before & after)), int(np.count_nonzero(before & ~after))
    enter = wilson(entered, from_good) if from_good else None
    leave = wilson(left, from_bad) if from_bad else None
    share = float(np.mean(lost))
    if not entered or not left:
        return enter, leave, wilson(int(lost.sum()), len(lost)), None
    assert enter is not None
    assert leave is not None
    # Delta method on loss = p / (p + r), with the binomial variances of p and r.
    p, r = enter.value, leave.value
    spread = math.sqrt((r**2 * p * (1 - p) / from_good + p**2 * r * (1 - r) / from_bad) / (p + r) ** 4)
    loss = Estimate(share, max(0.0, share - _Z * spread), min(1.0, share + _Z * spread))
    burst = Estimate(1 / r, 1 / leave.high, 1 / leave.low if leave.low > 0 else math.inf)
    return enter, leave, loss, burst


def wilson(hits: int, trials: int) -> Estimate:
    """A share with the Wilson score interval (Wilson 1927)."""
    share = hits / trials
    middle = (share + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))


def _median(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def channel_toml(fit: PathFit, source: str) -> str:
    """A channel file with these figures. Raises ValueError where there are too few packets."""
    if fit.loss is None:
        raise ValueError(f"{fit.name}: {fit.packets} packets of known fate; needed: 2 or more")
    about = f"{fit.name} in {source}: {fit.packets} packets in {fit.duration_s:.0f} s"
    lines = [
        f'description = "{_quoted("Fitted to " + about)}"',
        "# 95 % intervals in brackets; Gilbert-Elliott by its changes of state, delay as least + exponential rest.",
        f"loss = {fit.loss.value:.6g}  # {fit.loss}",
    ]
    least = fit.loss.value / (1 - fit.loss.value) if fit.loss.value < 1 else math.inf
    if fit.mean_burst is not None and fit.mean_burst.value >= max(1.0, least):
        lines.append(f"mean_burst = {fit.mean_burst.value:.6g}  # {fit.mean_burst}")
    if fit.delay_ms:
        percentiles = ", ".join(f"{name} {value:.1f}" for name, value in fit.delay_ms.items())
        least_ms = max(0.0, fit.delay_ms["p1"])
        lines += [
            f"# delay in ms: {percentiles}",
            f"delay_ms = {least_ms:.6g}",
            f"jitter_ms = {max(0.0, fit.delay_ms['mean'] - least_ms):.6g}",
        ]
        if fit.reordered:
            lines.append(f"ordered = false  # {100 * fit.reordered:.2f} % were overtaken")
    if fit.duplicated:
        lines.append(f"duplicate = {min(1.0, fit.duplicated):.6g}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "".join(" " if ord(sign) < 32 else sign for sign in text).replace("\\", "/").replace('"', "'")
