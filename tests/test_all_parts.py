"""Security, messages, reports and adaptation in one pair of stations: all of it is sealed, and everything works."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from gateway.adaptation import LinkCare
from gateway.audio.files import write_wav
from gateway.audio.paced import FileInput, NullInput, NullOutput
from gateway.channel.impairments import ChannelSpec
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.config import StationConfig
from gateway.console.keyboard import RecordToggled, SendText
from gateway.links.base import Link
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import MemoryHub
from gateway.mailbox import Mailbox
from gateway.messages.disk import RealDisk
from gateway.messages.spool import Folder, Spool
from gateway.metrics import Metrics
from gateway.protocol.adaptation import NO_GUARD
from gateway.protocol.opening import Opener
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import NetKey, SecurityMode, Suite
from gateway.receive import Receiver
from gateway.secured import ForgetfulState
from gateway.session.events import PttToggled
from gateway.station import Station
from gateway.transmit import Transmitter

KEY = NetKey(1, bytes(range(32)))
SUITE = Suite(SecurityMode.AUTHENTICATE_ENCRYPT)
LOSSY = ChannelSpec("lossy", rate_bps=2400, half_duplex=True, turnaround_ms=50, loss=0.2, mtu_bytes=128)


class Bench:
    """A station with all parts, what its operator is told, and its spool."""

    def __init__(self, codec: Codec, clock: ManualClock, link: Link, number: int, folder: Path) -> None:
        config = StationConfig.model_validate(
            {
                "station": {"name": f"s{number}", "id": number, "group": 1},
                "net": {"names": {1: "alpha", 2: "bravo"}},
                "link": {"kind": "memory"},
                "ptt": {"tones": False},
                "adaptation": {"mode": "on", "report": "on", "report_every_s": 0.0, "max_bps": 700},
                "security": {"mode": "authenticate-encrypt", "key_file": folder / "net.key"},
                "messages": {"spool": folder / f"s{number}", "round_trip_s": 0.5, "to": 3 - number, "text_acks": True},
            }
        )
        self.metrics = Metrics()
        self.said: list[str] = []
        state, rng = ForgetfulState(), random.Random(number)
        sends = Transmitter(
            codec,
            source=number,
            group=1,
            frames_per_packet=6,
            crc=False,
            rng=rng,
            metrics=self.metrics,
            sealer=Sealer(SUITE, KEY, source=number, counters=state, random_bytes=rng.randbytes),
        )
        hears = Receiver(
            codec,
            frames_per_packet=6,
            crc=False,
            cushion_s=0.06,
            cap_s=1.5,
            metrics=self.metrics,
            opener=Opener(SUITE, {1: KEY}, state, packet_s=0.48, hold_s=0.06, own_source=number),
        )
        said = FileInput(folder / "said.wav", clock) if number == 1 else NullInput(clock)
        care = LinkCare(config, NO_GUARD, crc=False, rng=rng, metrics=self.metrics)
        mailbox = Mailbox.of(config, codec, None, link.info, sends.carriage, rng, self.metrics, self.said.append)
        audio = said, NullOutput(clock, self.metrics)
        self.station = Station(
            config, sends, hears, link, audio, clock, self.metrics, self.said.append, care, mailbox, rng
        )
        self.spool = Spool(folder / f"s{number}", RealDisk(), max_bytes=10**6, wall_s=lambda: 0.0)

    def told(self, words: str) -> bool:
        return any(words in line for line in self.said)


def run(clock: ManualClock, seconds: float, *benches: Bench) -> None:
    until = clock.now() + seconds
    while clock.now() < until:
        for bench in benches:
            bench.station.step()


@pytest.fixture
def pair(small_codec: Codec, speechlike: np.ndarray, tmp_path: Path) -> tuple[ManualClock, Bench, Bench]:
    write_wav(tmp_path / "said.wav", [speechlike])
    clock = ManualClock(100.0)
    hub, rng = MemoryHub(clock), np.random.default_rng(4)
    a, b = (
        Bench(small_codec, clock, EmulatedLink(hub.station(name), LOSSY, rng.spawn(1)[0], clock), number, tmp_path)
        for number, name in enumerate("ab", 1)
    )
    return clock, a, b


def test_voice_reports_texts_and_messages_of_one_net_with_security(pair: tuple[ManualClock, Bench, Bench]) -> None:
    clock, a, b = pair
    a.station.post(RecordToggled())
    run(clock, 2.0, a, b)
    a.station.post(RecordToggled())
    run(clock, 0.5, a, b)
    # The message waits while there is live voice, and goes on in the gaps.
    for _ in range(3):
        a.station.post(PttToggled())
        run(clock, 5.0, a, b)
        a.station.post(PttToggled())
        run(clock, 4.0, a, b)
    b.station.post(SendText("heard you"))
    until = clock.now() + 120
    while not (a.told("delivered to bravo") and b.told("is at alpha")) and clock.now() < until:
        run(clock, 1.0, a, b)
    (sent,), (received,) = a.spool.entries([Folder.SENT]), b.spool.entries([Folder.INBOX])
    assert received.message.content == sent.message.content
    assert a.told("message from bravo: heard you")
    assert b.told("is at alpha")
    assert b.metrics.counter("rx.overs") == 3
    assert b.metrics.counter("tx.reports") >= 2
    assert a.metrics.counter("adaptation.reports") >= 1
    for bench in (a, b):  # nothing of one's own net is refused but what is late or came twice
        refused = {name for name in bench.metrics.snapshot() if name.startswith("rx.dropped.")}
        assert refused <= {"rx.dropped.no_session", "rx.dropped.duplicate"}


def test_nothing_of_it_is_of_use_without_the_key(
    pair: tuple[ManualClock, Bench, Bench], small_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, a, b = pair
    heard: list[bytes] = []
    whole = b.station._receiver.on_packet

    def overhear(data: bytes, *rest: object) -> object:
        heard.append(data)
        return whole(data, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(b.station._receiver, "on_packet", overhear)
    a.station.post(SendText("under seal"))
    a.station.post(RecordToggled())
    run(clock, 1.0, a, b)
    a.station.post(RecordToggled())
    run(clock, 8.0, a, b)
    a.station.post(PttToggled())
    run(clock, 3.0, a, b)
    a.station.post(PttToggled())
    run(clock, 1.0, a, b)
    assert len(heard) > 5
    assert not any(b"under seal" in data for data in heard)
    plain = Receiver(small_codec, frames_per_packet=6, crc=False, cushion_s=0.06, cap_s=1.5, metrics=Metrics())
    assert [notice for data in heard for notice in plain.on_packet(data, clock.now())] == []
