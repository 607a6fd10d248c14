"""A link that goes and comes back: told once each, sent packets counted, opened again after a pause."""

from __future__ import annotations

import pytest

from gateway.clock import ManualClock
from gateway.errors import LinkError
from gateway.links.base import Drop, Link, LinkInfo, Received
from gateway.metrics import Metrics
from gateway.session.events import LinkLost, LinkRestored
from gateway.station.link_keeper import PACKETS_A_TURN, RETRY_S, LinkKeeper
from tests.told import Told


class Wire(Link):
    """Does what the test says."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.is_broken = self.refuses = False
        self.reason: str | None = None
        self.waiting: list[bytes] = []
        self.opened = 0

    @property
    def info(self) -> LinkInfo:
        return LinkInfo("wire", 50)

    def outage(self) -> str | None:
        return self.reason

    def _open(self) -> None:
        if self.is_broken:
            raise LinkError("cannot open")
        self.opened += 1

    def _close(self) -> None:
        pass

    def _send(self, data: bytes) -> bool:
        if self.is_broken:
            raise LinkError("pulled out")
        if self.refuses:
            self._drop_tx(Drop.QUEUE_FULL)
        return not self.refuses

    def _receive(self, timeout_s: float) -> Received | None:
        if self.is_broken:
            raise LinkError("pulled out")
        if not self.waiting:
            self.clock.sleep(timeout_s)
            return None
        return Received(self.waiting.pop(0), self.clock.now())


class Bench:
    def __init__(self) -> None:
        self.clock, self.metrics = ManualClock(5.0), Metrics()
        self.wire = Wire(self.clock)
        self.said = Told()
        self.events: list[LinkLost | LinkRestored] = []
        self.keeper = LinkKeeper(self.wire, self.clock, self.metrics, self.said.say, self.events.append)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_packets_go_both_ways(bench: Bench) -> None:
    assert (bench.keeper.is_open, bench.keeper.is_up, bench.keeper.is_ready) == (True, True, True)
    assert bench.keeper.send([b"a", b"b"]) == [b"a", b"b"]
    bench.wire.waiting = [b"c", b"d"]
    assert [received.data for received in bench.keeper.receive()] == [b"c", b"d"]
    bench.wire.waiting = [b"x"] * (PACKETS_A_TURN + 1)
    assert len(list(bench.keeper.receive())) == PACKETS_A_TURN, "a flood does not keep the station from the rest"


def test_what_did_not_leave_is_told_apart(bench: Bench) -> None:
    bench.wire.refuses = True
    assert bench.keeper.send([b"a"]) == []
    bench.wire.refuses = False
    assert bench.keeper.send([b"x" * 51, b"b"]) == [b"b"]
    assert bench.metrics.counter("tx.dropped.mtu") == 1
    assert "50 bytes" in bench.said[0]
    assert bench.events == []


def test_a_link_that_breaks_is_opened_again(bench: Bench) -> None:
    bench.wire.is_broken = True
    assert bench.keeper.send([b"a", b"b"]) == []
    assert bench.events == [LinkLost("pulled out")]
    assert (bench.keeper.is_open, bench.keeper.is_up, bench.keeper.outage) == (False, False, "pulled out")
    assert bench.keeper.send([b"c"]) == []
    assert bench.metrics.counter("tx.dropped.no_link") == 1
    until_s = bench.clock.now() + 2 * RETRY_S
    while bench.clock.now() < until_s:
        bench.keeper.watch()
        assert list(bench.keeper.receive()) == []
    assert bench.events == [LinkLost("pulled out")], "told once"
    bench.wire.is_broken = False
    until_s = bench.clock.now() + 2 * RETRY_S
    while bench.clock.now() < until_s:
        list(bench.keeper.receive())
    assert bench.events[1:] == [LinkRestored()]
    assert bench.wire.opened == 2
    assert bench.keeper.outage is None
    assert bench.metrics.counter("link.lost") == 1


def test_a_link_that_breaks_while_receiving(bench: Bench) -> None:
    bench.wire.is_broken = True
    assert list(bench.keeper.receive()) == []
    assert bench.events == [LinkLost("pulled out")]


def test_an_outage_without_closing_is_told_and_ends(bench: Bench) -> None:
    bench.wire.reason = "dialling"
    bench.keeper.watch()
    bench.keeper.watch()
    assert (bench.keeper.is_open, bench.keeper.is_up) == (True, False)
    assert bench.events == [LinkLost("dialling")]
    assert bench.metrics.counter("link.outages") == 1
    bench.wire.reason = None
    bench.keeper.watch()
    bench.keeper.watch()
    assert bench.events[1:] == [LinkRestored()]
    bench.keeper.close()
    assert not bench.keeper.is_ready


def test_a_link_that_does_not_open_at_all_is_an_error() -> None:
    clock = ManualClock()
    wire = Wire(clock)
    wire.is_broken = True
    with pytest.raises(LinkError, match="cannot open"):
        LinkKeeper(wire, clock, Metrics(), print, print)
