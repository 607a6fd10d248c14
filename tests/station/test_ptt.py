"""The push-to-talk rules that a configuration and a link make, and stations that carry them out in simulated time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gateway.audio.base import AudioInput
from gateway.audio.paced import NullInput, NullOutput
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.config import StationConfig
from gateway.control.requests import ToggleKey
from gateway.links.base import Link, LinkInfo, Received
from gateway.links.memory import MemoryHub
from gateway.metrics import Metrics
from gateway.session.events import Tone
from gateway.station.ptt import KEY_UP_LIMIT_S, floor_of, is_full_duplex, key_up_s
from gateway.station.tones import tone_pcm
from tests.station.bench import Bench, run, station_config

INFO = LinkInfo("x", 64)
HALF = LinkInfo("x", 64, half_duplex=True)
MEMORY = {"kind": "memory", "mode": "parrot"}
QUEUE = {"floor": "queue", "floor_slots": 1}


def config(**sections: Any) -> StationConfig:
    return station_config(**{"link": MEMORY, **sections})


# ---- rules


def test_duplex_is_full_where_both_the_operator_and_the_link_say_so() -> None:
    assert not is_full_duplex(config(), INFO)
    assert is_full_duplex(config(link={"kind": "memory", "mode": "loopback"}), INFO)
    assert not is_full_duplex(config(link={"kind": "memory", "mode": "loopback"}, ptt={"duplex": "half"}), INFO)
    assert is_full_duplex(config(ptt={"duplex": "full"}), INFO)
    assert not is_full_duplex(config(ptt={"duplex": "full"}), HALF)


def test_there_is_a_guard_where_an_over_keys_a_transmitter() -> None:
    line = {"kind": "serial-line", "port": "/dev/ttyUSB0"}
    assert key_up_s(config()) == 0
    assert key_up_s(config(keying={"device": line, "delay_ms": 250})) == 0.25 + KEY_UP_LIMIT_S
    assert key_up_s(config(keying={"device": line, "hold": "packet", "delay_ms": 50})) == 0
    assert key_up_s(config(keying={"device": {"kind": "vox"}})) == 0


def test_a_slot_is_the_time_until_others_hear_that_one_has_begun() -> None:
    assert floor_of(config(), INFO) is None
    fast = floor_of(config(ptt=QUEUE), INFO)
    slow = floor_of(config(ptt=QUEUE), LinkInfo("x", 64, rate_bps=600, delay_s=1.0))
    short = floor_of(config(ptt=QUEUE, packets={"frames_per_packet": 2}), INFO)
    given = floor_of(config(ptt={**QUEUE, "floor_slot_ms": 1500, "floor_order": (9,), "floor_wait_s": 7}), INFO)
    assert fast is not None
    assert slow is not None
    assert short is not None
    assert given is not None
    assert fast.slot_s == pytest.approx(0.255 + 0.4 + 0.25)
    assert slow.slot_s == pytest.approx(fast.slot_s + 1.0 + 24 * 8 / 600)
    assert short.slot_s == pytest.approx(fast.slot_s - 0.32)
    assert (given.station_id, given.order, given.slot_s, given.slots, given.wait_s) == (1, (9,), 1.5, 1, 7)


# ---- stations


class Ears(NullOutput):
    """Keeps what was written to the speaker."""

    def __init__(self, clock: ManualClock, metrics: Metrics) -> None:
        super().__init__(clock, metrics)
        self.heard: list[np.ndarray] = []

    def write(self, pcm: np.ndarray) -> None:
        self.heard.append(pcm)
        super().write(pcm)

    def has(self, tone: Tone) -> bool:
        return any(np.array_equal(pcm, tone_pcm(tone)) for pcm in self.heard)


class Voice(NullInput):
    """A microphone that somebody talks into between the given seconds of the clock."""

    def __init__(self, clock: ManualClock, *spans: tuple[float, float]) -> None:
        super().__init__(clock)
        self._now, self._spans = clock.now, spans

    def read(self) -> np.ndarray:
        pcm = super().read()
        if any(begin <= self._now() < end for begin, end in self._spans):
            pcm = (0.3 * np.sin(np.arange(len(pcm)) * 0.3)).astype(np.float32)
        return pcm


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


def station(
    codec: Codec, clock: ManualClock, link: Link, number: int, microphone: AudioInput | None = None, **ptt: Any
) -> Bench:
    """With tones, and ears at its speaker."""
    audio = (microphone or NullInput(clock), Ears(clock, Metrics()))
    return Bench(codec, clock, link, number, audio=audio, ptt={"tones": True, **ptt})


def ears(bench: Bench) -> Ears:
    assert isinstance(bench.audio[1], Ears)
    return bench.audio[1]


def two(codec: Codec, clock: ManualClock, **ptt: Any) -> tuple[Bench, Bench]:
    net = MemoryHub(clock)
    return station(codec, clock, net.station("a"), 1, **ptt), station(codec, clock, net.station("b"), 2, **ptt)


def test_a_press_waits_for_the_floor_and_gets_it(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock, **QUEUE)
    a.press()
    run(clock, 2.0, a, b)
    b.press("web:1")
    run(clock, 1.0, a, b)
    assert (b.ptt.mode, b.ptt.waits_for_floor, b.ptt.held_by, b.ptt.refusal) == ("waiting", True, ("web:1",), None)
    assert not ears(b).has(Tone.REFUSED)
    a.release()
    run(clock, 3.0, a, b)
    assert (b.ptt.mode, b.ptt.waits_for_floor, a.ptt.mode) == ("talking", False, "receiving")
    assert ears(b).has(Tone.FLOOR_GRANTED)
    assert not ears(b).has(Tone.PERMIT)
    assert "floor granted" in b.said
    b.release("web:1")
    run(clock, 3.0, a, b)
    assert (a.ptt.mode, b.ptt.mode) == ("idle", "idle")


def test_of_two_who_begin_at_once_one_goes_on(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock, **QUEUE, floor_order=(2,))
    a.press()
    b.press()
    run(clock, 0.1, a, b)
    assert (a.ptt.mode, b.ptt.mode) == ("talking", "talking")
    run(clock, 1.5, a, b)
    assert (a.ptt.mode, b.ptt.mode) == ("locked_out", "talking")
    assert "yielded" in a.said
    assert ears(a).has(Tone.REFUSED)
    a.release()
    run(clock, 1.0, a, b)
    assert a.ptt.mode == "receiving"


def test_a_refused_press_has_to_be_made_again(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock)
    a.press()
    run(clock, 2.0, a, b)
    b.press()
    run(clock, 0.2, a, b)
    assert (b.ptt.mode, b.ptt.refusal, b.ptt.held_by) == ("busy_lockout", "busy", ("switch",))
    a.release()
    run(clock, 3.0, a, b)
    assert b.ptt.mode == "busy_lockout"
    b.release()
    run(clock, 0.2, a, b)
    b.press()
    run(clock, 0.2, a, b)
    assert (b.ptt.mode, b.ptt.refusal) == ("talking", None)


def test_a_refused_latching_key_is_up_again(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock)
    a.press()
    run(clock, 2.0, a, b)
    b.hub.post(ToggleKey("keyboard"))
    run(clock, 0.2, a, b)
    assert (b.ptt.mode, b.ptt.refusal, b.ptt.held_by) == ("receiving", "busy", ())
    b.hub.post(ToggleKey("keyboard", break_in=True))
    run(clock, 0.2, a, b)
    assert b.ptt.mode == "talking"


def test_a_latching_key_that_waits_can_break_in(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock, **QUEUE)
    a.press()
    run(clock, 2.5, a, b)
    b.hub.post(ToggleKey("keyboard"))
    run(clock, 0.2, a, b)
    assert b.ptt.mode == "waiting"
    b.hub.post(ToggleKey("keyboard", break_in=True))
    run(clock, 0.2, a, b)
    assert b.ptt.mode == "talking"
    run(clock, 1.5, a, b)
    assert a.ptt.mode == "locked_out"
    b.hub.post(ToggleKey("keyboard"))
    run(clock, 1.0, a, b)
    assert b.ptt.mode == "idle"


def test_full_duplex_goes_on_playing_while_it_talks(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock, duplex="full", tones=False)
    a.press()
    run(clock, 2.0, a, b)
    b.press()
    run(clock, 0.5, a, b)
    assert (b.ptt.mode, b.ptt.is_full_duplex) == ("talking", True)
    for bench in (a, b):
        ears(bench).heard.clear()
    run(clock, 3.0, a, b)
    for bench in (a, b):
        assert bench.ptt.mode == "talking"
        assert sum(len(pcm) for pcm in ears(bench).heard) > 16_000
        assert "collision" not in bench.said


class Learning(Link):
    """A link that learns later that it carries one way at a time."""

    def __init__(self, inner: Link) -> None:
        super().__init__()
        self.inner, self.known = inner, INFO

    @property
    def info(self) -> LinkInfo:
        return self.known

    def _open(self) -> None:
        self.inner.open()

    def _close(self) -> None:
        self.inner.close()

    def _send(self, data: bytes) -> bool:
        return self.inner.send(data) is None

    def _receive(self, timeout_s: float) -> Received | None:
        return self.inner.receive(timeout_s)


def test_a_link_that_turns_out_half_duplex_makes_the_station_so(small_codec: Codec, clock: ManualClock) -> None:
    link = Learning(MemoryHub(clock).station("a"))
    b = station(small_codec, clock, link, 1, duplex="full")
    run(clock, 0.2, b)
    assert b.ptt.is_full_duplex
    link.known = HALF
    run(clock, 0.2, b)
    assert not b.ptt.is_full_duplex
    started = station(small_codec, clock, link, 1, duplex="full")
    assert any("half duplex" in line for line in started.said)


def test_tones_are_heard_by_kind(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock, tones=("permit",))
    a.press()
    run(clock, 2.0, a, b)
    b.press()
    run(clock, 0.2, a, b)
    assert b.ptt.refusal == "busy"
    assert ears(a).has(Tone.PERMIT)
    assert not ears(b).has(Tone.REFUSED)


def test_the_permit_tone_is_not_cut_off_by_the_over_it_announces(small_codec: Codec, clock: ManualClock) -> None:
    a, b = two(small_codec, clock)
    a.press()
    a.station.step()
    assert a.ptt.mode == "talking"
    assert ears(a).queued_samples >= len(tone_pcm(Tone.PERMIT)) - 160
    b.station.close()


def test_a_voice_that_is_refused_is_refused_in_silence(small_codec: Codec, clock: ManualClock) -> None:
    net = MemoryHub(clock)
    a = station(small_codec, clock, net.station("a"), 1)
    microphone = Voice(clock, (102.5, 103.0), (104.0, 104.5), (112.0, 113.0))
    vox = {"kind": "vox", "threshold_db": -30, "hang_ms": 300}
    b = station(small_codec, clock, net.station("b"), 2, microphone, input=vox)
    a.press()
    run(clock, 6.0, a, b)
    assert (b.ptt.mode, b.ptt.refusal) == ("receiving", None)
    assert not ears(b).has(Tone.REFUSED)
    a.release()
    run(clock, 5.0, a, b)
    assert b.ptt.mode == "idle"
    run(clock, 1.5, a, b)
    assert (b.ptt.mode, b.ptt.held_by) == ("talking", ("vox",))
    assert not ears(b).has(Tone.PERMIT)
    run(clock, 3.0, a, b)
    assert b.ptt.mode == "idle"
    assert b.metrics.counter("tx.overs") == 1
