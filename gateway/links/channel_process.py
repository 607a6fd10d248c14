"""The channel process: stations connect, and each hears the others through a channel of its own per direction.

Rule: this shell moves bytes and time; what happens to a packet is decided by gateway.channel.network. It sleeps in one
place, until a message comes or the next packet is due.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import structlog

from gateway.channel.impairments import ChannelStats
from gateway.channel.network import Network
from gateway.channel.spec_file import ChannelProcessConfig
from gateway.clock import Clock, SystemClock
from gateway.links import envelope
from gateway.links.curve import Curve
from gateway.links.zeromq import PRESENT_S, StationRouter

MAX_STATIONS = 64
MESSAGES_A_TURN = 256
"""Messages handled before looking at what is due, so that a flood delays nobody's packets."""


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """What a channel process did: figures per (from, to), packets lost by collision, messages dropped by reason."""

    paths: Mapping[tuple[str, str], ChannelStats]
    collisions: int
    dropped: Mapping[str, int]


@dataclass(slots=True)
class _Station:
    address: bytes
    token: int
    heard_s: float


class ChannelProcess:
    """`config` served over ZeroMQ from construction (which listens, or raises LinkError) to the end of `run`.

    `endpoint` is the address in use. `stop` may be called from any thread or signal handler.
    """

    def __init__(self, config: ChannelProcessConfig, clock: Clock | None = None, curve: Curve | None = None) -> None:
        self._config = config
        self._clock = clock if clock is not None else SystemClock()
        self._log = structlog.get_logger("clarilink.channel")
        self._router = StationRouter(config.endpoint, curve)
        self.endpoint = self._router.endpoint
        self._network = Network(config.default, seed=config.seed, start_s=self._clock.now(), paths=config.paths)
        self._stations: dict[str, _Station] = {}
        self._replaced: deque[int] = deque(maxlen=MAX_STATIONS)
        """Tokens of stations whose name another has taken: what they still send must not take it back."""
        self._dropped: Counter[str] = Counter()
        self._stopping = False

    def stop(self) -> None:
        """Make `run` return soon; packets under way are dropped."""
        self._stopping = True
        self._router.wake()

    def close(self) -> None:
        """Stop listening without a `run`; nothing if done already."""
        self._router.close()

    def report(self) -> ChannelReport:
        """The figures so far."""
        dropped = dict(self._dropped + self._router.refused)
        return ChannelReport(self._network.stats(), self._network.collisions, dropped)

    def run(self) -> ChannelReport:
        """Carry packets until `stop`, then close; returns the figures. Not to be called again."""
        self._log.info("channel listens", endpoint=self.endpoint, channel=self._config.default.name)
        statistics_s = self._clock.now() + self._config.statistics_s
        try:
            while not self._stopping:
                due_s = self._network.next_due_s
                until = statistics_s if due_s is None else min(due_s, statistics_s)
                self._router.wait(until - self._clock.now())
                for _ in range(MESSAGES_A_TURN):
                    message = self._router.receive()
                    if message is None:
                        break
                    self._handle(*message)
                self._deliver()
                if self._clock.now() >= statistics_s:
                    statistics_s += self._config.statistics_s
                    self._forget_the_absent()
                    self._log_statistics("channel statistics")
        finally:
            self.close()
        self._log_statistics("channel stopped")
        return self.report()

    def _handle(self, address: bytes, message: envelope.Message | None) -> None:
        match message:
            case envelope.Hello(station=name, token=token):
                if self._admit(name, address, token):
                    self._router.send(address, self._welcome())
            case envelope.Packet(station=name, token=token, data=data):
                if self._admit(name, address, token):
                    self._network.send(name, sorted(self._present()), data, self._clock.now())
            case envelope.Bye(station=name, token=token):
                known = self._stations.get(name)
                if known is not None and known.token == token:
                    del self._stations[name]
                    self._log.info("station left", station=name)
            case _:
                self._dropped["malformed"] += 1

    def _admit(self, name: str, address: bytes, token: int) -> bool:
        """Note that station `name` is there; False if it cannot take part.

        A newcomer takes over a name that is in use, so that a station that crashed can be back at once; the one before,
        if it still lives, is told.
        """
        if token in self._replaced:
            self._dropped["replaced_station"] += 1
            return False
        known = self._stations.get(name)
        if known is None and len(self._stations) >= MAX_STATIONS:
            self._dropped["too_many_stations"] += 1
            self._router.send(address, envelope.Refused(f"it has {MAX_STATIONS} stations already"))
            return False
        if known is None:
            self._log.info("station joined", station=name)
        elif known.token != token:
            self._log.warning("station replaced by another of its name", station=name)
            self._replaced.append(known.token)
            reason = "another station of this name has joined; each needs a name of its own"
            self._router.send(known.address, envelope.Refused(reason))
        self._stations[name] = _Station(address, token, self._clock.now())
        return True

    def _welcome(self) -> envelope.Welcome:
        spec = self._config.default
        return envelope.Welcome(
            spec.mtu_bytes or 0,
            float(spec.rate_bps or 0),
            spec.half_duplex,
            spec.turnaround_ms / 1000,
            spec.overhead_bytes,
        )

    def _present(self) -> list[str]:
        now_s = self._clock.now()
        return [name for name, station in self._stations.items() if now_s - station.heard_s < PRESENT_S]

    def _deliver(self) -> None:
        for arrival in self._network.due(self._clock.now()):
            station = self._stations.get(arrival.destination)
            if station is None:
                self._dropped["receiver_left"] += 1
            else:
                self._router.send(station.address, envelope.Packet(arrival.source, 0, arrival.data))

    def _forget_the_absent(self) -> None:
        for name in self._stations.keys() - set(self._present()):
            del self._stations[name]
            self._log.info("station gone silent", station=name)

    def _log_statistics(self, event: str) -> None:
        report = self.report()
        for (source, destination), stats in report.paths.items():
            figures = {name: value for name, value in asdict(stats).items() if value}
            self._log.info(event, path=f"{source}>{destination}", **figures)
        self._log.info(
            event, stations=sorted(self._stations), collisions=report.collisions, dropped=dict(report.dropped)
        )
