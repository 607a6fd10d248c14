"""What a channel process does with messages and time, without sockets: who is there, who hears what, and figures of it.

Rule: the time is handed in and what is to be sent is returned, so that a net can be run in simulated time and twice the
same.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog

from gateway.channel.impairments import ChannelStats
from gateway.channel.network import Network
from gateway.channel.spec_file import ChannelProcessConfig
from gateway.links import envelope

MAX_STATIONS = 64
LATENESS_KEPT = 8192
"""Of the latest packets handed on."""


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


Outgoing = tuple[bytes, bytes]
"""Where to, and the message's bytes."""


class ChannelCore:
    """The net of `config`, its clock beginning at `start_s`. Times never go back.

    `network` may be asked and changed at any time; `dropped` counts messages by why they were of no use.
    """

    def __init__(self, config: ChannelProcessConfig, start_s: float) -> None:
        self.config = config
        self.start_s = start_s
        self.network = Network(config.default, seed=config.seed, start_s=start_s, paths=config.paths)
        self.dropped: Counter[str] = Counter()
        self._log = structlog.get_logger("clarilink.channel")
        self._stations: dict[str, _Station] = {}
        self._replaced: deque[int] = deque(maxlen=MAX_STATIONS)
        """Tokens of stations whose name another has taken: what they still send must not take it back."""
        self._unprepared: deque[tuple[str, str]] = deque()
        self._late_s: deque[float] = deque(maxlen=LATENESS_KEPT)

    @property
    def stations(self) -> list[str]:
        """Names of those who are there, sorted."""
        return sorted(self._stations)

    @property
    def late_s(self) -> list[float]:
        """How much later than due each of the latest packets was handed on, ascending."""
        return sorted(self._late_s)

    def silent_s(self, name: str, now_s: float) -> float:
        """Since a station that is there was last heard."""
        return now_s - self._stations[name].heard_s

    def handle(self, address: bytes, message: envelope.Message | None, now_s: float) -> list[Outgoing]:
        """Take one message (None: something that is none)."""
        match message:
            case envelope.Hello(station=name, token=token):
                answers, is_there = self._admit(name, address, token, now_s)
                return [*answers, (address, self._welcome())] if is_there else answers
            case envelope.Packet(station=name, token=token, data=data):
                answers, is_there = self._admit(name, address, token, now_s)
                if is_there:
                    self.network.send(name, self._present(now_s), data, now_s)
                return answers
            case envelope.Bye(station=name, token=token):
                known = self._stations.get(name)
                if known is not None and known.token == token:
                    del self._stations[name]
                    self._log.info("station left", station=name)
            case _:
                self.dropped["malformed"] += 1
        return []

    def deliver(self, now_s: float) -> Iterator[tuple[bytes, bytes, float]]:
        """What has arrived by `now_s`: where to, the bytes, and when it was due."""
        source, data, packed = "", b"", b""
        for arrival in self.network.due(now_s):
            station = self._stations.get(arrival.destination)
            if station is None:
                self.dropped["receiver_left"] += 1
                continue
            if arrival.data is not data or arrival.source != source:  # the same to all who hear it unharmed
                source, data = arrival.source, arrival.data
                packed = envelope.pack(envelope.Packet(source, 0, data))
            yield station.address, packed, arrival.at_s

    def handed_on(self, late_s: float) -> None:
        """Note that a packet was handed on so much later than due."""
        self._late_s.append(late_s)

    def prepare(self) -> bool:
        """Do a little of what can be done beforehand; whether there is more."""
        if self._unprepared:
            self.network.prepare(*self._unprepared.popleft())
        return bool(self._unprepared)

    def forget_the_absent(self, now_s: float) -> None:
        """Strike off stations that have been silent for too long."""
        present = set(self._present(now_s))
        for name in [name for name in self._stations if name not in present]:
            del self._stations[name]
            self._log.info("station gone silent", station=name)

    def _admit(self, name: str, address: bytes, token: int, now_s: float) -> tuple[list[Outgoing], bool]:
        """Note that station `name` is there; False if it cannot take part.

        A newcomer takes over a name that is in use, so that a station that crashed can be back at once; the one before,
        if it still lives, is told.
        """
        if token in self._replaced:
            self.dropped["replaced_station"] += 1
            return [], False
        known = self._stations.get(name)
        if known is None and len(self._stations) >= MAX_STATIONS:
            self.dropped["too_many_stations"] += 1
            return [(address, envelope.pack(envelope.Refused(f"it has {MAX_STATIONS} stations already")))], False
        told: list[Outgoing] = []
        if known is None:
            self._log.info("station joined", station=name)
            for other in self.stations:
                self._unprepared += [(name, other), (other, name)]
        elif known.token != token:
            self._log.warning("station replaced by another of its name", station=name)
            self._replaced.append(known.token)
            reason = "another station of this name has joined; each needs a name of its own"
            told.append((known.address, envelope.pack(envelope.Refused(reason))))
        self._stations[name] = _Station(address, token, now_s)
        return told, True

    def _welcome(self) -> bytes:
        spec = self.config.default
        welcome = envelope.Welcome(
            spec.mtu_bytes or 0,
            float(spec.rate_bps or 0),
            spec.half_duplex,
            spec.turnaround_ms / 1000,
            spec.overhead_bytes,
            # An over is as late as its first packet: on the average by the mean of the jitter more.
            spec.usual_delay_s + spec.jitter_ms / 1000,
        )
        return envelope.pack(welcome)

    def _present(self, now_s: float) -> list[str]:
        return sorted(name for name, station in self._stations.items() if now_s - station.heard_s < envelope.PRESENT_S)
