"""`clarilink soak`: two whole stations live through days of traffic in simulated time, and everything has to add up.

Rule: the stations are those of `clarilink run` (security, spool, recordings, memory on disk), only time, sound cards
and the wire between them are made up; whatever happens to them comes from one seed.

What happens: overs of random length, presses while the other talks, texts, voice messages, links that are torn out,
microphones that vanish, restarts. Once an hour memory, threads and open files are looked at.
"""

from __future__ import annotations

import gc
import random
import resource
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gateway.audio.base import FloatArray
from gateway.audio.paced import FileInput, NullOutput
from gateway.channel.impairments import ChannelSpec
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.config import StationConfig
from gateway.control.hub import ControlHub
from gateway.control.kept import Kept, kept_of
from gateway.control.requests import PressKey, ReleaseKey, SendText, ToggleRecording
from gateway.errors import LinkError
from gateway.keys import make_keys
from gateway.links.base import Link, LinkInfo, Received
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import MemoryHub
from gateway.messages.disk import RealDisk
from gateway.messages.spool import Folder, Spool
from gateway.metrics import Metrics
from gateway.recording.recorder import Recorder
from gateway.recording.shelf import Shelf
from gateway.samples import sample_path
from gateway.session.table import KEYED_MODES, Mode
from gateway.station.build import StationParts, build_station
from gateway.station.secured import open_security
from gateway.station.station import Station

HOUR_S = 3600.0
QUIET_S = 900.0
"""At the end nothing new happens for so long, so that messages arrive and overs end."""
MEMORY_GROWTH_MB = 8.0
"""Between the means of the second and the last quarter: more is a leak."""
CALENDAR_S = 1_767_225_600.0
EVERY_S = {"over": 90.0, "busy press": 600.0, "text": 600.0, "message": 3600.0, "unplug": 3600.0, "deaf": 3600.0}
RESTART_S = 4 * HOUR_S


class Wire(Link):
    """A link that can be torn out: it then fails as a pulled adapter does, and opens again when it is plugged in."""

    _layer = "wire"

    def __init__(self, inner: Link) -> None:
        super().__init__(inner.metrics)
        self._inner = inner
        self.is_plugged = True

    @property
    def info(self) -> LinkInfo:
        return self._inner.info

    def ready(self) -> bool:
        return super().ready() and self._inner.ready()

    def _open(self) -> None:
        self._check()
        self._inner.open()

    def _close(self) -> None:
        self._inner.close()

    def _send(self, data: bytes) -> bool:
        self._check()
        self._last_drop = self._inner.send(data)
        return self._last_drop is None

    def _receive(self, timeout_s: float) -> Received | None:
        self._check()
        return self._inner.receive(timeout_s)

    def _check(self) -> None:
        if not self.is_plugged:
            raise LinkError("the adapter is gone")


class Microphone(FileInput):
    """Speech, or silence while it is missing."""

    is_there = True

    def read(self) -> FloatArray:
        pcm = super().read()
        return pcm if self.is_there else np.zeros_like(pcm)


@dataclass(slots=True)
class Hour:
    """What the process held at the end of a simulated hour."""

    memory_mb: float
    threads: int
    files: int


@dataclass(slots=True)
class SoakReport:
    """What happened, what was held, and what does not add up (nothing, one hopes)."""

    simulated_s: float = 0.0
    happened: Counter[str] = field(default_factory=Counter)
    counters: dict[str, dict[str, float]] = field(default_factory=dict)
    hours: list[Hour] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Seat:
    """One station with what outlives its restarts."""

    def __init__(
        self, name: str, number: int, codec: Codec, clock: ManualClock, net: MemoryHub, spec: ChannelSpec, folder: Path
    ) -> None:
        self.name, self.number, self._codec, self._clock, self._net = name, number, codec, clock, net
        self._spec, self._folder = spec, folder
        self._config = StationConfig.model_validate(
            {
                "station": {"name": name, "id": number, "group": 1},
                "net": {"names": {1: "alpha", 2: "bravo"}},
                "link": {"kind": "memory"},
                "codec": {"search": "off"},
                "adaptation": {"mode": "on", "report": "on"},
                "security": {
                    "mode": "authenticate-encrypt",
                    "key_file": folder / "net.key",
                    "state_file": folder / f"{name}.state",
                },
                "messages": {"spool": folder / f"spool-{name}", "to": 3 - number},
                "record": {"folder": folder / f"record-{name}", "max_bytes": 20_000_000, "least_free_bytes": 0},
            }
        )
        self.totals: Counter[str] = Counter()
        self.channel: Counter[str] = Counter()
        self.kept = Kept()
        self.runs = 0
        self.cut_overs = 0
        """Restarts while the other talked: by SPEC 13.12 the rest of that over is refused as replayed."""
        self.start()

    def start(self) -> None:
        """As the program does at its start."""
        self.runs += 1
        self.metrics, self.hub = Metrics(), ControlHub(self._clock, self._wall)
        rng = random.Random(f"{self.name} {self.runs}")
        self.emulated = EmulatedLink(
            self._net.station(self.name, self.metrics),
            self._spec,
            np.random.default_rng(rng.getrandbits(32)),
            self._clock,
        )
        self.wire = Wire(self.emulated)
        self.microphone = Microphone(sample_path(), self._clock)
        self._speaker = NullOutput(self._clock, self.metrics)
        self._security = open_security(self._config, _ignore)
        section = self._config.record
        assert section is not None
        shelf = Shelf(section.folder, max_bytes=section.max_bytes, max_age_s=1e9, least_free_bytes=0)
        shelf.open()
        self._recorder = Recorder(shelf, said=True, heard=True, clock=self._clock, say=_ignore, wall=self._wall)
        self._recorder.opened(self.name, self.number)
        self.station: Station = build_station(
            StationParts(
                self._config,
                self._codec,
                self.wire,
                (self.microphone, self._speaker),
                self._clock,
                self.metrics,
                _ignore,
                crc=False,
                security=self._security,
                recorder=self._recorder,
                hub=self.hub,
                kept=self.kept,
                rng=rng,
            )
        )

    def step(self) -> None:
        """One turn of the station."""
        self.station.step()

    def housekeep(self) -> None:
        """What threads of the program do beside the station."""
        self._recorder.work()

    def stop(self) -> None:
        """As the program does at its end; what is kept goes through its text."""
        self.station.close()
        self._recorder.close()
        self._security.close()
        self.microphone.close()
        self._speaker.close()
        snapshot = self.hub.snapshot
        if snapshot is not None:
            kept = kept_of(Kept.of(snapshot).to_json())
            assert kept is not None
            self.kept = kept
        for name, value in self.metrics.snapshot().items():
            self.totals[name] += int(value)
        stats = self.emulated.stats
        for name in ("sent", "delivered", "lost", "queue_drops", "oversize"):
            self.channel[name] += getattr(stats, name)

    @property
    def talks(self) -> bool:
        """Whether an over of this station is under way."""
        snapshot = self.hub.snapshot
        return snapshot is not None and Mode(snapshot.ptt.mode) in KEYED_MODES

    @property
    def hears(self) -> bool:
        """Whether an over of the other is."""
        snapshot = self.hub.snapshot
        return snapshot is not None and snapshot.talker is not None

    def spool(self) -> Spool:
        """The messages of this station, for counting."""
        return Spool(self._folder / f"spool-{self.name}", RealDisk(), max_bytes=10**9, wall_s=lambda: 0.0)

    def _wall(self) -> float:
        return CALENDAR_S + self._clock.now()


def _ignore(*_: object) -> None:
    return


def held() -> Hour:
    """What this process holds now."""
    gc.collect()
    with Path("/proc/self/statm").open() as file:
        pages = int(file.read().split()[1])
    memory_mb = pages * resource.getpagesize() / 1e6
    return Hour(round(memory_mb, 1), threading.active_count(), sum(1 for _ in Path("/proc/self/fd").iterdir()))


def run_soak(
    codec: Codec,
    spec: ChannelSpec,
    folder: Path,
    hours: float,
    seed: int = 1,
    progress: Callable[[str], None] = _ignore,
) -> SoakReport:
    """Run two stations for `hours` of simulated time in the empty `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    make_keys(folder / "net.key")
    clock, rng, report = ManualClock(1000.0), random.Random(seed), SoakReport()
    net = MemoryHub(clock)
    seats = [Seat(name, n, codec, clock, net, spec, folder) for n, name in ((1, "alpha"), (2, "bravo"))]
    plan = _Plan(rng, clock.now(), seats, report.happened)
    start_s, end_s = clock.now(), clock.now() + hours * HOUR_S
    next_hour_s, next_chore_s = start_s + min(HOUR_S, hours * HOUR_S / 4), start_s
    while clock.now() < end_s:
        for seat in seats:
            seat.step()
        if clock.now() >= next_chore_s:
            next_chore_s += 1.0
            plan.act(clock.now(), quiet=clock.now() > end_s - min(QUIET_S, hours * HOUR_S / 4))
            for seat in seats:
                seat.housekeep()
        if clock.now() >= next_hour_s:
            next_hour_s += min(HOUR_S, hours * HOUR_S / 4)
            report.hours.append(held())
            progress(f"{(clock.now() - start_s) / HOUR_S:.1f} h: {report.hours[-1]}, {dict(report.happened)}")
    report.simulated_s = clock.now() - start_s
    for seat in seats:
        seat.stop()
        report.counters[seat.name] = dict(sorted(seat.totals.items()))
    report.problems = find_problems(seats, report)
    return report


class _Plan:
    """What happens when: each kind at random times of its mean distance, drawn from one generator."""

    def __init__(self, rng: random.Random, now_s: float, seats: list[Seat], happened: Counter[str]) -> None:
        self._rng, self._seats, self._happened = rng, seats, happened
        self._next_s = {kind: now_s + rng.expovariate(1 / every_s) for kind, every_s in EVERY_S.items()}
        self._restart_s = now_s + rng.uniform(0.5, 1.0) * RESTART_S
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._texts = 0

    def act(self, now_s: float, *, quiet: bool) -> None:
        due = [item for item in self._later if item[0] <= now_s]
        self._later = [item for item in self._later if item[0] > now_s]
        for _, what in due:
            what()
        if quiet:
            return
        for kind, at_s in self._next_s.items():
            if now_s >= at_s:
                self._next_s[kind] = now_s + self._rng.expovariate(1 / EVERY_S[kind])
                self._happened[kind] += 1
                self._begin(kind, now_s, self._rng.choice(self._seats))
        if now_s >= self._restart_s:
            self._restart_s = now_s + self._rng.uniform(0.5, 1.5) * RESTART_S
            self._happened["restart"] += 1
            seat = self._rng.choice(self._seats)
            seat.cut_overs += self._seats[self._seats.index(seat) - 1].talks or seat.hears
            seat.stop()
            seat.start()

    def _begin(self, kind: str, now_s: float, seat: Seat) -> None:
        lasts_s = min(30.0, 1.0 + self._rng.expovariate(1 / 4))
        match kind:
            case "over":
                seat.hub.post(PressKey("switch"))
                self._then(now_s + lasts_s, lambda: seat.hub.post(ReleaseKey("switch")))
                if self._rng.random() < 0.5:  # the other answers, perhaps too early
                    other = self._seats[self._seats.index(seat) - 1]
                    answer_s = now_s + lasts_s + self._rng.uniform(0, 3)
                    self._then(answer_s, lambda: other.hub.post(PressKey("switch")))
                    self._then(answer_s + lasts_s, lambda: other.hub.post(ReleaseKey("switch")))
            case "busy press":
                for one in self._seats:
                    one.hub.post(PressKey("web", lease_s=1.0))  # and never released: its lease has to end it
            case "text":
                self._texts += 1
                seat.hub.post(SendText(f"text {self._texts}"))
            case "message":
                seat.hub.post(ToggleRecording())
                self._then(now_s + lasts_s, lambda: seat.hub.post(ToggleRecording()))
            case "unplug":
                wire = seat.wire
                wire.is_plugged = False
                self._then(now_s + self._rng.uniform(1, 60), lambda: setattr(wire, "is_plugged", True))
            case "deaf":
                microphone = seat.microphone
                microphone.is_there = False
                self._then(now_s + lasts_s, lambda: setattr(microphone, "is_there", True))

    def _then(self, at_s: float, what: Callable[[], None]) -> None:
        self._later.append((at_s, what))


def find_problems(seats: list[Seat], report: SoakReport) -> list[str]:
    """What does not add up, a sentence each."""
    problems: list[str] = []

    def check(holds: bool, sentence: str) -> None:
        if not holds:
            problems.append(sentence)

    for seat, other in zip(seats, reversed(seats), strict=True):
        totals, name = seat.totals, seat.name
        check(
            totals["ptt.key_up"] == totals["ptt.key_down"],
            f"{name}: keyed {totals['ptt.key_up']}, unkeyed {totals['ptt.key_down']}",
        )
        check(
            totals["tx.overs"] == totals["ptt.key_up"],
            f"{name}: {totals['tx.overs']} overs in {totals['ptt.key_up']} keyings",
        )
        check(totals["tx.overs"] + other.totals["tx.overs"] > 0, "nobody ever talked")
        sent = seat.channel
        accounted = sent["delivered"] + sent["lost"] + sent["queue_drops"] + sent["oversize"]
        check(sent["sent"] == accounted, f"{name}: {sent['sent']} packets into the channel, {accounted} accounted for")
        check(totals["link.rx_packets"] <= other.channel["delivered"], f"{name}: heard more than {other.name} sent")
        arrived = totals["rx.packets"]
        check(
            arrived == totals["channel.rx_packets"],
            f"{name}: {arrived} packets in, {totals['channel.rx_packets']} handed on",
        )
        check(
            totals["rx.overs"] <= other.totals["tx.overs"],
            f"{name}: heard {totals['rx.overs']} overs of {other.totals['tx.overs']}",
        )
        refused = totals["rx.dropped.bad_tag"] + totals["rx.dropped.unknown_key"]
        if not seat.cut_overs:
            refused += totals["rx.dropped.replayed"]
        check(refused == 0, f"{name}: {refused} packets of its own net refused")
        mine, his = seat.spool(), other.spool()
        waiting = len(mine.names(Folder.OUTBOX))
        check(waiting == 0, f"{name}: {waiting} messages still in the outbox")
        contents = {entry.message.head.key: entry.message.content for entry in his.entries([Folder.INBOX])}
        for entry in mine.entries([Folder.SENT]):
            same = contents.get(entry.message.head.key) == entry.message.content
            check(same, f"{name}: message {entry.message.head.message_id:08x} is not at {other.name} as it was sent")
    problems += _leaks(report.hours)
    return problems


def _leaks(hours: list[Hour]) -> list[str]:
    """Growth of what the process holds, from the second quarter of the time to the last."""
    if len(hours) < 4:
        return []
    quarter = len(hours) // 4
    early, late = hours[quarter : 2 * quarter], hours[-quarter:]
    problems = []
    grown_mb = sum(hour.memory_mb for hour in late) / quarter - sum(hour.memory_mb for hour in early) / quarter
    if grown_mb > MEMORY_GROWTH_MB:
        problems.append(f"memory grew by {grown_mb:.1f} MB")
    for what in ("threads", "files"):
        # The fewest of each, for overs that are being recorded have files open.
        before, after = (min(getattr(hour, what) for hour in some) for some in (early, late))
        if after > before:
            problems.append(f"{what} grew from {before} to {after}")
    return problems


def as_dict(report: SoakReport) -> dict[str, Any]:
    """Plain values."""
    return {
        "simulated_s": report.simulated_s,
        "happened": dict(report.happened),
        "counters": report.counters,
        "hours": [[hour.memory_mb, hour.threads, hour.files] for hour in report.hours],
        "problems": report.problems,
    }
