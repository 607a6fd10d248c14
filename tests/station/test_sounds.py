"""What is played here and not from the air: one thing at a time, and never over live speech."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.audio.paced import NullOutput
from gateway.clock import ManualClock
from gateway.codec import Codec, CodecSpec
from gateway.control.requests import (
    ReplayOver,
    Request,
    SendText,
    SetMute,
    SetParrot,
    SetVolume,
    StopPlaying,
    TestMicrophone,
    TestTone,
)
from gateway.metrics import Metrics
from gateway.receive import Receiver
from gateway.session.events import PttPressed, PttReleased
from gateway.station.parrot import LASTS_S, Parrot
from gateway.station.sounds import LocalSounds
from gateway.station.speaker import Speaker
from gateway.transmit import Transmitter
from tests.conftest import random_model
from tests.told import Told

BLOCK = np.full(1280, 0.1, np.float32)


class Room:
    """Local sounds with what the operator is told."""

    def __init__(self, codec: Codec) -> None:
        self.clock = ManualClock(10.0)
        self.told = Told()
        self.readied = 0
        speaker = Speaker(NullOutput(self.clock, Metrics()))
        transmitter = Transmitter(
            codec, source=1, group=1, frames_per_packet=6, crc=False, rng=random.Random(1), metrics=Metrics()
        )
        receiver = Receiver(codec, frames_per_packet=6, crc=False, cushion_s=0.06, cap_s=1.5, metrics=Metrics())
        parrot = Parrot(transmitter, receiver, self.clock, release_s=0.2, time_out_s=20.0)
        self.sounds = LocalSounds(speaker, parrot, self.clock, self.told.say, self._ready)

    def _ready(self) -> None:
        self.readied += 1

    def hear_over(self, name: str = "bravo", frames: int = 20) -> None:
        self.sounds.ring.begins(name, 1000.0)
        for _ in range(frames):
            self.sounds.ring.hear(BLOCK)
        self.sounds.ring.ends()

    def run(self, seconds: float, pcm: np.ndarray | None = None, busy: str | None = None) -> int:
        """Turns of 20 ms with a microphone; the samples that were heard."""
        heard = 0
        for turn in range(round(seconds / 0.02)):
            self.clock.sleep(0.02)
            self.sounds.hear(np.zeros(320, np.float32) if pcm is None else pcm[320 * turn : 320 * turn + 320])
            self.sounds.tick(busy)
            while self.sounds.speaker.queued_samples < 640 and (block := self.sounds.next_pcm()) is not None:
                self.sounds.speaker.write(block)
                heard += len(block)
        return heard


@pytest.fixture
def room(small_codec: Codec) -> Room:
    return Room(small_codec)


def test_the_last_over_is_heard_again_whole(room: Room) -> None:
    room.hear_over("alpha", 5)
    room.hear_over("bravo", 20)
    assert room.sounds.request(ReplayOver(1))
    assert room.run(3.0) == 20 * 1280
    assert room.sounds.playing is None
    room.sounds.request(ReplayOver(2))
    assert room.run(3.0) == 5 * 1280
    assert [line.split(" at ")[0] for line in room.told] == ["replay of bravo", "replay of alpha"]
    assert room.told[0].endswith(", 1.6 s")


def test_what_is_not_kept_cannot_be_replayed_and_that_is_told(room: Room) -> None:
    room.sounds.request(ReplayOver(1))
    room.hear_over()
    room.sounds.request(ReplayOver(7))
    assert room.run(0.5) == 0
    assert room.told == [
        "nothing to replay: no over heard in the last minutes is kept",
        "nothing to replay: no over number 7 heard in the last minutes is kept",
    ]


def test_somebody_who_talks_ends_a_replay(room: Room) -> None:
    room.hear_over()
    room.sounds.request(ReplayOver(1))
    assert 0 < room.run(0.4) < 20 * 1280
    assert room.run(0.1, busy="alpha talks") == 0
    assert room.told[-1].endswith("stopped: alpha talks")
    room.sounds.request(ReplayOver(1))
    assert room.told[-1].endswith("not now: alpha talks")
    assert room.run(1.0) == 0


def test_a_key_ends_it_too_and_goes_to_the_air(room: Room) -> None:
    room.sounds.request(TestTone())
    room.run(0.2)
    assert not room.sounds.key(PttPressed())
    assert room.run(0.5) == 0
    assert room.told == ["test tone stopped: the key is down"]
    assert not room.sounds.key(PttReleased())


def test_one_thing_at_a_time(room: Room) -> None:
    room.hear_over()
    room.sounds.request(TestTone())
    room.run(0.1)
    room.sounds.request(ReplayOver(1))
    assert room.sounds.playing is not None
    assert room.run(3.0) == 20 * 1280


def test_silence_when_asked_for(room: Room) -> None:
    room.sounds.request(StopPlaying())
    assert room.told == []
    room.sounds.request(TestTone())
    room.run(0.1)
    room.sounds.request(StopPlaying())
    assert room.sounds.speaker.queued_samples == 0
    assert room.run(0.5) == 0
    assert room.told == ["test tone stopped"]


def test_a_test_tone_lasts_a_second(room: Room) -> None:
    room.sounds.request(TestTone())
    assert room.run(2.0) == 16_000


def test_a_microphone_is_judged_and_heard(room: Room, speechlike: np.ndarray) -> None:
    room.sounds.request(TestMicrophone())
    assert room.sounds.is_occupied
    heard = room.run(3.02, np.tile(speechlike, 2))
    assert room.readied == 1
    assert room.told[0] == "microphone test: speak for 3 seconds"
    assert room.told[1].startswith("microphone ")
    assert "speech -" in room.told[1]
    assert heard + room.run(4.0) == 48_000
    assert not room.sounds.is_occupied


def test_a_microphone_that_gives_nothing_is_told(room: Room) -> None:
    room.sounds.request(TestMicrophone())
    room.run(4.1, np.zeros(0, np.float32))
    assert room.told[-1] == "microphone no sound arrives: is it plugged in?"


def test_a_microphone_test_ends_when_somebody_talks(room: Room, speechlike: np.ndarray) -> None:
    room.sounds.request(TestMicrophone())
    room.run(1.0, speechlike)
    assert room.run(4.0, speechlike, busy="alpha talks") == 0
    assert room.told[1:] == ["microphone test stopped: alpha talks"]


def test_the_parrot_takes_the_key_and_gives_the_over_back(room: Room, speechlike: np.ndarray) -> None:
    room.sounds.request(SetParrot(True))
    assert room.sounds.key(PttPressed())
    assert room.readied == 1
    seconds = len(speechlike) / 16_000
    assert room.run(seconds, speechlike) == 0
    assert room.sounds.key(PttReleased())
    assert room.run(seconds + 2.0) / 16_000 == pytest.approx(seconds + 0.2, abs=0.3)
    room.sounds.request(SetParrot(False))
    assert not room.sounds.key(PttPressed())
    assert [line.split(":")[0] for line in room.told] == [
        "parrot on for 5 minutes",
        "parrot listens",
        "parrot off",
    ]


def test_breaking_in_is_never_for_the_parrot(room: Room) -> None:
    room.sounds.request(SetParrot(True))
    assert not room.sounds.key(PttPressed(break_in=True))
    assert not room.sounds.parrot.is_on
    assert room.told[-1] == "parrot off: breaking in"


def test_the_parrot_is_not_for_while_somebody_talks(room: Room, speechlike: np.ndarray) -> None:
    room.sounds.request(SetParrot(True))
    room.sounds.key(PttPressed())
    room.run(0.5, speechlike)
    assert room.run(0.1, busy="alpha talks") == 0
    assert room.told[-1] == "parrot stopped: alpha talks"
    assert room.sounds.key(PttPressed())  # his words are for the parrot still, and not for the air
    assert room.told[-1] == "parrot: not now: alpha talks"
    assert room.run(3.0) == 0


def test_the_parrot_is_forgotten_after_a_while(room: Room) -> None:
    room.sounds.request(SetParrot(True))
    room.clock.sleep(LASTS_S)
    room.run(0.1)
    assert not room.sounds.parrot.is_on
    assert room.told[-1] == "parrot off after 5 minutes: overs go on the air"


def test_volume_and_mute(room: Room) -> None:
    room.sounds.request(SetVolume(-12.0))
    room.sounds.request(SetMute(True))
    assert (room.sounds.speaker.volume_db, room.sounds.speaker.is_muted) == (-12.0, True)
    room.sounds.request(SetMute(False))
    assert not room.sounds.speaker.is_muted
    assert room.told == ["volume -12 dB", "speaker muted", "speaker on"]


def test_nothing_plays_into_what_the_parrot_hears(room: Room, speechlike: np.ndarray) -> None:
    room.sounds.request(SetParrot(True))
    room.sounds.key(PttPressed())
    room.sounds.request(TestTone())
    room.sounds.request(TestMicrophone())
    assert room.run(0.5, speechlike) == 0
    assert room.told[-2:] == ["test tone: not now: the parrot listens", "microphone test: not now: the parrot listens"]
    assert room.sounds.parrot.is_speaking


def test_what_is_not_its_business_is_left_to_others(room: Room) -> None:
    assert not room.sounds.request(SendText("hello"))


class Anything(RuleBasedStateMachine):
    """Whatever is asked in whatever order: never over live speech, and only the parrot keeps the key from the air."""

    codec: Codec

    def __init__(self) -> None:
        super().__init__()
        self.room = Room(self.codec)
        self.room.hear_over()
        self.busy: str | None = None

    @rule(
        request=st.sampled_from(
            [
                ReplayOver(1),
                ReplayOver(9),
                StopPlaying(),
                SetParrot(True),
                SetParrot(False),
                TestTone(),
                TestMicrophone(),
            ]
        )
    )
    def ask(self, request: Request) -> None:
        assert self.room.sounds.request(request)

    @rule(break_in=st.booleans())
    def press(self, break_in: bool) -> None:
        was_on = self.room.sounds.parrot.is_on
        assert self.room.sounds.key(PttPressed(break_in)) == (was_on and not break_in)

    @rule()
    def release(self) -> None:
        self.room.sounds.key(PttReleased())

    @rule()
    def play_a_message(self) -> None:
        def blocks() -> Iterator[np.ndarray]:
            yield BLOCK

        self.room.sounds.play("message", blocks())

    @rule(seconds=st.sampled_from([0.02, 0.5, 4.0]))
    def pass_time(self, seconds: float) -> None:
        heard = self.room.run(seconds, busy=self.busy)
        assert not (self.busy and heard)

    @precondition(lambda self: self.busy is None)
    @rule()
    def somebody_talks(self) -> None:
        self.busy = "alpha talks"
        self.room.run(0.02, busy=self.busy)

    @rule()
    def nobody_talks(self) -> None:
        self.busy = None
        self.room.run(0.02)

    @invariant()
    def one_thing_at_a_time(self) -> None:
        sounds = self.room.sounds
        is_testing = sounds.is_occupied and sounds.playing is None
        assert (sounds.playing is not None) + is_testing + sounds.parrot.is_speaking <= 1


def test_anything(small_spec: CodecSpec) -> None:
    Anything.codec = Codec(random_model(small_spec))
    case = Anything.TestCase
    case.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
    case("runTest").runTest()
