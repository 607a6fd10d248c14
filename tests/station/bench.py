"""A station on a simulated clock, put together as `clarilink run` does it, with what its operator is told and what is
counted; and links that lose packets."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from firmware_bridge.ptt.keying import Keying
from gateway.audio.base import AudioInput, AudioOutput
from gateway.audio.paced import NullInput, NullOutput
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.config import StationConfig
from gateway.control.hub import ControlHub
from gateway.control.requests import PressKey, ReleaseKey, ToggleKey
from gateway.control.snapshot import PttView
from gateway.links.base import Link, LinkInfo, Received
from gateway.links.memory import MemoryHub
from gateway.messages.disk import RealDisk
from gateway.messages.spool import Spool
from gateway.metrics import Metrics
from gateway.protocol.protection import Protection
from gateway.recording import Recorder
from gateway.session.machine import Mode
from gateway.station.build import StationParts, build_station
from gateway.station.secured import NOT_SECURED, Secured
from tests.told import Told

NAMES = {1: "alpha", 2: "bravo"}
WAIT_PINNED = {"cushion_ms": 60, "cap_ms": 1500, "adapt": "off"}
"""[jitter] of a station that waits as long before every over."""
WAIT_LEARNT = {"cushion_ms": 60, "cap_ms": 1480}


def station_config(number: int = 1, **sections: Any) -> StationConfig:
    """Of station `number` of a net of alpha and bravo, in memory, without tones and search unless `sections` say so."""
    ptt = {"tones": False, **sections.pop("ptt", {})}
    defaults: dict[str, Any] = {
        "net": {"names": NAMES},
        "link": {"kind": "memory"},
        "codec": {"search": "off"},
        "jitter": WAIT_PINNED,
    }
    own = {"name": NAMES.get(number, f"station {number}"), "id": number, "group": 1}
    return StationConfig.model_validate({"station": own, **defaults, **sections, "ptt": ptt})


class Bench:
    """A station, `said` to its operator, `metrics`, and what its consoles see (`hub`)."""

    def __init__(
        self,
        codec: Codec,
        clock: ManualClock,
        link: Link,
        number: int,
        *,
        audio: tuple[AudioInput, AudioOutput] | None = None,
        guard: Protection | None = None,
        secured: Secured = NOT_SECURED,
        recorder: Recorder | None = None,
        keyed_by: Keying | None = None,
        said: Told | None = None,
        metrics: Metrics | None = None,
        **sections: Any,
    ) -> None:
        """`sections` of the station file, as `station_config` takes them; `guard` is the protection."""
        self.clock, self.link = clock, link
        self.config = station_config(number, **sections)
        self.metrics = Metrics() if metrics is None else metrics
        self.said = Told() if said is None else said
        self.hub = ControlHub(clock)
        self.audio = audio or (NullInput(clock), NullOutput(clock, self.metrics))
        parts = StationParts(
            self.config,
            codec,
            link,
            self.audio,
            clock,
            self.metrics,
            self.said.say,
            crc=False,
            security=secured,
            recorder=recorder,
            keying=keyed_by,
            hub=self.hub,
            rng=random.Random(number),
        )
        self.station = build_station(parts if guard is None else replace(parts, protection=guard))

    @property
    def mode(self) -> Mode:
        """Of its push-to-talk."""
        return Mode(self.station.snapshot().ptt.mode)

    @property
    def ptt(self) -> PttView:
        """As its consoles saw it last."""
        assert self.hub.snapshot is not None
        return self.hub.snapshot.ptt

    @property
    def spool(self) -> Spool:
        """Its messages on the disk."""
        assert self.config.messages is not None
        return Spool(self.config.messages.spool, RealDisk(), max_bytes=10**6, wall_s=lambda: 0.0)

    def press(self, holder: str = "switch", *, break_in: bool = False) -> None:
        self.hub.post(PressKey(holder, break_in))

    def release(self, holder: str = "switch") -> None:
        self.hub.post(ReleaseKey(holder))

    def told(self, words: str) -> bool:
        return any(words in line for line in self.said)


def run(clock: ManualClock, seconds: float, *benches: Bench) -> None:
    until = clock.now() + seconds
    while clock.now() < until:
        for bench in benches:
            bench.station.step()


def run_until(clock: ManualClock, longest_s: float, words: str, at: Bench, *benches: Bench) -> None:
    """Until `words` are told at one of them."""
    until = clock.now() + longest_s
    while not at.told(words):
        assert clock.now() < until, f"{words!r} was not told: {at.said}"
        for bench in benches:
            bench.station.step()


def two(codec: Codec, clock: ManualClock, **ptt: Any) -> tuple[Bench, Bench]:
    """Two stations in one net, with these settings of push-to-talk."""
    hub = MemoryHub(clock)
    return Bench(codec, clock, hub.station("a"), 1, ptt=ptt), Bench(codec, clock, hub.station("b"), 2, ptt=ptt)


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


def careful(codec: Codec, clock: ManualClock, link: Link, number: int, **adaptation: Any) -> Bench:
    """A station that learns how long to wait, and adapts as said."""
    return Bench(codec, clock, link, number, adaptation=adaptation, jitter=WAIT_LEARNT)


def talk(clock: ManualClock, talker: Bench, *others: Bench, seconds: float = 8.0, gap_s: float = 4.0) -> None:
    talker.station.post(ToggleKey("key"))
    run(clock, seconds, talker, *others)
    talker.station.post(ToggleKey("key"))
    run(clock, gap_s, talker, *others)
