"""A station's share in adaptation: reports out in the gaps, reports in to the policy, the choice for the next over.

Rule: glue without I/O; `Station` calls it from its one thread and does what it says. The decisions are made in
gateway.protocol (adaptation, reporting, live), the limits come from [adaptation] and from the link.
"""

from __future__ import annotations

import random

from gateway.config import StationConfig
from gateway.links.base import LinkInfo
from gateway.metrics import Metrics
from gateway.protocol.adaptation import LEVELS, NO_GUARD, AdaptationPolicy, Budget, Choice, Level, ladder
from gateway.protocol.carriage import UNDER_BIT_PROTECTION, Carriage
from gateway.protocol.checksum import CRC_BYTES
from gateway.protocol.live import (
    CHECKSUM,
    NO_PROTECTION,
    LinkProfile,
    LiveVerdict,
    Protection,
    cost_of,
    live_verdict,
    security,
)
from gateway.protocol.packets import HEADER_BYTES, ReportPacket
from gateway.protocol.protection import Protection as Guard
from gateway.protocol.report import LinkReport, Reception
from gateway.protocol.reporting import ReportRules, ReportSchedule
from gateway.protocol.security import ALONE_BYTES
from gateway.station.delay import OverPlan

TRANSMITTER_LEVELS: tuple[Level, ...] = LEVELS
"""Levels of protection that `Transmitter` can send; adaptation offers no others."""


PINNED_UP_TO_LOSS = 0.03
"""A configured protection stays as it is; more loss than this makes packets shorter."""


def profile_of(info: LinkInfo, delay_s: float | None = None, jitter_s: float = 0.0) -> LinkProfile:
    """A link's own account of itself as the arithmetic of air time takes it; `delay_s` where better is known."""
    return LinkProfile(
        info.name,
        info.rate_bps,
        info.overhead_bytes,
        info.fixed_s,
        mtu_bytes=info.mtu_bytes,
        half_duplex=info.half_duplex,
        turnaround_s=info.turnaround_s,
        delay_s=info.delay_s if delay_s is None else delay_s,
        jitter_s=jitter_s,
        airtimes_ms=info.airtimes_ms,
    )


def always_added(config: StationConfig, guard: Guard, *, crc: bool) -> Protection:
    """What every voice packet of a station carries besides its frames, whatever adaptation chooses."""
    return around_of(config, crc=crc).with_(cost_of(guard))


def around_of(config: StationConfig, *, crc: bool) -> Protection:
    """Checksum and security of a station, its protection left out."""
    added = CHECKSUM if crc else NO_PROTECTION
    return added if config.security.mode == "none" else added.with_(security(config.security.tag_bytes))


def carriage_of(config: StationConfig, guard: Guard, *, crc: bool) -> Carriage:
    """What becomes of a packet outside an over, as `Transmitter.carriage` has it, without keys at hand."""
    if guard.is_bit:
        return UNDER_BIT_PROTECTION
    alone = 0 if config.security.mode == "none" else ALONE_BYTES - HEADER_BYTES + config.security.tag_bytes
    return Carriage(alone + (CRC_BYTES if crc else 0))


class LinkCare:
    """One station's; `use_link` whenever the link's figures may have changed, before any other call."""

    def __init__(self, config: StationConfig, guard: Guard, *, crc: bool, rng: random.Random, metrics: Metrics) -> None:
        """`guard` is the configured protection: where there is one, adaptation leaves it alone."""
        self._config, self._guard, self._crc = config, guard, crc
        self._always = always_added(config, guard, crc=crc)
        self._metrics = metrics
        self._info: LinkInfo | None = None
        self._policy: AdaptationPolicy | None = None
        self._verdict: LiveVerdict | None = None
        section = config.adaptation
        self._reports: ReportSchedule | None = None
        if section.report == "on":
            rules = ReportRules(spread_s=section.report_spread_s, every_s=section.report_every_s)
            self._reports = ReportSchedule(config.station.id, rules, rng)

    def use_link(self, info: LinkInfo) -> LiveVerdict | None:
        """Take the link's figures; the verdict on live voice if they are new, else None."""
        if info == self._info:
            return None
        self._info = info
        profile, frames = profile_of(info), self._config.packets.frames_per_packet
        self._verdict = live_verdict(profile, frames, self._always)
        section = self._config.adaptation
        if section.mode == "on":
            budget = Budget(section.max_bps, section.shortest, section.longest, self._always)
            pinned = (Level(NO_PROTECTION, PINNED_UP_TO_LOSS, self._guard),)
            levels = TRANSMITTER_LEVELS if self._guard == NO_GUARD else pinned
            self._policy = AdaptationPolicy(ladder(profile, budget, frames, levels))
        return self._verdict

    @property
    def verdict(self) -> LiveVerdict | None:
        """The latest verdict; None before the first `use_link`."""
        return self._verdict

    @property
    def sending(self) -> str:
        """Packet size and protection in use, for the operator; empty before the first `use_link`."""
        if self._info is None:
            return ""
        if self._policy is None:
            return f"{self._config.packets.packet_ms} ms packets, pinned"
        return self._policy.rung.text

    @property
    def plan(self) -> OverPlan:
        """How the next over is sent, as far as is known now."""
        around = around_of(self._config, crc=self._crc)
        if self._policy is None:
            return OverPlan(self._config.packets.frames_per_packet, self._guard, around)
        rung = self._policy.rung
        return OverPlan(rung.frames_per_packet, rung.level.guard, around)

    def next_over(self) -> Choice | None:
        """The choice for the over that begins; None when pinned to the configuration."""
        if self._policy is None:
            return None
        choice = self._policy.next_over()
        self._metrics.gauge("tx.frames_per_packet", choice.rung.frames_per_packet)
        if choice.loss is not None:
            self._metrics.gauge("adaptation.loss", round(choice.loss, 4))
        if choice.is_news:
            self._metrics.count("adaptation.changes")
        return choice

    def over_sent(self, over_id: int | None) -> None:
        """The over that `next_over` was asked for goes out under this id."""
        if self._policy is not None and over_id is not None:
            self._policy.over_sent(over_id)

    def report_heard(self, report: LinkReport) -> bool:
        """A report came in; True if it was about this station and counted."""
        if self._reports is not None:
            self._reports.heard(report)
        if report.about != self._config.station.id or self._policy is None:
            return False
        counted = self._policy.heard(report)
        self._metrics.count("adaptation.reports" if counted else "adaptation.reports_unused")
        return counted

    def over_heard(self, reception: Reception | None, now_s: float) -> None:
        """Another station's over has been played to its end."""
        if self._reports is not None and reception is not None:
            self._reports.over_ended(reception, now_s)

    def report_due(self, now_s: float, channel_is_busy: bool) -> ReportPacket | None:
        """The report to send now, if one is due and the channel is free."""
        if self._reports is None or (report := self._reports.due(now_s, channel_is_busy)) is None:
            return None
        self._metrics.count("tx.reports")
        return ReportPacket(report)


def change_line(choice: Choice) -> str:
    """What the operator is told when the choice changes."""
    line = f"sending {choice.rung.text}: {choice.cause.value}"
    if choice.loss is not None:
        line += f" ({100 * choice.loss:.0f} % lost, {choice.mean_burst or 0:.1f} in a row)"
    return line
