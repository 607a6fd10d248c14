"""Two whole stations on one simulated clock: real link, real sound files, nothing between them but time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.audio.files import read_audio, write_wav
from gateway.audio.paced import FileInput, FileOutput, NullInput, NullOutput
from gateway.channel.impairments import ChannelSpec
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.control.requests import PressKey, ReleaseKey, SendText, ToggleKey
from gateway.errors import LinkError
from gateway.links.base import Link, LinkInfo, Received
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import MemoryHub, ParrotLink
from gateway.metrics import Metrics
from gateway.protocol.protection_file import load_protection
from gateway.recording import Recorder, Side, read_recordings
from gateway.recording.shelf import Shelf
from gateway.session.events import Tone
from gateway.session.machine import Mode
from gateway.station.tones import tone_pcm
from tests.station.bench import Bench, LossyLink, careful, run, two


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


def test_what_one_says_the_other_hears_to_the_end(
    small_codec: Codec, clock: ManualClock, speechlike: np.ndarray, tmp_path: Path
) -> None:
    write_wav(tmp_path / "said.wav", [speechlike])
    hub, metrics = MemoryHub(clock), Metrics()
    ears = FileOutput(tmp_path / "heard.wav", clock, metrics)
    a = Bench(
        small_codec,
        clock,
        hub.station("a"),
        1,
        audio=(FileInput(tmp_path / "said.wav", clock), NullOutput(clock, metrics)),
    )
    b = Bench(small_codec, clock, hub.station("b"), 2, audio=(NullInput(clock), ears))
    a.station.post(PressKey("key"))
    run(clock, len(speechlike) / 16_000, a, b)
    assert (a.mode, b.mode) == (Mode.TALKING, Mode.RECEIVING)
    assert b.station.snapshot().talker.name == "alpha"
    a.station.post(ReleaseKey("key"))
    run(clock, 3.0, a, b)
    assert (a.mode, b.mode) == (Mode.IDLE, Mode.IDLE)
    assert b.station.snapshot().talker is None
    assert b.said == ["heard", "alpha to group 1", "over ended"]
    ears.close()
    heard = read_audio(tmp_path / "heard.wav")
    assert len(heard) >= len(speechlike)
    assert np.abs(heard[16_000:32_000]).max() > 1e-3
    assert b.metrics.counter("rx.frames_concealed") == 0


def test_what_is_said_and_heard_is_kept_with_its_times(
    small_codec: Codec, clock: ManualClock, speechlike: np.ndarray, tmp_path: Path
) -> None:
    write_wav(tmp_path / "said.wav", [speechlike])
    hub, metrics = MemoryHub(clock), Metrics()
    recorders = []
    for name in ("a", "b"):
        shelf = Shelf(tmp_path / name, max_bytes=10_000_000, max_age_s=1e9, least_free_bytes=0)
        shelf.open()
        recorders.append(Recorder(shelf, said=True, heard=True, clock=clock, say=print))
        recorders[-1].opened(name, len(recorders))
    ears = FileOutput(tmp_path / "heard.wav", clock, metrics)
    microphone = FileInput(tmp_path / "said.wav", clock)
    a = Bench(
        small_codec,
        clock,
        hub.station("a"),
        1,
        audio=(microphone, NullOutput(clock, metrics)),
        recorder=recorders[0],
    )
    b = Bench(small_codec, clock, hub.station("b"), 2, audio=(NullInput(clock), ears), recorder=recorders[1])
    run(clock, 1.0, a, b)
    pressed_s = clock.now()
    a.station.post(PressKey("key"))
    run(clock, len(speechlike) / 16_000, a, b)
    a.station.post(ReleaseKey("key"))
    run(clock, 3.0, a, b)
    ears.close()
    for recorder in recorders:
        recorder.close()
    (said,) = read_recordings(tmp_path / "a").overs
    (heard,) = read_recordings(tmp_path / "b").overs
    assert (said.side, heard.side) == (Side.SAID, Side.HEARD)
    assert said.over_id == heard.over_id
    assert (said.source, heard.source) == (1, 1)
    assert said.key_s is not None
    assert said.key_s == pytest.approx(pressed_s, abs=0.05)
    assert said.start_s == pytest.approx(said.key_s, abs=0.05)
    assert np.allclose(read_audio(said.path)[: len(speechlike)], speechlike, atol=1e-4)
    assert (heard.first_frame, heard.concealed, heard.absent, heard.lost) == (0, (), (), 0)
    kept, played = read_audio(heard.path), read_audio(tmp_path / "heard.wav")
    assert np.array_equal(kept, played[: len(kept)])
    delay_ms = 1000 * (heard.start_s - said.start_s)
    assert 480 <= delay_ms <= small_codec.delay_ms() + 480 + 160


def test_delay_of_the_running_station(small_codec: Codec, clock: ManualClock) -> None:
    """From the key to the first sound: codec + packet + at most 120 ms, as the station's own loops take it."""
    a, b = two(small_codec, clock)
    started = clock.now()
    a.station.post(PressKey("key"))
    while b.metrics.counter("rx.frames_played") == 0:
        run(clock, 0.01, a, b)
        assert clock.now() < started + 3
    waited_ms = 1000 * (clock.now() - started)
    assert waited_ms <= small_codec.delay_ms() + 480 + 120


def test_half_duplex_mutes_while_talking_and_says_who_is_in_the_way(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock)
    a.station.post(ToggleKey("key"))
    run(clock, 1.5, a, b)
    b.station.post(ToggleKey("key"))
    run(clock, 0.1, a, b)
    assert b.said[-1] == "refused: busy"
    assert b.mode is Mode.RECEIVING
    b.station.post(ToggleKey("key", break_in=True))
    run(clock, 1.0, a, b)
    assert (a.mode, b.mode) == (Mode.TALKING, Mode.TALKING)
    before = b.metrics.counter("rx.packets")
    run(clock, 2.0, a, b)
    assert b.metrics.counter("rx.packets") > before  # taken off the link, not left to pile up
    for bench in (a, b):
        bench.station.post(ToggleKey("key"))
    run(clock, 8.0, a, b)
    assert (a.mode, b.mode) == (Mode.IDLE, Mode.IDLE)


def test_a_key_held_for_an_hour_is_timed_out(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock, time_out_s=20.0, warning_s=5.0)
    a.station.post(PressKey("key"))
    run(clock, 22.0, a, b)
    assert a.mode is Mode.LOCKED_OUT
    sent = a.metrics.counter("tx.packets")
    clock.advance_to(clock.now() + 3600)
    run(clock, 2.0, a, b)
    assert a.metrics.counter("tx.packets") == sent
    assert a.metrics.counter("ptt.key_up") == a.metrics.counter("ptt.key_down") == 1
    a.station.post(ReleaseKey("key"))
    a.station.post(PressKey("key"))
    run(clock, 1.0, a, b)
    assert a.mode is Mode.TALKING


@pytest.mark.parametrize(
    ("protection", "channel"),
    [
        ("bit:strong_bits=12", ChannelSpec("noisy", bit_error_rate=0.01)),
        ("robust-packet", ChannelSpec("lossy", loss=0.1, mean_burst=1)),
        ("stage-one-repeat:distance=2", ChannelSpec("lossy", loss=0.1, mean_burst=1)),
    ],
)
def test_stations_understand_each_other_under_protection(
    small_codec: Codec, clock: ManualClock, protection: str, channel: ChannelSpec
) -> None:
    hub = MemoryHub(clock)
    links = [
        EmulatedLink(hub.station(name), channel, np.random.default_rng(seed), clock)
        for seed, name in enumerate("ab", start=5)
    ]
    a, b = (
        Bench(small_codec, clock, link, n, guard=load_protection(protection)) for n, link in enumerate(links, start=1)
    )
    a.station.post(PressKey("key"))
    run(clock, 12.0, a, b)
    a.station.post(ReleaseKey("key"))
    run(clock, 8.0, a, b)
    sent = a.metrics.counter("tx.frames")
    played, concealed = (b.metrics.counter(f"rx.frames_{fate}") for fate in ("played", "concealed"))
    assert sent >= 150
    assert played >= sent - 6
    assert concealed <= 6
    assert b.metrics.counter("rx.overs") == 1
    assert b.said == ["heard", "alpha to group 1", "over ended"]
    for number in range(5):
        a.station.post(SendText(f"Message {number}."))
        run(clock, 0.2, a, b)
    heard = [line for line in b.said if line.startswith("message from alpha")]
    assert len(heard) == 5 if "noisy" in channel.name else len(heard) >= 3


def test_a_parrot_answers_with_ones_own_over(small_codec: Codec, clock: ManualClock) -> None:
    alone = Bench(small_codec, clock, ParrotLink(clock, 1.0, Metrics()), 1)
    alone.station.post(ToggleKey("key"))
    run(clock, 2.0, alone)
    alone.station.post(ToggleKey("key"))
    run(clock, 8.0, alone)
    assert alone.metrics.counter("rx.overs") == 1
    assert alone.metrics.counter("rx.frames_played") == alone.metrics.counter("tx.frames")
    assert alone.mode is Mode.IDLE


class BreakingLink(Link):
    """A link whose cable is pulled and put back."""

    def __init__(self) -> None:
        super().__init__(Metrics())
        self.broken = False

    @property
    def info(self) -> LinkInfo:
        return LinkInfo("breaking", 256, has_integrity=True)

    def _open(self) -> None:
        if self.broken:
            raise LinkError("still no cable")

    def _close(self) -> None:
        return

    def _send(self, data: bytes) -> bool:
        if self.broken:
            raise LinkError("cable pulled")
        return True

    def _receive(self, timeout_s: float) -> Received | None:
        if self.broken:
            raise LinkError("cable pulled")
        return None


def test_a_lost_link_unkeys_and_comes_back(small_codec: Codec, clock: ManualClock) -> None:
    link = BreakingLink()
    a = Bench(small_codec, clock, link, 1)
    a.station.post(PressKey("key"))
    for _ in range(50):
        a.station.step()
        clock.sleep(0.01)
    link.broken = True
    a.station.step()
    assert a.mode is not Mode.TALKING
    assert any(line.startswith("link lost: cable pulled") for line in a.said)
    a.station.post(ReleaseKey("key"))
    a.station.post(PressKey("key"))
    a.station.step()
    assert a.said[-1] == "refused: no link"
    a.station.post(SendText("hello"))
    a.station.step()
    assert a.said[-1] == "message not sent: no link"
    for _ in range(300):
        a.station.step()
    link.broken = False
    for _ in range(300):
        a.station.step()
    assert a.station.snapshot().link.is_up
    assert a.metrics.counter("link.lost") == 1
    assert a.metrics.counter("tx.dropped.no_link") >= 1


class OutageLink(BreakingLink):
    """Stays open whatever happens, and says what is wrong."""

    why: str | None = None

    def outage(self) -> str | None:
        return self.why


def test_an_outage_unkeys_refuses_and_ends_by_itself(small_codec: Codec, clock: ManualClock) -> None:
    link = OutageLink()
    a = Bench(small_codec, clock, link, 1)
    a.station.post(PressKey("key"))
    a.station.step()
    assert a.mode is Mode.TALKING
    link.why = "modem no port: unplugged"
    a.station.step()
    assert a.mode is not Mode.TALKING
    assert a.said.count("link lost") == 1
    assert not a.station.snapshot().link.is_up
    a.station.post(ReleaseKey("key"))
    a.station.post(PressKey("key"))
    a.station.step()
    assert a.said[-1] == "refused: no link"
    a.station.post(SendText("hello"))
    a.station.step()
    assert a.said[-1] == "message not sent: no link"
    for _ in range(300):
        a.station.step()
        clock.sleep(0.01)
    link.why = None
    a.station.step()
    assert a.station.snapshot().link.is_up
    assert a.said[-1] == "link restored"
    assert a.metrics.counter("link.outages") == 1
    assert a.metrics.counter("link.lost") == 0, "the link was never opened again"


def test_a_link_lost_in_an_outage_is_found_again_with_it(small_codec: Codec, clock: ManualClock) -> None:
    link = OutageLink()
    a = Bench(small_codec, clock, link, 1)
    link.why = "modem starting: dialling"
    a.station.step()
    link.broken = True
    for _ in range(10):
        a.station.step()
    link.broken = False
    for _ in range(400):
        a.station.step()
        clock.sleep(0.01)
    assert not a.station.snapshot().link.is_up
    link.why = None
    a.station.step()
    assert a.station.snapshot().link.is_up


def test_closing_while_talking_ends_the_over_on_the_air(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock)
    a.station.post(PressKey("key"))
    run(clock, 2.0, a, b)
    a.station.close()
    run(clock, 2.0, b)
    assert b.mode is Mode.IDLE
    assert a.metrics.counter("ptt.key_down") == 1


@pytest.mark.parametrize("tone", list(Tone))
def test_tones_are_short_and_quiet(tone: Tone) -> None:
    pcm = tone_pcm(tone)
    assert len(pcm) < 16_000
    assert 0.05 < np.abs(pcm).max() <= 0.11
    assert abs(pcm[0]) < 1e-3


def test_a_link_that_turns_out_too_slow_refuses_the_key_and_says_why(small_codec: Codec, clock: ManualClock) -> None:
    link = LossyLink(MemoryHub(clock).station("a"))
    a = careful(small_codec, clock, link, 1)
    run(clock, 0.1, a)
    assert a.said == []
    link.rate_bps = 80.0
    run(clock, 0.1, a)
    assert len(a.said) == 1
    assert "link lossy is too slow for live voice" in a.said[0]
    a.station.post(PressKey("key"))
    run(clock, 0.1, a)
    assert a.mode is Mode.IDLE
    assert a.said[1].startswith("refused: link lossy is too slow")
    assert a.metrics.counter("ptt.refused.too_slow") == 1
    a.station.post(ReleaseKey("key"))
    link.rate_bps = 2400.0
    run(clock, 0.1, a)
    a.station.post(PressKey("key"))
    run(clock, 0.1, a)
    assert a.mode is Mode.TALKING
    link.rate_bps = 80.0  # not in the middle of an over
    run(clock, 0.1, a)
    assert a.mode is Mode.TALKING
    a.station.post(ReleaseKey("key"))
    run(clock, 1.0, a)
    assert a.mode is Mode.IDLE
