"""The sender's choice of packet size and protection from what receivers report (SPEC.md, 15.5-15.7).

The rule: pure, one decision per over, and slow to change its mind: up when the loss is surely too high for what is
sent, down when it is surely low enough for less and has been for a while. A step down that had to be taken back makes
the next one wait twice as long, so that on a steady channel changes die out, also where loss lies on a threshold.
"""

from __future__ import annotations

import functools
import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.errors import LocalProtocolError
from gateway.protocol.live import (
    NO_PROTECTION,
    Fit,
    LinkProfile,
    LiveRow,
    Protection,
    cost_of,
    live_row,
)
from gateway.protocol.packets import FRAME_S, OVER_IDS
from gateway.protocol.protection import Protection as Guard
from gateway.protocol.protection import ProtectionKind
from gateway.protocol.report import LinkReport

NO_GUARD = Guard()
MAX_REPORTERS = 32
_RECENT_REPORTS = 3  # looked at for a change of the channel
_BURSTS_OF_CHANGE = 4


@dataclass(frozen=True, slots=True)
class Level:
    """A protection by its cost, the share of packets lost up to which it is enough, and what makes it."""

    protection: Protection
    up_to_loss: float
    guard: Guard = NO_GUARD

    @classmethod
    def of(cls, guard: Guard, up_to_loss: float) -> Level:
        """The level of a protection of clause 12."""
        return cls(cost_of(guard), up_to_loss, guard)


LEVELS: tuple[Level, ...] = (
    Level.of(NO_GUARD, 0.03),
    Level.of(Guard(ProtectionKind.TWO_BYTE_REPEAT, distance=2), 0.08),
    Level.of(Guard(ProtectionKind.REED_SOLOMON, n=6, k=4, depth=2), 1.0),
)
"""All levels, weakest first."""
CLEAN_LOSS = 0.01
"""Up to this loss the configured packet size and the weakest level are kept."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What adaptation may spend: bits per second on the air, frames per packet, and what every packet has anyway."""

    max_bps: float = 650.0
    shortest: int = 3
    longest: int = 12
    always: Protection = NO_PROTECTION

    def __post_init__(self) -> None:
        if self.max_bps <= 0 or not 1 <= self.shortest <= self.longest:
            raise LocalProtocolError(f"adaptation budget: needs max_bps > 0 and 1 <= shortest <= longest: {self}")


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder: what is sent, and up to which loss it is enough."""

    frames_per_packet: int
    level: Level
    on_air_bps: float

    @property
    def text(self) -> str:
        """For the operator."""
        name = self.level.protection.name
        return f"{self.frames_per_packet * FRAME_S * 1000:.0f} ms packets, " + (
            "no protection" if name == NO_PROTECTION.name else name
        )


def ladder(
    profile: LinkProfile, budget: Budget, frames_per_packet: int, levels: Sequence[Level] = LEVELS
) -> tuple[Rung, ...]:
    """What may be sent over a link within the budget, weakest first; the first rung is always there (15.5).

    The first rung is the first level in the configured packet size. Then follows each level with the shortest packets
    that fit: where packets are lost, short ones leave short gaps. A level without any fitting size is left out.
    """
    if not levels:
        raise LocalProtocolError("adaptation without a single level of protection")

    def row(frames: int, level: Level) -> LiveRow:
        return live_row(profile, frames, budget.always.with_(level.protection))

    first = levels[0]
    start = row(frames_per_packet, first)
    rungs = [Rung(frames_per_packet, Level(first.protection, CLEAN_LOSS, first.guard), start.on_air_bps)]
    for level in levels:
        for frames in range(budget.shortest, budget.longest + 1):
            found = row(frames, level)
            if found.fit is Fit.LIVE and found.on_air_bps <= budget.max_bps:
                rungs.append(Rung(frames, level, found.on_air_bps))
                break
    shorter = rungs[1] if len(rungs) > 1 and rungs[1].level == first else None
    if shorter is not None and shorter.frames_per_packet >= frames_per_packet:
        del rungs[1]
        rungs[0] = Rung(frames_per_packet, first, start.on_air_bps)
    return tuple(rungs)


class Cause(Enum):
    """Why a choice is what it is."""

    START = "as configured"
    STEADY = "as before"
    LOSS = "packets are lost"
    CLEAR = "the channel is better"
    SILENCE = "no reports"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the next over is sent with; `loss` and `mean_burst` (packets) are the estimate behind it, None without."""

    rung: Rung
    cause: Cause
    loss: float | None = None
    mean_burst: float | None = None

    @property
    def is_news(self) -> bool:
        """It differs from the over before."""
        return self.cause in (Cause.LOSS, Cause.CLEAR, Cause.SILENCE)


@dataclass(frozen=True, slots=True)
class AdaptationRules:
    """`memory_packets` bounds how far back the estimate looks; `dwell_overs` is the least time between a change and a
    step down, doubled up to `longest_dwell_overs` when a step down was taken back. After `silent_overs` overs without
    a report the configured start is taken again. The last three are in standard errors.
    """

    memory_packets: float = 400.0
    least_packets: float = 10.0
    dwell_overs: int = 4
    longest_dwell_overs: int = 64
    silent_overs: int = 8
    sure: float = 0.5
    sure_to_lower: float = 1.0
    sure_of_change: float = 3.0


@dataclass(frozen=True, slots=True)
class _Counts:
    """Packets of one or more overs: how many, how many of them spoilt (lost or late), in how many runs."""

    packets: float = 0.0
    spoilt: float = 0.0
    bursts: float = 0.0

    def plus(self, other: _Counts) -> _Counts:
        return _Counts(self.packets + other.packets, self.spoilt + other.spoilt, self.bursts + other.bursts)

    def cut_to(self, packets: float) -> _Counts:
        keep = min(1.0, packets / self.packets) if self.packets else 1.0
        return _Counts(self.packets * keep, self.spoilt * keep, self.bursts * keep)

    @property
    def loss(self) -> float:
        return self.spoilt / self.packets if self.packets else 0.0

    @property
    def mean_burst(self) -> float:
        return max(1.0, (self.spoilt + 1.0) / (self.bursts + 1.0))

    def error(self, packets: float) -> float:
        """Standard error of the share lost of so many packets of this channel.

        Losses come in runs of mean length L, which makes it greater by sqrt(2 L - 1).
        """
        padded = (self.spoilt + 1.0) / (self.packets + 2.0)
        return math.sqrt(padded * (1 - padded) * (2 * self.mean_burst - 1) / packets)


class _Reporter:
    """What one receiver told. `over` is the latest of our overs that it told of."""

    def __init__(self) -> None:
        self.over = 0
        self.counts = _Counts()
        self._recent: deque[_Counts] = deque(maxlen=_RECENT_REPORTS)

    def add(self, report: LinkReport, rules: AdaptationRules) -> None:
        bursts = report.lost / report.mean_burst if report.lost else 0.0
        told = _Counts(report.expected, report.lost + report.late, bursts + (report.late > 0))
        self._recent.append(told)
        recent = functools.reduce(_Counts.plus, self._recent)
        before = self.counts
        self.counts = before.plus(told).cut_to(rules.memory_packets)
        if before.packets > recent.packets:
            off = abs(recent.loss - before.loss) / before.error(recent.packets)
            # One long burst in a clean channel is an accident; several are another channel.
            is_better = recent.loss < before.loss
            if off > rules.sure_of_change and (is_better or recent.bursts >= _BURSTS_OF_CHANGE):
                self.counts = recent  # what was learnt of the channel before misleads

    def bounds(self, below: float, above: float) -> tuple[float, float]:
        """Loss less `below` and plus `above` standard errors."""
        error = self.counts.error(self.counts.packets)
        return self.counts.loss - below * error, self.counts.loss + above * error


class AdaptationPolicy:
    """One sender. `next_over` is asked at the start of every over, `heard` told every report about this station."""

    def __init__(self, rungs: Sequence[Rung], rules: AdaptationRules | None = None, start: int = 0) -> None:
        """`start` is the place of what is configured: begun with, and fallen back to without reports."""
        if not 0 <= start < len(rungs):
            raise LocalProtocolError(f"adaptation starts at rung {start} of {len(rungs)}")
        self._rungs = tuple(rungs)
        self._rules = AdaptationRules() if rules is None else rules
        self._place = self._start = start
        self._over = 0  # overs begun
        self._ids: dict[int, int] = {}  # over id on the air: which of our overs
        self._changed_at = 0
        self._lowered_at: int | None = None
        self._dwell = self._rules.dwell_overs
        self._reporters: OrderedDict[int, _Reporter] = OrderedDict()
        self.changes = 0

    @property
    def rung(self) -> Rung:
        """What is sent now."""
        return self._rungs[self._place]

    def over_sent(self, over_id: int) -> None:
        """The over last begun has this id: reports name it."""
        self._ids[over_id % OVER_IDS] = self._over

    def heard(self, report: LinkReport) -> bool:
        """Take a report about this station; False if it is of no over sent lately, and changed nothing."""
        over = self._ids.get(report.over_id)
        if over is None or self._over - over > OVER_IDS // 2:
            return False
        reporter = self._reporters.pop(report.source, None) or _Reporter()
        if reporter.over == over:  # a copy of what it told before
            self._reporters[report.source] = reporter
            return False
        reporter.add(report, self._rules)
        reporter.over = max(reporter.over, over)
        self._reporters[report.source] = reporter
        if len(self._reporters) > MAX_REPORTERS:
            self._reporters.popitem(last=False)
        return True

    def next_over(self) -> Choice:
        """The choice for the over that begins now."""
        self._over += 1
        silent = self._rules.silent_overs
        self._reporters = OrderedDict(
            (who, known) for who, known in self._reporters.items() if self._over - known.over <= silent
        )
        if not self._reporters:
            if self._place == self._start or self._over - self._changed_at <= silent:
                return Choice(self.rung, Cause.START if self._place == self._start else Cause.STEADY)
            return self._move(self._start, Cause.SILENCE, None)
        # The worst of the group decides: the over is for all of them.
        worst = max(self._reporters.values(), key=lambda known: known.counts.loss)
        counts = worst.counts
        if counts.packets < self._rules.least_packets:
            return Choice(self.rung, Cause.STEADY, counts.loss, counts.mean_burst)
        low, high = worst.bounds(self._rules.sure, self._rules.sure_to_lower)
        if self._place + 1 < len(self._rungs) and low > self.rung.level.up_to_loss:
            return self._move(self._enough_for(low), Cause.LOSS, counts)
        waited = self._over - self._changed_at >= self._dwell
        if self._place > 0 and waited and high < self._rungs[self._place - 1].level.up_to_loss:
            return self._move(self._place - 1, Cause.CLEAR, counts)
        return Choice(self.rung, Cause.STEADY, counts.loss, counts.mean_burst)

    def _enough_for(self, loss: float) -> int:
        last = len(self._rungs) - 1
        return next((place for place, rung in enumerate(self._rungs) if loss <= rung.level.up_to_loss), last)

    def _move(self, place: int, cause: Cause, counts: _Counts | None) -> Choice:
        rules = self._rules
        if cause is Cause.CLEAR:
            self._lowered_at = self._over
        elif cause is Cause.LOSS and self._lowered_at is not None:
            if self._over - self._lowered_at <= 4 * self._dwell:
                self._dwell = min(2 * self._dwell, rules.longest_dwell_overs)
            else:
                self._dwell = rules.dwell_overs
            self._lowered_at = None
        self._place, self._changed_at = place, self._over
        self.changes += 1
        if counts is None:
            return Choice(self.rung, cause)
        return Choice(self.rung, cause, counts.loss, counts.mean_burst)
