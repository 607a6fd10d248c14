"""Virtual modems that do things later: order, boots, power cuts."""

from __future__ import annotations

from random import Random

import pytest

from firmware_bridge.profile import AirSection, ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.timed import TimedModem

PROFILE = ModemProfile(name="fake", driver="fake", air=AirSection(mtu_bytes=16, fixed_ms=500))


class Parrot(TimedModem):
    """Says back what it hears, and puts it on the air."""

    gap_s = 0.1

    def _reset(self) -> None:
        self.heard = b""

    def _booted(self, now: float) -> None:
        self._say(b"UP", now)

    def _hear(self, data: bytes, now: float) -> None:
        self.heard += data
        self._say(data, now)
        if not self._is_sending:
            self._send_frame(data, self._air_s(len(data)))

    def _sent_frame(self, now: float) -> None:
        self._say(b"SENT", now, 0.0)

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        self._say(frame.data, now)


def parrot() -> Parrot:
    return Parrot(PROFILE, "a", Random(1))


def test_what_is_said_comes_later_and_in_order() -> None:
    modem = parrot()
    modem.from_host(b"one", 1.0)
    assert modem.take_host() == b""
    assert modem.next_deadline() == pytest.approx(1.03)
    (frame,) = modem.take_air()
    assert frame == AirFrame(b"one", pytest.approx(0.4))
    modem.frame_ended(frame, 1.01)  # with no delay of its own, yet not before what was said earlier
    modem.tick(1.03)
    assert modem.take_host() == b"oneSENT"
    assert modem.next_deadline() is None


def test_a_power_cut_forgets_all_and_boots_deaf() -> None:
    modem = parrot()
    modem.from_host(b"one", 1.0)
    modem.power_cut(1.01)
    assert (modem.heard, modem.take_air()) == (b"", [])
    modem.from_host(b"two", 1.5)
    assert modem.heard == b""
    assert modem.next_deadline() == pytest.approx(2.01)
    modem.tick(2.01)
    modem.tick(2.04)
    assert modem.take_host() == b"UP"
    modem.from_host(b"three", 3.0)
    assert modem.heard == b"three"


def test_a_sentence_is_broken_off_in_the_middle() -> None:
    modem = parrot()
    modem.from_host(b"abcdef", 1.0)
    modem.tick(1.1)
    modem.power_cut(1.1)
    assert modem.take_host() == b"abc"


def test_the_end_of_a_frame_that_a_power_cut_ended_says_nothing() -> None:
    modem = parrot()
    modem.from_host(b"one", 1.0)
    (frame,) = modem.take_air()
    modem.power_cut(1.01)
    modem.frame_ended(frame, 1.4)
    modem.tick(1.9)
    assert modem.take_host() == b""
