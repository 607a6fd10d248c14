"""What arrives at a station becomes events, lines and counts."""

from __future__ import annotations

import pytest

from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.control.requests import ToggleKey
from gateway.links.memory import MemoryHub
from gateway.protocol.bulk_packets import TYPE_TEXT, Addressee, MessageHead, MessageOffer
from gateway.telling import Level
from tests.station.bench import Bench, LossyLink, careful, run, talk, two


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


def test_a_third_station_in_between_is_told(small_codec: Codec, clock: ManualClock) -> None:
    hub = MemoryHub(clock)
    a, b, c = (Bench(small_codec, clock, hub.station(name), number) for number, name in enumerate("abc", 1))
    a.station.post(ToggleKey("key"))
    run(clock, 1.5, a, b, c)
    b.station.post(ToggleKey("key", break_in=True))
    run(clock, 2.0, a, b, c)
    assert c.said.count("another station talks into this over") == 1
    assert c.metrics.counter("rx.collisions") == 1


def test_losses_and_refusals_are_warnings(small_codec: Codec, clock: ManualClock) -> None:
    hub = MemoryHub(clock)
    a = careful(small_codec, clock, LossyLink(hub.station("a"), lose_every=5), 1, mode="on")
    b = careful(small_codec, clock, hub.station("b"), 2, report="on", report_every_s=0.0)
    talk(clock, a, b)
    warnings = a.said.of(Level.WARNING)
    assert warnings
    assert all(line.startswith("bravo lost ") for line in warnings)
    assert b.said.of(Level.WARNING) == []


def test_what_arrives_while_talking_in_half_duplex_is_not_heard_later(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock)
    a.station.post(ToggleKey("key"))
    run(clock, 1.0, a)
    b.station.post(ToggleKey("key", break_in=True))
    run(clock, 2.0, a, b)
    played = a.metrics.counter("rx.frames_played")
    assert played > 10  # taken off the buffer
    assert a.audio[1].queued_samples == 0


def test_messages_without_a_mailbox_are_counted(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock)
    head = MessageHead(1, 1, Addressee.GROUP, 0, TYPE_TEXT, 44, 16)
    a.station._outgoing.send_packets([MessageOffer(head, answer_wanted=False).packet()])
    run(clock, 0.5, a, b)
    assert b.metrics.counter("rx.messages_ignored") == 1
