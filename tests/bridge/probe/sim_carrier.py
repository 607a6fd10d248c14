"""A modem test in simulated time: one side of a pair asks, the other answers, nobody waits."""

from __future__ import annotations

from firmware_bridge.driver import ModemEvent, ModemStatus, PacketHeard
from firmware_bridge.probe.answer import Answerer
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.links.base import LinkInfo

STEP_S = 0.005


class SimCarrier:
    """Side a as a `Carrier` and the clock; side b has an `Answerer` behind it (None: nobody)."""

    def __init__(self, pair: SimulatedPair, answers: bool = True, held_s: float = 0.0) -> None:
        self.pair = pair
        self.answerer = Answerer(pair.b.driver.info.mtu_bytes) if answers else None
        self._held_s = held_s
        self._read = self._read_b = 0

    def now(self) -> float:
        return self.pair.now

    @property
    def info(self) -> LinkInfo:
        return self.pair.a.driver.info

    @property
    def status(self) -> ModemStatus:
        return self.pair.a.driver.status

    @property
    def status_text(self) -> str:
        return self.pair.a.driver.status_text

    @property
    def waiting(self) -> int:
        return self.pair.a.driver.waiting

    def send(self, data: bytes) -> int | None:
        return self.pair.send("a", data)

    def next_event(self, timeout_s: float) -> ModemEvent | None:
        until = self.pair.now + timeout_s
        while True:
            self._answer()
            if self._read < len(self.pair.a.events):
                self._read += 1
                return self.pair.a.events[self._read - 1][1]
            if self.pair.now >= until:
                return None
            self.pair.run_until(min(until, self.pair.now + STEP_S))

    def _answer(self) -> None:
        if self.answerer is None:
            return
        events = self.pair.b.events
        while self._read_b < len(events) and events[self._read_b][0] + self._held_s <= self.pair.now:
            at, event = events[self._read_b]
            self._read_b += 1
            if isinstance(event, PacketHeard):
                self.answerer.on_packet(event.data, at)
        while (packet := self.answerer.next_packet(self.pair.now)) is not None:
            if self.pair.send("b", packet) is None:
                return
            self.answerer.done()
