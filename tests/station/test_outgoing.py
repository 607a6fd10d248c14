"""What leaves a station: overs, reports in the gaps, texts; and what is told where it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.channel.spec_file import load_channel
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.control.requests import PressKey, ReleaseKey, SendText, ToggleKey
from gateway.errors import SecurityError
from gateway.links.base import Link
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import MemoryHub
from gateway.session.machine import Mode
from gateway.telling import Level
from tests.station.bench import LossyLink, careful, run, talk, two


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


def test_texts_cross_between_and_during_overs(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock)
    a.station.post(SendText("Standing by on two."))
    run(clock, 0.2, a, b)
    b.station.post(ToggleKey("key"))
    run(clock, 1.0, a, b)
    b.station.post(SendText("Ça va — 漢字"))
    run(clock, 0.5, a, b)
    assert "message from alpha: Standing by on two." in b.said
    assert "message from bravo: Ça va — 漢字" in a.said
    a.station.post(SendText("x" * 100_000))
    run(clock, 0.2, a, b)
    assert [line.partition(":")[0] for line in a.said.of(Level.REFUSED)] == ["message not sent"]


def test_reports_in_the_gap_change_the_next_overs_packets(small_codec: Codec, clock: ManualClock) -> None:
    hub = MemoryHub(clock)
    a = careful(small_codec, clock, LossyLink(hub.station("a"), lose_every=5), 1, mode="on")
    b = careful(small_codec, clock, hub.station("b"), 2, report="on", report_every_s=0.0)
    assert a.station.snapshot().link.sending == ""  # the link is looked at in the first step
    talk(clock, a, b)
    assert b.metrics.counter("tx.reports") == 1
    assert any(line.startswith("bravo lost ") for line in a.said)
    concealed = []
    for _ in range(3):
        before = b.metrics.counter("rx.frames_concealed")
        talk(clock, a, b)
        concealed.append(b.metrics.counter("rx.frames_concealed") - before)
    # The first over with redundancy is not waited for; from the next one on every fifth packet is given back in time.
    assert concealed[0] > 10
    assert concealed[1:] == [0, 0]
    assert any(
        line.startswith("sending 240 ms packets, reed-solomon (6,4) depth 2: packets are lost") for line in a.said
    )
    assert a.station.snapshot().link.sending == "240 ms packets, reed-solomon (6,4) depth 2"
    assert a.metrics.snapshot()["tx.frames_per_packet"] == 3
    assert b.metrics.counter("rx.overs") == 4
    assert not any(line.startswith("sending") for line in b.said)


def test_a_report_never_goes_out_while_somebody_talks(small_codec: Codec, clock: ManualClock) -> None:
    hub = MemoryHub(clock)
    a = careful(small_codec, clock, hub.station("a"), 1)
    b = careful(small_codec, clock, hub.station("b"), 2, report="on", report_every_s=0.0)
    talk(clock, a, b, gap_s=0.2)
    b.station.post(ToggleKey("key", break_in=True))  # answers before its report is due
    run(clock, 4.0, a, b)
    assert b.metrics.counter("tx.reports") == 0
    b.station.post(ToggleKey("key"))
    run(clock, 5.0, a, b)
    assert b.metrics.counter("tx.reports") == 1
    assert a.metrics.counter("rx.reports") == 1


def test_a_group_behind_a_lossy_channel_settles_on_one_choice(small_codec: Codec, clock: ManualClock) -> None:
    """10 % loss in bursts of 2: shorter packets within three overs, and then no change."""
    hub, rng, channel = MemoryHub(clock), np.random.default_rng(1), load_channel("lossy-satellite")

    def link(name: str) -> Link:
        return EmulatedLink(hub.station(name), channel, rng.spawn(1)[0], clock)

    a = careful(small_codec, clock, link("a"), 1, mode="on")
    group = [
        careful(small_codec, clock, link(name), number, report="on", report_every_s=0.0)
        for number, name in enumerate("bc", 2)
    ]
    sizes = []
    for _ in range(7):
        talk(clock, a, *group, seconds=6.0, gap_s=6.0)
        sizes.append(int(a.metrics.snapshot()["tx.frames_per_packet"]))
    assert sizes[0] == 6
    assert sizes[3:] == [3, 3, 3, 3]
    assert a.metrics.counter("adaptation.changes") == 1
    assert 0.03 < a.metrics.snapshot()["adaptation.loss"] < 0.3
    # One report an over is enough unless a worse one follows; they do not pile up.
    assert 5 <= sum(member.metrics.counter("tx.reports") for member in group) <= 14
    assert all(member.metrics.counter("rx.overs") == 7 for member in group)


def test_speech_that_cannot_be_made_safe_is_not_sent(
    small_codec: Codec, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = two(small_codec, clock)

    def no_counter(*_: object, **__: object) -> None:
        raise SecurityError("disk full")

    for name in ("start", "on_air"):
        monkeypatch.setattr(a.station._outgoing._transmitter, name, no_counter)
    a.station.post(SendText("hello"))
    a.station.post(PressKey("key"))
    run(clock, 1.0, a, b)
    a.station.post(ReleaseKey("key"))
    run(clock, 1.0, a, b)
    assert a.said.of(Level.REFUSED) == ["message not sent: disk full", "not talking: disk full"]
    assert b.said == []
    assert a.mode is Mode.IDLE
    assert a.metrics.counter("tx.dropped.no_counter") == 2
