"""Two drivers, two virtual modems and the air between them in simulated time: a pair of modems without a port.

Rule: pure; one event loop over the deadlines of its parts. Bytes cross each cable at the profile's baud rate, in
pieces, so that every parser sees messages cut anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from firmware_bridge.driver import ModemDriver, ModemEvent, SetLine, Write
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import find_kind
from firmware_bridge.sim.air import Air
from firmware_bridge.sim.base import VirtualModem
from gateway.channel.impairments import ChannelSpec
from gateway.errors import ConfigError
from gateway.metrics import Metrics

PIECE_BYTES = 7
"""So many bytes at most cross a cable at once: fewer than most messages have."""
MAX_TURNS = 100_000


@dataclass(slots=True)
class _Cable:
    """One direction of a cable: bytes leave it at the line's rate."""

    bytes_per_s: float
    held: bytearray = field(default_factory=bytearray)
    next_s: float = 0.0

    def put(self, data: bytes, now: float) -> None:
        if data and not self.held:
            self.next_s = now + min(PIECE_BYTES, len(data)) / self.bytes_per_s
        self.held += data

    def take(self, now: float) -> bytes:
        if not self.held or self.next_s > now + 1e-9:
            return b""
        piece = bytes(self.held[:PIECE_BYTES])
        del self.held[:PIECE_BYTES]
        self.next_s += min(PIECE_BYTES, len(self.held)) / self.bytes_per_s
        return piece


@dataclass
class Side:
    """One station's end: driver, virtual modem and the cable between them."""

    name: str
    driver: ModemDriver
    modem: VirtualModem
    to_modem: _Cable
    to_host: _Cable
    events: list[tuple[float, ModemEvent]] = field(default_factory=list)
    """What the driver said, and when."""
    plugged: bool = False
    rts: bool = True
    dtr: bool = True


class SimulatedPair:
    """Sides `a` and `b`, their ports open at time 0; `run_until` moves time."""

    def __init__(
        self,
        profile: ModemProfile,
        spec: ChannelSpec | None = None,
        seed: int = 0,
        *,
        now: float = 0.0,
        profile_b: ModemProfile | None = None,
    ):
        """`profile_b`: of side b, where it differs (one dials, one answers). Raises ConfigError for a driver without a
        virtual modem."""
        kind = find_kind(profile.driver)
        if kind.virtual is None:
            raise ConfigError(f"modem driver {kind.name!r} has no virtual modem")
        self.now = now
        self.profile = profile
        byte_rate = profile.port.baud / profile.port.bits_per_byte
        self.sides: dict[str, Side] = {}
        for index, name in enumerate("ab"):
            own = profile if profile_b is None or name == "a" else profile_b
            driver = kind.driver(own, Metrics(), Random(seed * 4 + index))
            modem = kind.virtual(own, name, Random(seed * 4 + 2 + index))
            self.sides[name] = Side(name, driver, modem, _Cable(byte_rate), _Cable(byte_rate))
        self.air = Air(
            {name: side.modem for name, side in self.sides.items()},
            spec if spec is not None else ChannelSpec("clean"),
            seed,
            delay_s=profile.air.delay_ms / 1000,
            half_duplex=profile.air.half_duplex,
            start_s=now,
        )
        for name in self.sides:
            self.plug(name)

    @property
    def a(self) -> Side:
        return self.sides["a"]

    @property
    def b(self) -> Side:
        return self.sides["b"]

    def plug(self, name: str) -> None:
        """The port appears (again)."""
        side = self.sides[name]
        side.plugged = True
        side.driver.port_opened(self.now)
        self._settle()

    def unplug(self, name: str, why: str = "unplugged") -> None:
        """The port goes away; what was on the cable is gone."""
        side = self.sides[name]
        side.plugged = False
        side.to_modem.held.clear()
        side.to_host.held.clear()
        side.driver.port_closed(self.now, why)
        self._settle()

    def power_cut(self, name: str) -> None:
        """The modem boots anew in whatever it was doing; the port stays."""
        self.air.abort(name)
        side = self.sides[name]
        side.to_host.held.clear()
        side.modem.power_cut(self.now)
        self._settle()

    def send(self, name: str, data: bytes) -> int | None:
        """A packet at one side, now."""
        number = self.sides[name].driver.send(data, self.now)
        self._settle()
        return number

    def inject(self, name: str, data: bytes) -> None:
        """Bytes that the modem never wrote, to the host."""
        self.sides[name].to_host.put(data, self.now)
        self._settle()

    def run_until(self, when: float) -> None:
        """Let time pass up to `when`."""
        for _ in range(MAX_TURNS):
            due = self._next_due()
            if due is None or due > when:
                self.now = max(self.now, when)
                self._turn()
                return
            self.now = max(self.now, due)
            self._turn()
        raise RuntimeError(f"a driver or modem asks for a time that has passed, again and again, at {self.now}")

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        self.run_until(self.now + seconds)

    def _next_due(self) -> float | None:
        times: list[float | None] = [self.air.next_deadline()]
        for side in self.sides.values():
            times += [side.driver.next_deadline() if side.plugged else None, side.modem.next_deadline()]
            times += [cable.next_s for cable in (side.to_modem, side.to_host) if cable.held]
        return min((time for time in times if time is not None), default=None)

    def _turn(self) -> None:
        for side in self.sides.values():
            piece = side.to_modem.take(self.now)
            if piece:
                side.modem.from_host(piece, self.now)
                side.driver.written(len(piece), self.now)
            piece = side.to_host.take(self.now)
            if piece:
                side.driver.receive_data(piece, self.now)
            if side.plugged:
                side.driver.tick(self.now)
            side.modem.tick(self.now)
        self._settle()

    def _settle(self) -> None:
        self.air.step(self.now)
        for side in self.sides.values():
            for output in side.driver.take_output():
                match output:
                    case Write(data):
                        side.to_modem.put(data, self.now)
                    case SetLine(line, is_on):
                        if line in ("rts", "dtr"):
                            setattr(side, line, is_on)
                        side.modem.lines_from_host(side.rts, side.dtr, self.now)
            side.events += [(self.now, event) for event in side.driver.take_events()]
            host = side.modem.take_host()
            if side.plugged:
                side.to_host.put(host, self.now)
        self.air.step(self.now)
