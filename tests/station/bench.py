"""A station on a simulated clock with what its operator is told and what is counted, and links that lose packets."""

from __future__ import annotations

import random

from gateway.audio.base import AudioInput, AudioOutput
from gateway.audio.paced import NullInput, NullOutput
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.config import StationConfig
from gateway.control.requests import ToggleKey
from gateway.links.base import Link, LinkInfo, Received
from gateway.links.memory import MemoryHub
from gateway.metrics import Metrics
from gateway.protocol.cushion import AdaptiveCushion, CushionRules
from gateway.protocol.protection_file import load_protection
from gateway.receive import Receiver
from gateway.recording import Recorder
from gateway.session.machine import Mode
from gateway.station.adaptation import LinkCare
from gateway.station.station import Station
from gateway.transmit import Transmitter
from tests.told import Told


class Bench:
    """A station with what the operator is told and counted."""

    def __init__(
        self,
        codec: Codec,
        clock: ManualClock,
        link: Link,
        number: int,
        audio: tuple[AudioInput, AudioOutput] | None = None,
        adaptation: dict[str, object] | None = None,
        protection: str = "none",
        recorder: Recorder | None = None,
        **ptt: object,
    ) -> None:
        guard = load_protection(protection)
        config = StationConfig.model_validate(
            {
                "station": {"name": f"s{number}", "id": number, "group": 1},
                "net": {"names": {1: "alpha", 2: "bravo"}},
                "link": {"kind": "memory"},
                "ptt": {"tones": False, **ptt},
                "adaptation": adaptation or {},
            }
        )
        self.metrics = Metrics()
        self.said = Told()
        self.audio = audio or (NullInput(clock), NullOutput(clock, self.metrics))
        self.station = Station(
            config,
            Transmitter(
                codec,
                source=number,
                group=1,
                frames_per_packet=6,
                crc=False,
                rng=random.Random(number),
                metrics=self.metrics,
                protection=guard,
            ),
            Receiver(
                codec,
                frames_per_packet=6,
                crc=False,
                cushion_s=0.06,
                cap_s=1.5,
                metrics=self.metrics,
                protection=guard,
                cushion=None if adaptation is None else AdaptiveCushion(CushionRules(0.06, 1.0)),
            ),
            link,
            self.audio,
            clock,
            self.metrics,
            self.said.say,
            None
            if adaptation is None
            else LinkCare(config, guard, crc=False, rng=random.Random(number), metrics=self.metrics),
            recorder=recorder,
        )

    @property
    def mode(self) -> Mode:
        return Mode(self.station.snapshot().ptt.mode)


def run(clock: ManualClock, seconds: float, *benches: Bench) -> None:
    until = clock.now() + seconds
    while clock.now() < until:
        for bench in benches:
            bench.station.step()


def two(codec: Codec, clock: ManualClock, **ptt: object) -> tuple[Bench, Bench]:
    hub = MemoryHub(clock)
    return Bench(codec, clock, hub.station("a"), 1, **ptt), Bench(codec, clock, hub.station("b"), 2, **ptt)


class LossyLink(Link):
    """A link that loses every so many packets on their way out, and may learn its rate late."""

    def __init__(self, inner: Link, lose_every: int = 0) -> None:
        super().__init__(Metrics())
        self.inner, self.lose_every, self.sent = inner, lose_every, 0
        self.rate_bps: float | None = None

    @property
    def info(self) -> LinkInfo:
        return LinkInfo("lossy", 256, self.rate_bps, has_integrity=True)

    def _open(self) -> None:
        self.inner.open()

    def _close(self) -> None:
        self.inner.close()

    def _send(self, data: bytes) -> bool:
        self.sent += 1
        if not self.lose_every or self.sent % self.lose_every:
            self.inner.send(data)
        return True

    def _receive(self, timeout_s: float) -> Received | None:
        return self.inner.receive(timeout_s)


def careful(codec: Codec, clock: ManualClock, link: Link, number: int, **adaptation: object) -> Bench:
    return Bench(codec, clock, link, number, adaptation=adaptation)


def talk(clock: ManualClock, talker: Bench, *others: Bench, seconds: float = 8.0, gap_s: float = 4.0) -> None:
    talker.station.post(ToggleKey("key"))
    run(clock, seconds, talker, *others)
    talker.station.post(ToggleKey("key"))
    run(clock, gap_s, talker, *others)
