"""Two whole stations on one simulated clock, put together as `clarilink run` does, with sound files and recorders."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from gateway.audio.files import write_wav
from gateway.audio.paced import FileInput, FileOutput
from gateway.channel.impairments import ChannelSpec
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.config import StationConfig
from gateway.control.hub import ControlHub
from gateway.control.kept import Kept
from gateway.control.requests import PressKey, ReleaseKey
from gateway.control.snapshot import SecurityView, Snapshot
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import MemoryHub
from gateway.metrics import Metrics
from gateway.protocol.opening import Opener
from gateway.protocol.protection_file import load_protection
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import NetKey, Suite
from gateway.recording import Recorder
from gateway.recording.facts import config_excerpt
from gateway.recording.shelf import Shelf
from gateway.station.build import StationParts, build_station
from gateway.station.secured import NOT_SECURED, ForgetfulState, Secured
from tests.told import Told

CLEAN = ChannelSpec("clean")
KEY = NetKey(1, bytes(range(32)))


def secured(suite: Suite, number: int) -> Secured:
    """Security under a key that both stations have."""
    state, rng = ForgetfulState(), random.Random(number)
    sealer = Sealer(suite, KEY, source=number, counters=state, random_bytes=rng.randbytes)
    opener = Opener(suite, {1: KEY}, ForgetfulState(), packet_s=0.48, hold_s=2.0)
    return Secured(sealer, opener, "", SecurityView(suite.mode.value))


class Talker:
    """One station, its ear as a file, what it was told, and its recordings."""

    def __init__(
        self,
        codec: Codec,
        clock: ManualClock,
        hub: MemoryHub,
        number: int,
        folder: Path,
        *,
        channel: ChannelSpec = CLEAN,
        protection: str = "none",
        suite: Suite | None = None,
        kept: Kept | None = None,
        **ptt: object,
    ) -> None:
        self.name = ("alpha", "bravo")[number - 1]
        self.config = StationConfig.model_validate(
            {
                "station": {"name": self.name, "id": number, "group": 1},
                "net": {"names": {1: "alpha", 2: "bravo"}},
                "link": {"kind": "memory"},
                "codec": {"search": "off"},
                "ptt": {"tones": False, "time_out_s": 20.0, **ptt},
            }
        )
        self.clock, self.metrics, self.hub = clock, Metrics(), ControlHub(clock)
        self.said = Told()
        self.folder = folder / self.name
        self.ear_path = folder / f"{self.name}.wav"
        shelf = Shelf(self.folder, max_bytes=10**8, max_age_s=1e9, least_free_bytes=0)
        shelf.open()
        self.recorder = Recorder(
            shelf,
            said=True,
            heard=True,
            clock=clock,
            say=self.said.say,
            wall=lambda: 1e9 + clock.now(),
            excerpt=config_excerpt(self.config),
            name_of=self.config.net.name_of,
        )
        self.recorder.opened(self.name, number)
        self.audio = FileInput(folder / "said.wav", clock), FileOutput(self.ear_path, clock, self.metrics)
        link = EmulatedLink(hub.station(self.name), channel, np.random.default_rng(number), clock)
        security = NOT_SECURED if suite is None else secured(suite, number)
        self.station = build_station(
            StationParts(
                self.config,
                codec,
                link,
                self.audio,
                clock,
                self.metrics,
                self.said.say,
                crc=False,
                protection=load_protection(protection),
                security=security,
                recorder=self.recorder,
                hub=self.hub,
                kept=kept,
                rng=random.Random(number),
            )
        )

    @property
    def shown(self) -> Snapshot:
        """What consoles see now."""
        return self.station.snapshot()

    def told(self, words: str) -> bool:
        return any(words in line for line in self.said)

    def close(self) -> None:
        self.station.close()
        self.recorder.close()
        for one in self.audio:
            one.close()


class Talk:
    """Alpha and bravo."""

    def __init__(self, codec: Codec, folder: Path, pcm: np.ndarray, **options: object) -> None:
        write_wav(folder / "said.wav", [pcm])
        self.clock = ManualClock(100.0)
        hub = MemoryHub(self.clock)
        self.alpha = Talker(codec, self.clock, hub, 1, folder, **options)  # type: ignore[arg-type]
        self.bravo = Talker(codec, self.clock, hub, 2, folder, **options)  # type: ignore[arg-type]

    def run(self, seconds: float) -> None:
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            for one in (self.alpha, self.bravo):
                one.station.step()

    def over(self, talker: Talker, seconds: float, after_s: float = 4.0) -> None:
        """An over of so long, and time for it to be heard."""
        talker.station.post(PressKey("key"))
        self.run(seconds)
        talker.station.post(ReleaseKey("key"))
        self.run(after_s)

    def close(self) -> None:
        self.alpha.close()
        self.bravo.close()
