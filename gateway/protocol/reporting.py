"""When a receiver's link report goes out: in the gap after an over, at a random moment, not too often (SPEC.md, 15.4).

The rule: a pure schedule on the time handed in. Nothing is sent while the channel is in use here, and what nobody
needs any more - another station told worse, or the time is past - is dropped.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import LocalProtocolError
from gateway.protocol.report import LinkReport, Reception


@dataclass(frozen=True, slots=True)
class ReportRules:
    """Times in seconds. `least_s` and `spread_s` bound the random wait after the over; `every_s` is the least time
    between two reports about the same talker; `expire_s` how long a report waits for a free channel.
    """

    least_s: float = 0.3
    spread_s: float = 2.0
    every_s: float = 10.0
    expire_s: float = 15.0
    least_packets: int = 4

    def __post_init__(self) -> None:
        if min(self.least_s, self.spread_s, self.every_s) < 0 or self.least_packets < 1:
            raise LocalProtocolError(f"report times must not be negative: {self}")
        if self.expire_s <= self.least_s + self.spread_s:
            raise LocalProtocolError(f"a report that waits {self.least_s + self.spread_s} s expires before: {self}")


@dataclass(slots=True)
class _Waiting:
    report: LinkReport
    wait_s: float  # drawn once, so that a channel that stays busy does not draw again until all wait the longest
    due_s: float
    until_s: float


class ReportSchedule:
    """One station's reports: at most one waits at a time, that of the newest over."""

    def __init__(self, station: int, rules: ReportRules, rng: random.Random) -> None:
        self._station = station
        self._rules = rules
        self._rng = rng
        self._waiting: _Waiting | None = None
        self._told_s: dict[int, float] = {}
        self._counts: Counter[str] = Counter()

    def counters(self) -> Mapping[str, int]:
        """How many reports were `sent`, and left out as `short`, `unknown`, `soon`, `suppressed`, `expired`."""
        return dict(self._counts)

    def over_ended(self, reception: Reception, now_s: float) -> None:
        """An over of another station was heard to its end: a report on it is due after a random wait."""
        talker = reception.source
        if talker is None or talker in (0, self._station):
            self._counts["unknown"] += 1
        elif reception.expected < self._rules.least_packets:
            self._counts["short"] += 1
        elif now_s - self._told_s.get(talker, -self._rules.every_s) < self._rules.every_s:
            self._counts["soon"] += 1
        else:
            report = LinkReport.of(reception, source=self._station, about=talker)
            wait_s = self._rules.least_s + self._rng.random() * self._rules.spread_s
            self._waiting = _Waiting(report, wait_s, now_s + wait_s, now_s + self._rules.expire_s)

    def heard(self, report: LinkReport) -> None:
        """Another receiver's report: if it tells of the same over and no less loss, ours adds nothing."""
        waiting = self._waiting
        if waiting is None:
            return
        ours = waiting.report
        if (report.about, report.over_id) == (ours.about, ours.over_id) and report.loss >= ours.loss:
            self._counts["suppressed"] += 1
            self._waiting = None

    def due(self, now_s: float, channel_is_busy: bool) -> LinkReport | None:
        """The report to send now. While the channel is in use the random wait begins anew."""
        waiting = self._waiting
        if waiting is None:
            return None
        if now_s >= waiting.until_s:
            self._counts["expired"] += 1
            self._waiting = None
            return None
        if channel_is_busy:
            waiting.due_s = now_s + waiting.wait_s
            return None
        if now_s < waiting.due_s:
            return None
        self._counts["sent"] += 1
        self._told_s = {who: at for who, at in self._told_s.items() if now_s - at < self._rules.every_s}
        self._told_s[waiting.report.about] = now_s
        self._waiting = None
        return waiting.report
