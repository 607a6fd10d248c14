from __future__ import annotations

from typing import Any

import pytest

from firmware_bridge.ptt.keyed_link import QUEUE_PACKETS, KeyedLink
from firmware_bridge.ptt.keying import Keying
from gateway.clock import ManualClock
from gateway.errors import LinkError
from gateway.links.base import Link, LinkInfo, Received
from gateway.metrics import Metrics
from gateway.ptt_config import KeyingSection


class AirLink(Link):
    """Notes what leaves when; 1000 bit/s."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(Metrics())
        self.clock = clock
        self.left: list[tuple[float, bytes]] = []
        self.is_broken = False

    @property
    def info(self) -> LinkInfo:
        return LinkInfo("air", 256, 1000.0)

    def _open(self) -> None:
        return

    def _close(self) -> None:
        return

    def _send(self, data: bytes) -> bool:
        if self.is_broken:
            raise LinkError("cable pulled")
        self.left.append((self.clock.now(), data))
        return True

    def _receive(self, timeout_s: float) -> Received | None:
        self.clock.sleep(timeout_s)
        return None


class Bench:
    """A keyed link whose radio keys itself, so that the keyer alone decides."""

    def __init__(self, **keying: Any) -> None:
        self.clock = ManualClock(100.0)
        given = {"delay_ms": 300, "tail_ms": 100, "time_out_s": 10, "hold": "packet", **keying}
        section = KeyingSection.model_validate({"device": {"kind": "vox"}, **given})
        self.air = AirLink(self.clock)
        self.said: list[str] = []
        self.keying = Keying(section, self.air.metrics, self.said.append)
        self.link = KeyedLink(self.air, self.keying, section, self.clock)
        self.link.open()

    def run(self, seconds: float) -> list[tuple[float, float]]:
        """Times between which the key was on, from now."""
        begun, on_s, spans = self.clock.now(), None, []
        while self.clock.now() < begun + seconds:
            self.link.receive(0.01)
            now = round(self.clock.now() - begun, 6)
            if self.keying.is_on and on_s is None:
                on_s = now
            elif not self.keying.is_on and on_s is not None:
                spans.append((on_s, now))
                on_s = None
        return spans + ([] if on_s is None else [(on_s, float("inf"))])


def test_packets_wait_for_the_key_and_the_key_for_their_air_time() -> None:
    b = Bench()
    b.link.send(b"x" * 50)  # 0.4 s on the air
    b.link.send(b"y" * 25)  # 0.2 s
    assert not b.link.ready()
    spans = b.run(3.0)
    assert [data[:1] for _, data in b.air.left] == [b"x", b"y"]
    assert b.air.left[0][0] == pytest.approx(100.3)
    assert len(spans) == 1
    assert spans[0][1] == pytest.approx(0.3 + 0.6 + 0.1, abs=0.02)
    assert b.link.ready()
    assert b.air.metrics.counter("keying.transmissions") == 1


def test_an_over_keys_once_and_what_is_sent_in_it_leaves_at_once() -> None:
    b = Bench(hold="over")
    b.keying.hold_over(b.clock.now())
    b.run(1.0)
    for _ in range(3):
        b.link.send(b"v" * 30)
        assert b.air.left[-1][0] == b.clock.now()
        b.run(0.48)
    b.link.send(b"w" * 30)
    b.keying.end_over(b.clock.now())
    spans = b.run(2.0)
    assert spans[0][1] == pytest.approx(0.24 + 0.1, abs=0.02)
    assert b.air.metrics.counter("keying.transmissions") == 1


def test_a_keyed_packet_turns_around_later() -> None:
    assert Bench().link.info.turnaround_s == pytest.approx(0.3)
    assert Bench(hold="over").link.info.turnaround_s == 0.0


def test_endless_packets_pause_within_the_limit() -> None:
    b = Bench(time_out_s=5)
    spans: list[tuple[float, float]] = []
    on_s = None
    while b.clock.now() < 130.0:
        if b.link.ready():
            b.link.send(b"z" * 50)
        b.link.receive(0.02)
        now = b.clock.now()
        if b.keying.is_on and on_s is None:
            on_s = now
        elif not b.keying.is_on and on_s is not None:
            spans.append((on_s, now))
            on_s = None
    assert len(spans) >= 5
    assert max(off - on for on, off in spans) <= 5.0 + 0.03
    assert b.air.metrics.counter("keying.time_outs") == 0
    assert b.air.metrics.counter("keying.tx_drop_not_keyed") == 0


def test_nothing_leaves_after_the_limit_until_the_over_has_ended() -> None:
    b = Bench(hold="over", time_out_s=2)
    b.keying.hold_over(b.clock.now())
    spans = b.run(3.0)
    assert spans[0][1] == pytest.approx(2.0, abs=0.02)
    b.link.send(b"late")
    b.run(1.0)
    assert b.air.left == []
    assert b.air.metrics.counter("keying.tx_drop_not_keyed") == 1
    assert not b.link.ready()
    b.keying.end_over(b.clock.now())
    b.link.send(b"next")
    b.run(1.0)
    assert [data for _, data in b.air.left] == [b"next"]


def test_a_link_that_fails_lets_the_key_go() -> None:
    b = Bench()
    b.link.send(b"one")
    b.air.is_broken = True
    with pytest.raises(LinkError, match="cable pulled"):
        b.run(1.0)
    assert not b.keying.is_on


def test_closing_waits_for_what_is_on_the_air_and_not_for_ever() -> None:
    b = Bench()
    b.link.send(b"x" * 50)
    b.link.close()
    assert len(b.air.left) == 1
    assert not b.keying.is_on
    assert b.clock.now() == pytest.approx(100.3 + 0.4 + 0.1, abs=0.05)
    b.link.open()
    b.keying.hold_over(b.clock.now())
    stuck = Bench(hold="over")
    stuck.keying.hold_over(stuck.clock.now())
    stuck.link.close()
    assert stuck.clock.now() < 106.0


def test_too_much_that_waits_is_dropped_and_counted() -> None:
    b = Bench()
    for _ in range(QUEUE_PACKETS + 3):
        b.link.send(b"x")
    assert b.air.metrics.counter("keying.tx_drop_queue_full") == 3
