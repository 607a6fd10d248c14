"""Virtual modems on one air in real time, each behind a pseudo-terminal or TCP port, with faults at will.

Rule: one thread moves everything and waits in one place, `select`. It plays what was due at the time when it was due,
so that air times hold on a busy machine. The controls may be called from any thread; they act at once.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random

from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, find_kind
from firmware_bridge.sim.air import Air
from firmware_bridge.sim.base import VirtualModem
from firmware_bridge.sim.cable import Faults, PacedLine, misread
from firmware_bridge.sim.ends import HostEnd, host_end
from gateway.channel.impairments import ChannelSpec
from gateway.clock import Clock, SystemClock
from gateway.errors import ConfigError, LinkError

LOOK_S = 0.05
"""How often a pseudo-terminal that nobody has open is looked at: there is nothing to wait at."""
MAX_WAIT_S = 1.0
TCP_BYTES_PER_S = 10e6
MAX_TURNS = 10_000
MAX_READY_BYTES = 65_536
"""What waits for a host that does not read; more is lost, as on any machine."""
STATION_NAMES = "abcdefghijklmnop"

Trace = Callable[[float, str, str, bytes], None]
"""(seconds since the start, station, `>` to the modem or `<` to the host, bytes)."""


@dataclass
class Station:
    """One virtual modem with its cable."""

    name: str
    modem: VirtualModem
    end: HostEnd
    to_modem: PacedLine
    to_host: PacedLine
    rng: Random
    faults: Faults = field(default_factory=Faults)
    ready: bytearray = field(default_factory=bytearray)
    """Off the line, not yet taken by the host."""
    lost_bytes: int = 0
    """Lost on a cable that was pulled, or said to a host that was not there."""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class StationStatus:
    """Figures of one station so far; `air_s` is its time on the air."""

    name: str
    address: str
    is_plugged: bool
    is_open: bool
    faults: tuple[str, ...]
    from_host_bytes: int
    to_host_bytes: int
    lost_bytes: int
    air_s: float


@dataclass(frozen=True, slots=True)
class SimStatus:
    """Figures of a whole simulation so far; `frames` counts `sent`, `delivered`, `lost`, `collided`."""

    seconds: float
    channel: str
    loss: float
    is_cut: bool
    frames: Mapping[str, int]
    stations: tuple[StationStatus, ...]


class VirtualStations:
    """Virtual modems of one profile, a station for each of `addresses`; `start` to `stop`, or a `with` block."""

    def __init__(
        self,
        profile: ModemProfile,
        addresses: Sequence[str],
        spec: ChannelSpec | None = None,
        seed: int = 0,
        *,
        clock: Clock | None = None,
        trace: Trace | None = None,
        kind: ModemKind | None = None,
    ) -> None:
        """An address is the path of a symbolic link to be, or tcp://HOST:PORT. Raises ConfigError for a driver without
        virtual modem, LinkError for a bad address."""
        kind = find_kind(profile.driver) if kind is None else kind
        if kind.virtual is None:
            raise ConfigError(f"modem driver {kind.name!r} has no virtual modem")
        if not 1 <= len(addresses) <= len(STATION_NAMES):
            raise ConfigError(f"{len(addresses)} stations; needed: 1 to {len(STATION_NAMES)}")
        self.profile = profile
        self._clock = SystemClock() if clock is None else clock
        self._trace = trace
        self._lock = threading.RLock()
        self._start_s = self._now = self._clock.now()
        self._stations: dict[str, Station] = {}
        for index, (name, address) in enumerate(zip(STATION_NAMES, addresses, strict=False)):
            end = host_end(address)
            rate = profile.port.baud / profile.port.bits_per_byte if end.is_paced else TCP_BYTES_PER_S
            modem = kind.virtual(profile, name, Random(seed * 64 + 2 * index))
            rng = Random(seed * 64 + 2 * index + 1)
            self._stations[name] = Station(name, modem, end, PacedLine(rate), PacedLine(rate), rng)
        self._air = Air(
            {name: station.modem for name, station in self._stations.items()},
            spec if spec is not None else ChannelSpec("clean"),
            seed,
            delay_s=profile.air.delay_ms / 1000,
            half_duplex=profile.air.half_duplex,
            start_s=self._now,
        )
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._wake_read, self._wake_write = -1, -1
        self.failure: BaseException | None = None
        """What ended the thread, if it was not `stop`."""

    # ---- life

    @property
    def names(self) -> tuple[str, ...]:
        """The stations, `a` first."""
        return tuple(self._stations)

    def address(self, name: str) -> str:
        """What a host opens to reach this station's modem."""
        return self._station(name).end.address

    def start(self) -> None:
        """Plug all ends and begin. Raises LinkError if one cannot be made."""
        try:
            for station in self._stations.values():
                station.end.plug()
        except LinkError:
            self._unplug_all()
            raise
        self._stopping = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._now = self._clock.now()
        self._thread = threading.Thread(target=self._run, name="virtual-modems", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and take the ports away; nothing if done already."""
        if self._thread is None:
            return
        self._stopping = True
        self._wake()
        self._thread.join()
        self._thread = None
        os.close(self._wake_read)
        os.close(self._wake_write)
        self._unplug_all()

    def __enter__(self) -> VirtualStations:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- controls; each raises ConfigError for a station that there is not

    def power_cut(self, name: str) -> None:
        """The modem boots anew in whatever it was doing; its port stays."""
        with self._changing(name) as station:
            self._air.abort(name)
            station.to_host.clear()
            station.to_modem.clear()
            station.modem.power_cut(self._now)

    def unplug(self, name: str) -> None:
        """Pull the cable out of the host: the port vanishes, what was on the way is gone; the modem runs on."""
        with self._changing(name) as station:
            station.lost_bytes += station.to_modem.clear() + station.to_host.clear() + len(station.ready)
            station.ready.clear()
            station.end.unplug()

    def plug(self, name: str) -> None:
        """The port is back under its name. Raises LinkError if it cannot be made."""
        with self._changing(name) as station:
            station.end.plug()

    def mute(self, name: str, on: bool = True) -> None:
        """The modem hangs: it takes bytes and says nothing."""
        with self._changing(name) as station:
            station.faults.mute = on

    def echo(self, name: str, on: bool = True) -> None:
        """All that the host writes comes back to it."""
        with self._changing(name) as station:
            station.faults.echo = on

    def stuck(self, name: str, on: bool = True) -> None:
        """The modem takes no more bytes: flow control that never releases."""
        with self._changing(name) as station:
            station.faults.stuck = on

    def flood(self, name: str, n_bytes: int = 4096) -> None:
        """Garbage to the host, at the line's rate."""
        with self._changing(name) as station:
            station.to_host.put(station.rng.randbytes(n_bytes), self._now)

    def half_frame(self, name: str, silence_s: float = 5.0) -> None:
        """The next thing that the modem says breaks off in the middle, and nothing follows for `silence_s`."""
        with self._changing(name) as station:
            station.faults.halve_next = silence_s

    def inject(self, name: str, data: bytes) -> None:
        """Bytes that the modem never said, to the host."""
        with self._changing(name) as station:
            station.to_host.put(data, self._now)

    def drop_call(self, name: str) -> bool:
        """NO CARRIER; False for a modem that has no call."""
        with self._changing(name) as station:
            return station.modem.drop_call(self._now)

    def cut(self, on: bool = True) -> None:
        """Nothing gets through the air."""
        with self._changing():
            self._air.cut = on

    def set_loss(self, share: float) -> None:
        """Another share of frames lost, in bursts as before where that is possible. Raises ConfigError out of 0 to
        1."""
        with self._changing():
            spec = self._air.spec
            try:
                bursts = spec.mean_burst if 0 < share < 1 and (spec.mean_burst or 0) >= share / (1 - share) else None
                self._air.change(replace(spec, loss=share, mean_burst=bursts), self._now)
            except ValueError as error:
                raise ConfigError(str(error)) from error

    def set_channel(self, spec: ChannelSpec) -> None:
        """Another channel for what is sent from now on."""
        with self._changing():
            self._air.change(spec, self._now)

    def status(self) -> SimStatus:
        """The figures so far."""
        with self._lock:
            stations = tuple(
                StationStatus(
                    one.name,
                    one.end.address,
                    one.end.is_plugged,
                    one.is_open,
                    tuple(one.faults.names(self._now)),
                    one.to_modem.passed_bytes,
                    one.to_host.passed_bytes,
                    one.lost_bytes,
                    self._air.busy_s[one.name],
                )
                for one in self._stations.values()
            )
            air = self._air
            seconds = self._now - self._start_s
            return SimStatus(seconds, air.spec.name, air.spec.loss, air.cut, dict(air.counts), stations)

    # ---- the thread

    def _run(self) -> None:
        try:
            while not self._stopping:
                with self._lock:
                    self._catch_up(self._clock.now())
                    reads, writes, wait_s = self._waits()
                try:
                    select.select(reads, writes, [], wait_s)
                except (OSError, ValueError):
                    continue  # a port was pulled while we waited at it
                with suppress(BlockingIOError):
                    os.read(self._wake_read, 64)
        except BaseException as error:
            self.failure = error
            raise

    def _catch_up(self, now: float) -> None:
        """Play all that was due up to `now`, each at its own time."""
        self._read_hosts(now)
        for _ in range(MAX_TURNS):
            due = self._next_due()
            if due is None or due > now:
                break
            self._now = max(self._now, due)
            self._turn()
        self._now = max(self._now, now)
        self._turn()
        self._write_hosts()

    def _next_due(self) -> float | None:
        times: list[float | None] = [self._air.next_deadline()]
        for station in self._stations.values():
            times += [station.modem.next_deadline(), station.to_modem.next_due(), station.to_host.next_due()]
        return min((time for time in times if time is not None), default=None)

    def _waits(self) -> tuple[list[int], list[int], float]:
        reads, writes = [self._wake_read], []
        wait_s = MAX_WAIT_S
        for station in self._stations.values():
            end = station.end
            if end.is_plugged and not end.is_open():
                wait_s = min(wait_s, LOOK_S)
            if not station.faults.stuck and station.to_modem.room > 0:
                reads += end.files()
            if station.ready and (file := end.full_file()) is not None:
                writes.append(file)
        due = self._next_due()
        if due is not None:
            wait_s = min(wait_s, max(0.0005, due - self._clock.now()))
        return reads, writes, wait_s

    def _read_hosts(self, now: float) -> None:
        for station in self._stations.values():
            station.is_open = station.end.is_open()
            baud = station.end.host_baud() if station.is_open else None
            station.faults.wrong_rate = baud is not None and baud != self.profile.port.baud
            if station.faults.stuck:
                continue
            while data := station.end.read(station.to_modem.room):
                self._tell(station, ">", data)
                station.to_modem.put(data, now)

    def _turn(self) -> None:
        now = self._now
        for station in self._stations.values():
            piece = station.to_modem.take(now)
            faults = station.faults
            if piece and faults.wrong_rate:
                piece = misread(piece, station.rng)
            if piece and faults.echo:
                station.to_host.put(piece, now)
            if piece and faults.hears_host(now):
                station.modem.from_host(piece, now)
            station.modem.tick(now)
        self._air.step(now)
        for station in self._stations.values():
            said = station.faults.said(station.modem.take_host(), now)
            self._tell(station, "<", said)
            station.to_host.put(said, now)
            piece = station.to_host.take(now)
            station.ready += misread(piece, station.rng) if station.faults.wrong_rate else piece
        self._air.step(now)

    def _write_hosts(self) -> None:
        for station in self._stations.values():
            if not station.ready:
                continue
            if not station.end.is_open():
                station.lost_bytes += len(station.ready)
                station.ready.clear()
                continue
            taken = station.end.write(bytes(station.ready))
            del station.ready[:taken]
            excess = len(station.ready) - MAX_READY_BYTES
            if excess > 0:
                station.lost_bytes += excess
                del station.ready[:excess]

    # ---- helpers

    def _tell(self, station: Station, way: str, data: bytes) -> None:
        if data and self._trace is not None:
            self._trace(self._now - self._start_s, station.name, way, data)

    def _station(self, name: str) -> Station:
        if name not in self._stations:
            raise ConfigError(f"no station {name!r}; there are: {', '.join(self._stations)}")
        return self._stations[name]

    @contextmanager
    def _changing(self, name: str | None = None) -> Iterator[Station]:
        """A station (any, without name) to be changed now; the thread sees to what follows from it."""
        station = self._station(name if name is not None else self.names[0])
        with self._lock:
            self._catch_up(self._clock.now())
            yield station
        self._wake()

    def _unplug_all(self) -> None:
        for station in self._stations.values():
            station.end.unplug()

    def _wake(self) -> None:
        if self._thread is not None:
            with suppress(OSError):  # full: it wakes anyway
                os.write(self._wake_write, b"!")
