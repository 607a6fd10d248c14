"""A station's share in adaptation: what is configured is obeyed, and only reports about this station count."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.config import SecuritySection, StationConfig
from gateway.links.base import LinkInfo
from gateway.metrics import Metrics
from gateway.protocol.adaptation import NO_GUARD
from gateway.protocol.carriage import UNDER_BIT_PROTECTION
from gateway.protocol.live import Fit
from gateway.protocol.packets import ReportPacket
from gateway.protocol.protection import Protection as Guard
from gateway.protocol.protection import ProtectionKind
from gateway.protocol.report import LinkReport, Reception
from gateway.protocol.security import BLOCK_BYTES
from gateway.station.adaptation import LinkCare, always_added, carriage_of, change_line, profile_of

WIDE = LinkInfo("wide", 1024, has_integrity=True)
SLOW = LinkInfo("slow", 64, 300.0, half_duplex=True, turnaround_s=0.1, overhead_bytes=14)


def care(crc: bool = False, guard: Guard = NO_GUARD, **adaptation: object) -> tuple[LinkCare, Metrics]:
    config = StationConfig.model_validate(
        {"station": {"name": "x", "id": 1}, "link": {"kind": "memory"}, "adaptation": adaptation}
    )
    metrics = Metrics()
    made = LinkCare(config, guard, crc=crc, rng=random.Random(1), metrics=metrics)
    made.use_link(WIDE)
    return made, metrics


def bad_report(about: int = 1, over_id: int = 3) -> LinkReport:
    return LinkReport(2, about, over_id, 40, 20, 2.0, 5)


def test_pinned_by_default() -> None:
    made, metrics = care()
    assert made.next_over() is None
    assert made.sending == "480 ms packets, pinned"
    made.over_sent(3)
    assert not made.report_heard(bad_report())
    made.over_heard(Reception(3, 20, 1, 1, 1, source=2), 0.0)
    assert made.report_due(10.0, False) is None
    assert metrics.snapshot() == {}


def test_reports_shorten_the_packets_and_the_operator_is_told() -> None:
    made, metrics = care(mode="on")
    first = made.next_over()
    assert first is not None
    assert (first.rung.frames_per_packet, first.is_news) == (6, False)
    made.over_sent(3)
    assert not made.report_heard(bad_report(about=9))  # about somebody else
    assert not made.report_heard(bad_report(over_id=4))  # about an over that was not sent
    assert made.report_heard(bad_report())
    choice = made.next_over()
    assert choice is not None
    assert choice.rung.frames_per_packet == 3
    assert change_line(choice) == (
        "sending 240 ms packets, reed-solomon (6,4) depth 2: packets are lost (50 % lost, 1.9 in a row)"
    )
    assert choice.rung.level.guard == Guard(ProtectionKind.REED_SOLOMON, n=6, k=4, depth=2)
    assert made.sending == "240 ms packets, reed-solomon (6,4) depth 2"
    counted = metrics.snapshot()
    assert counted["adaptation.reports"] == counted["adaptation.reports_unused"] == counted["adaptation.changes"] == 1
    assert counted["tx.frames_per_packet"] == 3
    assert counted["adaptation.loss"] == 0.5


def test_only_a_station_that_is_told_to_reports() -> None:
    made, metrics = care(report="on", report_spread_s=0.0)
    made.over_heard(Reception(3, 20, 2, 1, 2, source=2), 5.0)
    assert made.report_due(5.2, False) is None
    assert made.report_due(5.31, True) is None
    assert made.report_due(5.7, False) == ReportPacket(LinkReport(1, 2, 3, 20, 2, 2.0, 2))
    assert metrics.counter("tx.reports") == 1
    made.over_heard(None, 6.0)


def test_figures_of_the_link_are_judged_when_they_are_new() -> None:
    made, _ = care()
    assert made.verdict is not None
    assert made.verdict.fit is Fit.LIVE
    assert made.use_link(WIDE) is None
    verdict = made.use_link(SLOW)
    assert verdict is not None
    assert (verdict.fit, verdict.buffered_only) == (Fit.TOO_SLOW, True)
    assert made.verdict == verdict


def test_profile_and_checksum_are_the_links() -> None:
    profile = profile_of(SLOW, delay_s=0.7)
    assert (profile.rate_bps, profile.overhead_bytes, profile.mtu_bytes) == (300.0, 14, 64)
    assert (profile.half_duplex, profile.turnaround_s, profile.delay_s) == (True, 0.1, 0.7)
    assert profile.airtime_s(20) == pytest.approx(SLOW.airtime_s(20))
    config = StationConfig.model_validate({"station": {"name": "x", "id": 1}, "link": {"kind": "memory"}})
    assert always_added(config, NO_GUARD, crc=True).packet_bytes == 2
    assert always_added(config, NO_GUARD, crc=False).packet_bytes == 0
    secure = SecuritySection(mode="authenticate", key_file=Path("net.key"), tag_bytes=3)
    added = always_added(config.model_copy(update={"security": secure}), NO_GUARD, crc=False)
    assert (added.name, added.packet_bytes, added.session_bytes) == ("security", 3, BLOCK_BYTES)


def test_a_configured_protection_stays_and_packets_become_shorter() -> None:
    guard = Guard(ProtectionKind.TWO_BYTE_REPEAT, distance=4)
    made, _ = care(guard=guard, mode="on")
    assert made.next_over() is not None
    made.over_sent(3)
    assert made.report_heard(bad_report())
    choice = made.next_over()
    assert choice is not None
    assert (choice.rung.frames_per_packet, choice.rung.level.guard) == (3, guard)
    assert choice.rung.on_air_bps == pytest.approx(611.1, abs=0.1)


def test_voice_under_bit_protection_and_security_costs_what_they_add() -> None:
    config = StationConfig.model_validate({"station": {"name": "x", "id": 1}, "link": {"kind": "memory"}})
    bits = Guard(ProtectionKind.BIT)
    assert always_added(config, bits, crc=False).strong_bits == 12
    assert carriage_of(config, bits, crc=False) == UNDER_BIT_PROTECTION
    assert carriage_of(config, NO_GUARD, crc=True).link_bytes(10) == 12
    secure = SecuritySection(mode="authenticate", key_file=Path("net.key"))
    assert carriage_of(config.model_copy(update={"security": secure}), NO_GUARD, crc=False).link_bytes(10) == 26
