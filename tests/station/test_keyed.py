"""A whole station with a keyed transmitter on a simulated clock: what is on the air is keyed, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from firmware_bridge.ptt.keyed_link import KeyedLink
from firmware_bridge.ptt.keying import Keying
from firmware_bridge.ptt.switch import LineIsOn, Switch, SwitchEvent, SwitchLost, SwitchReady, Unkeyed
from gateway.app import MediaThread
from gateway.audio.base import AudioInput
from gateway.audio.files import write_wav
from gateway.audio.paced import FileInput, NullInput, NullOutput
from gateway.clock import Clock, ManualClock
from gateway.codec import Codec
from gateway.control.requests import PressKey, ReleaseKey, SendText
from gateway.errors import LinkError
from gateway.links.base import Link, LinkInfo, Received
from gateway.links.memory import MemoryHub
from gateway.metrics import Metrics
from gateway.session.machine import Mode
from tests.station.bench import Bench, station_config
from tests.told import Told

DELAY_S, TAIL_S = 0.3, 0.15


class Radio(Switch):
    """A transmitter that follows after `lag_s`, and keeps a log of when it was on."""

    def __init__(self, clock: Clock, lag_s: float = 0.05) -> None:
        self.clock, self.lag_s = clock, lag_s
        self.spans: list[list[float]] = []
        self.events: list[SwitchEvent] = [SwitchReady()]
        self.beats = 0
        self._on_s: float | None = None

    @property
    def is_on(self) -> bool:
        return bool(self.spans) and len(self.spans[-1]) == 1

    def set(self, is_on: bool, now: float) -> None:
        assert is_on is not self.is_on
        if is_on:
            self.spans.append([now])
            self._on_s = now + self.lag_s
        else:
            self.spans[-1].append(now)
            self._on_s = None

    def beat(self, now: float) -> None:
        self.beats += 1

    def poll(self, now: float) -> list[SwitchEvent]:
        events, self.events = self.events, []
        if self._on_s is not None and now >= self._on_s:
            self._on_s = None
            events.append(LineIsOn())
        return events

    def close(self) -> None:
        if self.is_on:
            self.set(False, self.clock.now())


class AirLink(Link):
    """A link that knows its air times and looks whether the transmitter is on for the whole of each packet."""

    def __init__(self, inner: Link, clock: Clock) -> None:
        super().__init__(Metrics())
        self.inner, self.clock = inner, clock
        self.sent: list[tuple[float, float]] = []
        self.is_broken = False

    @property
    def info(self) -> LinkInfo:
        return LinkInfo("air", 256, 2400.0, has_integrity=True)

    def _open(self) -> None:
        self.inner.open()

    def _close(self) -> None:
        self.inner.close()

    def _send(self, data: bytes) -> bool:
        if self.is_broken:
            raise LinkError("cable pulled")
        begin = max(self.clock.now(), self.sent[-1][1] if self.sent else 0.0)
        self.sent.append((begin, begin + self.info.airtime_s(len(data))))
        self.inner.send(data)
        return True

    def _receive(self, timeout_s: float) -> Received | None:
        if self.is_broken:
            raise LinkError("cable pulled")
        return self.inner.receive(timeout_s)


class KeyedBench(Bench):
    """A keyed station and one that hears it."""

    def __init__(
        self,
        codec: Codec,
        clock: ManualClock,
        microphone: AudioInput | None = None,
        ptt: dict[str, Any] | None = None,
        **keying: Any,
    ) -> None:
        section = {
            "device": {"kind": "serial-line", "port": "/dev/ttyUSB0"},
            "delay_ms": int(1000 * DELAY_S),
            "tail_ms": int(1000 * TAIL_S),
            **keying,
        }
        sections = {"keying": section, "ptt": ptt or {}}
        settings = station_config(**sections).keying
        assert settings is not None
        metrics, said = Metrics(), Told()
        self.radio = Radio(clock)
        self.keying = Keying(settings, metrics, said.say, station_beats=True, switch=self.radio)
        hub = MemoryHub(clock)
        self.air = AirLink(hub.station("a"), clock)
        self.other = hub.station("b")
        self.other.open()
        super().__init__(
            codec,
            clock,
            KeyedLink(self.air, self.keying, settings, clock),
            1,
            audio=(microphone or NullInput(clock), NullOutput(clock, metrics)),
            keyed_by=self.keying,
            said=said,
            metrics=metrics,
            **sections,
        )
        self.run(0.1)

    def run(self, seconds: float) -> None:
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            self.station.step()

    def check_air(self) -> None:
        """All that was sent was sent within a transmission, after its delay and before its tail."""
        assert self.air.sent
        for begin, end in self.air.sent:
            span = next(span for span in self.radio.spans if span[0] <= begin and (len(span) == 1 or end <= span[1]))
            assert begin >= span[0] + self.radio.lag_s + DELAY_S - 1e-6
            assert len(span) == 1 or span[1] >= end + TAIL_S - 1e-6


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


def test_an_over_is_one_transmission_around_its_packets(small_codec: Codec, clock: ManualClock) -> None:
    b = KeyedBench(small_codec, clock)
    pressed_s = clock.now()
    b.station.post(PressKey("key"))
    b.run(3.0)
    assert b.radio.is_on
    b.station.post(ReleaseKey("key"))
    b.run(2.0)
    assert b.mode is Mode.IDLE
    assert len(b.radio.spans) == 1
    assert b.radio.spans[0][0] == pytest.approx(pressed_s, abs=0.03)
    assert b.radio.spans[0][1] == pytest.approx(b.air.sent[-1][1] + TAIL_S, abs=0.05)
    # The operator was let talk when the transmitter was up; from then on nothing is later for it.
    up_s = pressed_s + b.radio.lag_s + DELAY_S
    assert 0.48 <= b.air.sent[0][0] - up_s <= 0.48 + 0.12
    b.check_air()


def test_nothing_is_said_before_the_transmitter_is_up(small_codec: Codec, clock: ManualClock) -> None:
    b = KeyedBench(small_codec, clock)
    b.station.post(PressKey("key"))
    b.run(0.2)
    assert (b.mode, b.radio.is_on) == (Mode.KEYING, True)
    assert "talking" not in b.said
    b.run(0.25)
    assert b.mode is Mode.TALKING
    b.station.post(ReleaseKey("key"))
    b.run(2.0)
    b.station.post(PressKey("key"))
    b.run(0.1)
    sent = len(b.air.sent)
    b.station.post(ReleaseKey("key"))
    b.run(1.0)
    assert (b.mode, b.radio.is_on, len(b.air.sent)) == (Mode.IDLE, False, sent)


def test_a_transmitter_that_never_comes_up_locks_out(small_codec: Codec, clock: ManualClock) -> None:
    b = KeyedBench(small_codec, clock)
    b.radio.lag_s = 60.0
    b.station.post(PressKey("key"))
    b.run(DELAY_S + 2.5)
    assert b.mode is Mode.KEYING
    b.run(1.0)
    assert (b.mode, b.radio.is_on) == (Mode.LOCKED_OUT, False)
    assert b.said[-1] == "not keyed"
    assert b.air.sent == []


def test_held_by_packets_each_packet_is_a_transmission(small_codec: Codec, clock: ManualClock) -> None:
    b = KeyedBench(small_codec, clock, hold="packet", delay_ms=100, tail_ms=150)
    b.station.post(PressKey("key"))
    b.run(4.8)
    b.station.post(ReleaseKey("key"))
    b.run(2.0)
    # The last two are formed at once, at the end of the over.
    assert len(b.radio.spans) == len(b.air.sent) - 1 > 8
    assert all(off - on < 0.48 for on, off in b.radio.spans[:-1])


def test_a_text_keys_for_itself(small_codec: Codec, clock: ManualClock) -> None:
    for hold in ("over", "packet"):
        b = KeyedBench(small_codec, clock, hold=hold)
        b.station.post(SendText("Standing by."))
        b.run(2.0)
        assert len(b.radio.spans) == 1
        assert not b.radio.is_on
        b.check_air()


def test_a_transmitter_that_goes_off_ends_the_over_until_the_key_is_let_go(
    small_codec: Codec, clock: ManualClock
) -> None:
    b = KeyedBench(small_codec, clock)
    b.station.post(PressKey("key"))
    b.run(2.0)
    b.radio.events.append(Unkeyed("the program has hung for 3.0 s"))
    b.run(0.1)
    assert b.mode is Mode.LOCKED_OUT
    assert not b.radio.is_on
    assert "transmitter unkeyed: the program has hung for 3.0 s" in b.said
    assert b.said[-1] == "key lost"
    sent = len(b.air.sent)
    b.run(3.0)
    assert len(b.air.sent) == sent
    b.station.post(ReleaseKey("key"))
    b.station.post(PressKey("key"))
    b.run(1.0)
    assert b.radio.is_on
    assert b.mode is Mode.TALKING
    assert b.radio.beats > 100


def test_the_keys_own_limit_comes_after_the_sessions(small_codec: Codec, clock: ManualClock) -> None:
    b = KeyedBench(small_codec, clock, ptt={"time_out_s": 10, "warning_s": 2}, time_out_s=16)
    b.station.post(PressKey("key"))
    b.run(20.0)
    assert b.mode is Mode.LOCKED_OUT
    ((on_s, off_s),) = b.radio.spans
    assert 10.0 <= off_s - on_s < 12.0
    assert b.metrics.counter("keying.time_outs") == 0
    b.check_air()


def test_a_press_is_refused_while_the_transmitter_cannot_be_keyed(small_codec: Codec, clock: ManualClock) -> None:
    b = KeyedBench(small_codec, clock)
    b.radio.events.append(SwitchLost("/dev/ttyUSB0: No such device"))
    b.run(0.1)
    b.station.post(PressKey("key"))
    b.run(0.1)
    assert b.mode is Mode.IDLE
    assert b.said == [
        "transmitter cannot be keyed: /dev/ttyUSB0: No such device",
        "refused: the transmitter cannot be keyed: /dev/ttyUSB0: No such device",
    ]
    assert b.metrics.counter("ptt.refused.no_key") == 1
    b.station.post(SendText("hello"))
    b.run(1.0)
    assert b.radio.spans == []
    assert b.air.sent == []
    b.radio.events.append(SwitchReady())
    b.station.post(ReleaseKey("key"))
    b.run(0.1)
    b.station.post(PressKey("key"))
    b.run(1.0)
    assert b.radio.is_on


def test_a_lost_link_unkeys(small_codec: Codec, clock: ManualClock) -> None:
    b = KeyedBench(small_codec, clock)
    b.station.post(PressKey("key"))
    b.run(2.0)
    b.air.is_broken = True
    b.run(1.0)
    assert not b.radio.is_on
    assert any(line.startswith("link lost: cable pulled") for line in b.said)


def test_closing_sends_the_end_of_the_over_and_unkeys(small_codec: Codec, clock: ManualClock) -> None:
    b = KeyedBench(small_codec, clock)
    b.station.post(PressKey("key"))
    b.run(2.0)
    sent = len(b.air.sent)
    b.station.close()
    assert len(b.air.sent) > sent
    assert not b.radio.is_on
    b.check_air()


def test_a_station_that_fails_unkeys(small_codec: Codec, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    b = KeyedBench(small_codec, clock)
    b.station.post(PressKey("key"))
    b.run(2.0)
    assert b.radio.is_on

    def fails(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(b.station._incoming, "play", fails)
    thread = MediaThread(b.station, structlog.get_logger())
    thread.start()
    thread.join(30)
    assert isinstance(thread.failure, ZeroDivisionError)
    assert not b.radio.is_on


def test_the_voice_is_a_key(
    small_codec: Codec, clock: ManualClock, speechlike: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = np.zeros(32_000, np.float32)
    write_wav(tmp_path / "said.wav", [silence, speechlike, silence, silence])
    # A file in the microphone's place starts anew with each over; a microphone does not.
    monkeypatch.setattr(FileInput, "rewind", lambda self: None)
    microphone = FileInput(tmp_path / "said.wav", clock)
    b = KeyedBench(small_codec, clock, microphone, {"input": {"kind": "vox", "hang_ms": 600}})
    b.run(1.5)
    assert b.mode is Mode.IDLE
    b.run(1.5)
    assert b.mode is Mode.TALKING
    b.run(6.0)
    microphone.close()
    assert b.mode is Mode.IDLE
    assert len(b.radio.spans) == 1
    on_s, off_s = b.radio.spans[0]
    talked_s = len(speechlike) / 16_000
    assert on_s - 100.0 == pytest.approx(2.0, abs=0.3)
    assert off_s - on_s == pytest.approx(talked_s + 0.6, abs=1.2)
    assert b.metrics.counter("tx.frames") * 0.08 >= talked_s
    b.check_air()
