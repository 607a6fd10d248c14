"""Security, messages, reports and adaptation in one pair of stations: all of it is sealed, and everything works."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.audio.files import write_wav
from gateway.audio.paced import FileInput, NullInput, NullOutput
from gateway.channel.impairments import ChannelSpec
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.control.requests import SendText, ToggleKey, ToggleRecording
from gateway.errors import LocalProtocolError
from gateway.links.base import Link
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import MemoryHub
from gateway.messages.spool import Folder
from gateway.metrics import Metrics
from gateway.protocol.adaptation import NO_GUARD
from gateway.protocol.live import GUARDS, LinkProfile, cost_of, live_row, security
from gateway.protocol.opening import Opener
from gateway.protocol.protection import Protection
from gateway.protocol.protection_file import load_protection
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import NetKey, SecurityMode, Suite
from gateway.receive import Receiver
from gateway.station.secured import NOT_SECURED, ForgetfulState
from gateway.tools.loopback import LoopbackOptions, run_loopback
from tests.station.bench import Bench, run

KEY = NetKey(1, bytes(range(32)))
SUITE = Suite(SecurityMode.AUTHENTICATE_ENCRYPT)
LOSSY = ChannelSpec("lossy", rate_bps=2400, half_duplex=True, turnaround_ms=50, loss=0.2, mtu_bytes=128)


class FullBench(Bench):
    """A station with all parts; the first of them speaks what is in `said.wav`."""

    def __init__(
        self, codec: Codec, clock: ManualClock, link: Link, number: int, folder: Path, guard: Protection = NO_GUARD
    ) -> None:
        state = ForgetfulState()
        sealer = Sealer(SUITE, KEY, source=number, counters=state, random_bytes=random.Random(number).randbytes)
        opener = Opener(SUITE, {1: KEY}, state, packet_s=0.48, hold_s=0.06, own_source=number)
        said = FileInput(folder / "said.wav", clock) if number == 1 else NullInput(clock)
        super().__init__(
            codec,
            clock,
            link,
            number,
            audio=(said, NullOutput(clock, Metrics())),
            guard=guard,
            secured=NOT_SECURED if guard.is_bit else replace(NOT_SECURED, sealer=sealer, opener=opener),
            adaptation={"mode": "on", "report": "on", "report_every_s": 0.0, "max_bps": 700},
            security={} if guard.is_bit else {"mode": "authenticate-encrypt", "key_file": folder / "net.key"},
            messages={"spool": folder / f"s{number}", "round_trip_s": 0.5, "to": 3 - number, "text_acks": True},
        )


def two(
    codec: Codec, speech: np.ndarray, folder: Path, channel: ChannelSpec, guard: Protection = NO_GUARD
) -> tuple[ManualClock, Bench, Bench]:
    write_wav(folder / "said.wav", [speech])
    clock = ManualClock(100.0)
    hub, rng = MemoryHub(clock), np.random.default_rng(4)
    links = [EmulatedLink(hub.station(name), channel, rng.spawn(1)[0], clock) for name in "ab"]
    a, b = (FullBench(codec, clock, link, number, folder, guard) for number, link in enumerate(links, 1))
    return clock, a, b


@pytest.fixture
def pair(small_codec: Codec, speechlike: np.ndarray, tmp_path: Path) -> tuple[ManualClock, Bench, Bench]:
    return two(small_codec, speechlike, tmp_path, LOSSY)


def test_voice_reports_texts_and_messages_of_one_net_with_security(pair: tuple[ManualClock, Bench, Bench]) -> None:
    clock, a, b = pair
    a.station.post(ToggleRecording())
    run(clock, 2.0, a, b)
    a.station.post(ToggleRecording())
    run(clock, 0.5, a, b)
    # The message waits while there is live voice, and goes on in the gaps.
    for _ in range(3):
        a.station.post(ToggleKey("key"))
        run(clock, 5.0, a, b)
        a.station.post(ToggleKey("key"))
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


def test_reports_texts_and_messages_under_bit_protection(
    small_codec: Codec, speechlike: np.ndarray, tmp_path: Path
) -> None:
    """One bit in a hundred is wrong: everything is wrapped, and messages know how long that makes them."""
    noisy = ChannelSpec("noisy", rate_bps=1200, half_duplex=True, bit_error_rate=0.01, mtu_bytes=128)
    clock, a, b = two(small_codec, speechlike, tmp_path, noisy, load_protection("robust-transparent"))
    a.station.post(ToggleRecording())
    run(clock, 2.0, a, b)
    a.station.post(ToggleRecording())
    a.station.post(ToggleKey("key"))
    run(clock, 6.0, a, b)
    a.station.post(ToggleKey("key"))
    run(clock, 4.0, a, b)
    b.station.post(SendText("heard you " * 15))
    until = clock.now() + 120
    while not (a.told("delivered to bravo") and b.told("is at alpha")) and clock.now() < until:
        run(clock, 1.0, a, b)
    (sent,), (received,) = a.spool.entries([Folder.SENT]), b.spool.entries([Folder.INBOX])
    assert received.message.content == sent.message.content
    assert a.told("heard you heard you")
    assert a.metrics.counter("adaptation.reports") == 1
    assert a.metrics.counter("tx.dropped.mtu") == b.metrics.counter("tx.dropped.mtu") == 0
    assert b.metrics.counter("rx.frames_concealed") == 0


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
    a.station.post(ToggleRecording())
    run(clock, 1.0, a, b)
    a.station.post(ToggleRecording())
    run(clock, 8.0, a, b)
    a.station.post(ToggleKey("key"))
    run(clock, 3.0, a, b)
    a.station.post(ToggleKey("key"))
    run(clock, 1.0, a, b)
    assert len(heard) > 5
    assert not any(b"under seal" in data for data in heard)
    plain = Receiver(small_codec, frames_per_packet=6, crc=False, cushion_s=0.06, cap_s=1.5, metrics=Metrics())
    assert [notice for data in heard for notice in plain.on_packet(data, clock.now())] == []


@pytest.mark.parametrize("name", ["robust-packet", "quick-packet", "payload-repeat:distance=3", "reed-solomon:n=6,k=4"])
@pytest.mark.parametrize("frames", [6, 3])
def test_redundancy_repairs_under_seal_what_it_repairs_without(small_codec: Codec, name: str, frames: int) -> None:
    """Parity, repeats, and the copies at the end are of use through the envelope, too."""
    speech = np.random.default_rng(1).normal(0, 0.05, 16_000 * 20).astype(np.float32)
    spec = ChannelSpec("lossy", loss=0.1, mean_burst=1.5)
    options = LoopbackOptions(frames_per_packet=frames, protection=load_protection(name), seed=5)
    plain = run_loopback(small_codec, speech, spec, options).report
    sealed = run_loopback(small_codec, speech, spec, replace(options, security=SUITE)).report
    assert plain.frames_recovered > 10
    assert plain.packets_lost > 3
    for figure in ("packets_sent", "packets_lost", "frames_played", "frames_concealed", "frames_recovered"):
        assert getattr(sealed, figure) == getattr(plain, figure), figure
    more_bytes = (sealed.on_air_bps - plain.on_air_bps) * plain.frames_sent * 0.08 / 8
    assert 4 < more_bytes / plain.packets_sent < 6.5


def test_security_costs_what_the_arithmetic_says(tiny_codec: Codec) -> None:
    speech = np.zeros(16_000 * 80, np.float32)
    for guard in (g for g in GUARDS if not g.is_bit):
        options = LoopbackOptions(protection=guard, security=SUITE)
        report = run_loopback(tiny_codec, speech, ChannelSpec("clean"), options).report
        told = live_row(LinkProfile("any"), 6, cost_of(guard).with_(security(4)))
        assert report.on_air_bps == pytest.approx(told.on_air_bps, rel=0.015), guard.name


def test_bit_protection_and_security_exclude_each_other(small_codec: Codec) -> None:
    options = LoopbackOptions(protection=load_protection("robust-transparent"), security=SUITE)
    with pytest.raises(LocalProtocolError, match="the tag of security bears none"):
        run_loopback(small_codec, np.zeros(1600, np.float32), ChannelSpec("clean"), options)
