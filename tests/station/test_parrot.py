"""The parrot: what is said comes back through codec and packets, and ends by itself."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.metrics import Metrics
from gateway.protocol.protection_file import load_protection
from gateway.receive import Receiver
from gateway.station.parrot import LASTS_S, Parrot
from gateway.transmit import Transmitter


class Cage:
    """A parrot beside a station's transmitter and receiver."""

    def __init__(self, codec: Codec, protection: str = "none", time_out_s: float = 60.0) -> None:
        guard = load_protection(protection)
        self.clock, self.metrics = ManualClock(10.0), Metrics()
        self.transmitter = Transmitter(
            codec,
            source=1,
            group=1,
            frames_per_packet=6,
            crc=True,
            rng=random.Random(1),
            metrics=self.metrics,
            protection=guard,
        )
        receiver = Receiver(
            codec,
            frames_per_packet=6,
            crc=True,
            cushion_s=0.06,
            cap_s=1.5,
            metrics=self.metrics,
            protection=guard,
        )
        self.parrot = Parrot(self.transmitter, receiver, self.clock, release_s=0.2, time_out_s=time_out_s)

    def say(self, pcm: np.ndarray) -> None:
        for at in range(0, len(pcm), 320):
            self.clock.sleep(0.02)
            self.parrot.hear(pcm[at : at + 320])

    def back(self) -> np.ndarray | None:
        sound = self.parrot.ended()
        return None if sound is None else np.concatenate(list(sound))


@pytest.mark.parametrize("protection", ["none", "payload-repeat:distance=2", "reed-solomon:n=6,k=4", "bit"])
def test_an_over_comes_back_after_its_last_word(small_codec: Codec, speechlike: np.ndarray, protection: str) -> None:
    cage = Cage(small_codec, protection)
    cage.parrot.turn(on=True)
    cage.parrot.press()
    cage.say(speechlike)
    assert cage.back() is None
    cage.parrot.release()
    assert cage.back() is None
    cage.say(speechlike[:3200])
    assert cage.parrot.is_speaking
    cage.clock.sleep(0.01)
    back = cage.back()
    assert back is not None
    assert len(back) / 16_000 == pytest.approx((len(speechlike) + 3200) / 16_000, abs=0.3)
    assert np.any(back)
    assert not cage.parrot.is_speaking
    assert cage.back() is None


def test_nothing_is_sent_or_counted(small_codec: Codec, speechlike: np.ndarray) -> None:
    cage = Cage(small_codec)
    cage.parrot.turn(on=True)
    cage.parrot.press()
    cage.say(speechlike)
    cage.parrot.release()
    cage.clock.sleep(0.3)
    assert cage.back() is not None
    assert dict(cage.metrics.snapshot()) == {}
    assert not cage.transmitter.active


def test_a_key_pressed_again_at_once_goes_on_with_the_over(small_codec: Codec, speechlike: np.ndarray) -> None:
    cage = Cage(small_codec)
    cage.parrot.turn(on=True)
    cage.parrot.press()
    cage.say(speechlike)
    cage.parrot.release()
    cage.clock.sleep(0.1)
    cage.parrot.press()
    cage.clock.sleep(0.3)
    assert cage.back() is None
    assert cage.parrot.is_key_down


def test_an_over_is_no_longer_than_one_may_be(small_codec: Codec, speechlike: np.ndarray) -> None:
    cage = Cage(small_codec, time_out_s=1.0)
    cage.parrot.turn(on=True)
    cage.parrot.press()
    cage.say(speechlike[:16_000])
    cage.clock.sleep(0.1)
    assert cage.back() is not None
    assert not cage.parrot.is_key_down


def test_it_ends_by_itself_but_not_in_the_middle_of_an_over(small_codec: Codec) -> None:
    cage = Cage(small_codec, time_out_s=1000.0)
    cage.parrot.turn(on=True)
    cage.clock.sleep(LASTS_S - 1)
    assert not cage.parrot.is_overdue
    cage.parrot.press()
    cage.clock.sleep(2)
    assert not cage.parrot.is_overdue
    cage.parrot.release()
    cage.clock.sleep(1)
    assert cage.parrot.ended() is not None
    assert cage.parrot.is_overdue


def test_turned_off_it_forgets_what_was_said(small_codec: Codec, speechlike: np.ndarray) -> None:
    cage = Cage(small_codec)
    cage.parrot.turn(on=True)
    cage.parrot.press()
    cage.say(speechlike)
    cage.parrot.turn(on=False)
    assert (cage.parrot.is_on, cage.parrot.is_speaking, cage.back()) == (False, False, None)
