"""The virtual Iridium modems by themselves: their command lines as Iridium's reference has it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.iridium import VirtualIridiumCall
from firmware_bridge.sim.iridium_sbd import VirtualIridiumSbd
from firmware_bridge.sim.isu import VirtualIsu
from gateway.errors import ConfigError
from tests.bridge.pairs import profile_of

M = TypeVar("M", bound=VirtualIsu)


class Desk:
    """Modems, each heard by the other at once."""

    def __init__(self, *modems: VirtualIsu) -> None:
        self.modems = modems
        self.now = 0.0
        self.frames: list[tuple[float, VirtualIsu, AirFrame]] = []

    def run(self, seconds: float) -> None:
        end_s = self.now + seconds
        frames = self.frames
        while True:
            for modem in self.modems:
                frames += [(self.now + frame.duration_s, modem, frame) for frame in modem.take_air()]
            due = [modem.next_deadline() for modem in self.modems] + [frame[0] for frame in frames]
            times = [time for time in due if time is not None and time <= end_s]
            if not times:
                break
            self.now = max(self.now, min(times))
            for ended in [frame for frame in frames if frame[0] <= self.now]:
                frames.remove(ended)
                ended[1].frame_ended(ended[2], self.now)
                for other in self.modems:
                    if other is not ended[1]:
                        other.on_air(ended[2], AirQuality(), self.now)
            for modem in self.modems:
                modem.tick(self.now)
        self.now = end_s

    def say(self, data: bytes, seconds: float = 0.1, to: int = 0) -> bytes:
        self.modems[to].from_host(data, self.now)
        self.run(seconds)
        return self.modems[to].take_host()


def make(kind: Callable[..., M], name: str, **virtual: Any) -> M:
    profile = profile_of("iridium-call" if kind is VirtualIridiumCall else "iridium-sbd", virtual=virtual)
    return kind(profile, name, Random(ord(name)))


def calls(**virtual: Any) -> Desk:
    virtual = {"drop_mean_s": 0.0, **virtual}
    return Desk(make(VirtualIridiumCall, "a", **virtual), make(VirtualIridiumCall, "b", **virtual))


def sbd(**virtual: Any) -> Desk:
    virtual = {"failure": 0.0, "lost_ring": 0.0, **virtual}
    return Desk(make(VirtualIridiumSbd, "a", **virtual), make(VirtualIridiumSbd, "b", **virtual))


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"AT\r", b"AT\r\r\nOK\r\n"),
        (b"ATE0V0\r", b"ATE0V0\r0\r"),
        (b"AT+NONSENSE\r", b"AT+NONSENSE\r\r\nERROR\r\n"),
        (b"ATY9\r", b"ATY9\r\r\nERROR\r\n"),
        (b"at+creg?\r", b"at+creg?\r\r\n+CREG:000,001\r\n\r\nOK\r\n"),
        (b"ATS0=1S0?\r", b"ATS0=1S0?\r\r\n001\r\n\r\nOK\r\n"),
        (b"ATQ1\r", b"ATQ1\r"),
        (b"ATH\r", b"ATH\r\r\nOK\r\n"),
        (b"ATA\r", b"ATA\r\r\nNO CARRIER\r\n"),
        (b"ATD\r", b"ATD\r\r\nERROR\r\n"),
        (b"hello\r", b"hello\r"),
        (b"AT-\r", b"AT-\r\r\nERROR\r\n"),
        (b"ATE0-\r", b"ATE0-\r\r\nERROR\r\n"),
    ],
)
def test_command_lines(command: bytes, reply: bytes) -> None:
    assert calls().say(command) == reply


def test_a_line_without_end_is_refused_when_it_ends() -> None:
    desk = calls()
    desk.say(b"ATE0\r")
    assert desk.say(b"ATS0=" + b"9" * 6000) == b""
    assert desk.say(b"\r") == b"\r\nERROR\r\n"
    assert desk.say(b"ATS0?\r") == b"\r\n000\r\n\r\nOK\r\n"


def test_the_signal_takes_a_moment() -> None:
    desk = calls(signal=2)
    assert desk.say(b"AT+CSQ\r") == b"AT+CSQ\r"
    assert desk.say(b"", 1.0) == b"\r\n+CSQ:2\r\n\r\nOK\r\n"


def test_a_call_its_stream_its_escape_and_its_end() -> None:
    desk = calls()
    desk.say(b"ATE0\r", to=1)
    assert desk.say(b"ATE0\r") == b"ATE0\r\r\nOK\r\n"
    desk.modems[1].take_host()
    assert desk.say(b"ATD0088160000001\r", 21) == b""
    assert desk.modems[1].take_host().count(b"RING") in (1, 2)
    assert desk.say(b"ATA\r", 3, to=1) == b"\r\nCONNECT 19200\r\n"
    assert desk.modems[0].take_host() == b"\r\nCONNECT 19200\r\n"
    desk.say(b"x" * 300, 1.05)
    assert len(desk.modems[1].take_host()) in range(295, 301), "2400 bit/s"
    desk.say(b"a+++b", 2)
    assert desk.modems[1].take_host() == b"a+++b", "no silence around it: data"
    desk.run(2)
    assert desk.say(b"+++", 0.9) == b""
    assert desk.say(b"", 0.2) == b"\r\nOK\r\n"
    assert desk.say(b"ATO\r") == b"\r\nCONNECT 19200\r\n"
    assert desk.modems[0].drop_call(desk.now)
    assert desk.say(b"", 0.1) == b"\r\nNO CARRIER\r\n"
    assert desk.modems[1].take_host() == b"\r\nNO CARRIER\r\n"
    assert not desk.modems[0].drop_call(desk.now)


def test_dtr_ends_a_call_and_a_character_ends_dialling() -> None:
    desk = calls(dial_s=(5.0, 5.0))
    desk.say(b"ATS0=1\r", to=1)
    desk.say(b"ATD1\r", 1)
    assert desk.say(b"\r") == b"\r\nNO CARRIER\r\n"
    desk.say(b"ATD1\r", 10)
    assert desk.modems[1].take_host().endswith(b"CONNECT 19200\r\n")
    desk.modems[0].lines_from_host(True, False, desk.now)
    desk.run(1)
    assert desk.modems[1].take_host() == b"\r\nNO CARRIER\r\n"


def test_calls_drop_by_themselves_on_average_when_the_profile_says() -> None:
    spans = []
    for seed in range(60):
        desk = calls(drop_mean_s=100.0, dial_s=(1.0, 1.0), answer_s=0.1)
        desk.modems[0]._rng.seed(seed)
        desk.say(b"ATS0=1\r", to=1)
        desk.modems[0].from_host(b"ATD1\r", desk.now)
        desk.run(3)
        begun_s, said = desk.now, desk.modems[0].take_host()
        while b"NO CARRIER" not in said and desk.now < begun_s + 2000:
            said = desk.say(b"", 1)
        spans.append(desk.now - begun_s)
    assert 60 < sum(spans) / len(spans) < 150


def test_sbd_writes_as_the_reference_says() -> None:
    desk = sbd()
    desk.say(b"ATE0\r")
    assert desk.say(b"AT+SBDWB=341\r") == b"\r\n3\r\n\r\nOK\r\n"
    assert desk.say(b"AT+SBDWB=0\r") == b"\r\n3\r\n\r\nOK\r\n"
    assert desk.say(b"AT+SBDWB=5\r") == b"READY\r\n"
    assert desk.say(b"hello\x02\x15") == b"\r\n2\r\n\r\nOK\r\n"
    assert desk.say(b"AT+SBDWB=5\r") == b"READY\r\n"
    assert desk.say(b"hell", 61) == b"\r\n1\r\n\r\nOK\r\n"
    assert desk.say(b"AT+SBDWB=5\r") == b"READY\r\n"
    assert desk.say(b"hello\x02\x14") == b"\r\n0\r\n\r\nOK\r\n"
    assert desk.say(b"AT+SBDS\r") == b"\r\n+SBDS: 1, 0, 0, -1\r\n\r\nOK\r\n"
    reply = desk.say(b"AT+SBDIX\r", 21)
    assert reply == b"\r\n+SBDIX: 0, 1, 0, 0, 0, 0\r\n\r\nOK\r\n"
    assert desk.modems[1].take_host() == b"\r\nSBDRING\r\n"
    desk.say(b"ATE0\r", to=1)
    assert desk.say(b"AT+SBDIXA\r", 21, to=1) == b"\r\n+SBDIX: 0, 0, 1, 0, 5, 0\r\n\r\nOK\r\n"
    assert desk.say(b"AT+SBDRB\r", to=1) == b"\0\5hello\x02\x14\r\nOK\r\n"
    assert desk.say(b"AT+SBDD2\r", to=1) == b"\r\n0\r\n\r\nOK\r\n"
    assert desk.say(b"AT+SBDRB\r", to=1) == b"\0\0\0\0\r\nOK\r\n"
    assert desk.say(b"AT+SBDMTA=7\r", to=1) == b"\r\nERROR\r\n"


def test_sessions_take_as_long_as_the_profile_says() -> None:
    desk = sbd()
    desk.say(b"ATE0\r")
    spans = []
    for _ in range(40):
        begun_s = desk.now
        said = desk.say(b"AT+SBDIX\r", 0.01)
        while not said and desk.now < begun_s + 60:
            said = desk.say(b"", 0.25)
        spans.append(desk.now - begun_s)
    assert min(spans) >= 5
    assert max(spans) <= 20.5
    assert 10 < sum(spans) / len(spans) < 15


def test_after_boot_it_is_silent_then_searches() -> None:
    desk = calls(boot_s=2.0, register_s=3.0)
    desk.modems[0].power_cut(desk.now)
    assert desk.say(b"AT\r", 1.5) == b""
    desk.run(1)
    assert b"+CREG:000,002" in desk.say(b"AT+CREG?\r")
    desk.run(3)
    assert b"+CREG:000,001" in desk.say(b"AT+CREG?\r")


@pytest.mark.parametrize("kind", [VirtualIridiumCall, VirtualIridiumSbd])
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"AT", b"\r", b"+++", b"ATD1\r", b"AT+SBDWB=4\r"]))))
def test_no_host_breaks_it(kind: type[VirtualIsu], pieces: list[bytes]) -> None:
    modem = make(kind, "a")
    desk = Desk(modem)
    for piece in pieces:
        desk.say(piece, 0.3)


def test_wrong_virtual_settings_are_named() -> None:
    with pytest.raises(ConfigError, match=r"settings\.virtual: dial: unknown key; did you mean dial_s"):
        make(VirtualIridiumCall, "a", dial=3)
