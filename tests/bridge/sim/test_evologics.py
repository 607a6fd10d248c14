"""The virtual EvoLogics modem by itself: answers, notifications, what it refuses, both lines."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.evologics import VirtualEvoLogics
from tests.bridge.pairs import profile_of


def make(name: str = "a", line: str = "tcp", **virtual: Any) -> VirtualEvoLogics:
    profile = profile_of("evologics-s2c" if line == "tcp" else "evologics-s2c-serial", virtual=virtual)
    return VirtualEvoLogics(profile, name, Random(1))


def say(modem: VirtualEvoLogics, data: bytes, now: float = 0.0) -> bytes:
    """What it answers soon."""
    modem.from_host(data, now)
    modem.tick(now + 0.1)
    return modem.take_host()


def framed(body: bytes, command: bytes = b"") -> bytes:
    return b"+++AT%s:%d:%s\r\n" % (command, len(body), body)


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"+++AT?AL\n", framed(b"1", b"?AL")),
        (b"+++AT!AL9\n+++AT?AL\n", framed(b"OK", b"!AL") + framed(b"9", b"?AL")),
        (b"+++AT*SENDIM,3,1,ack,abc\n", framed(b"ERROR WRONG DESTINATION ADDRESS", b"*SENDIM")),
        (b"+++AT*SENDIM,3,255,ack,abc\n", framed(b"ERROR WRONG DESTINATION ADDRESS", b"*SENDIM")),
        (b"+++AT*SENDIM,65,2,ack," + bytes(65) + b"\n", framed(b"ERROR WRONG FORMAT", b"*SENDIM")),
        (b"+++AT*SENDIM,3,2,maybe,abc\n", framed(b"ERROR WRONG FORMAT", b"*SENDIM")),
        (b"+++AT*SENDIM,3,2,ack,abcd\n", framed(b"ERROR WRONG FORMAT", b"*SENDIM")),
        (b"+++AT!NONSENSE\n", framed(b"ERROR WRONG FORMAT", b"!NONSENSE")),
        (b"data that goes nowhere\n+++AT?S\n", framed(b"INITIATION LISTEN", b"?S")),
    ],
)
def test_commands_on_tcp(command: bytes, reply: bytes) -> None:
    assert say(make(), command) == reply
    modem = make()
    assert b"".join(say(modem, command[at : at + 1]) for at in range(len(command))) == reply


def test_serial_needs_the_escape_and_forgets_it_with_the_power() -> None:
    modem = make(line="serial")
    assert say(modem, b"AT?AL\r", 1.0) == b""
    modem.from_host(b"+++", 5.0)
    modem.tick(5.9)
    assert modem.take_host() == b""
    modem.tick(6.0)
    assert modem.take_host() == b"OK\r\n"
    assert say(modem, b"AT?AL\r", 6.1) == b"1\r\n"
    modem.power_cut(7.0)
    assert say(modem, b"AT?AL\r", 20.0) == b""


def test_an_instant_message_and_its_acknowledgement() -> None:
    here, there = make("a"), make("b")
    assert say(here, b"+++AT*SENDIM,p0,5,2,ack,he\nlo\n") == framed(b"OK", b"*SENDIM") + framed(
        b"SENDSTART,2,im,209564,0"
    )
    (frame,) = here.take_air()
    assert frame.duration_s == pytest.approx(0.209564, abs=1e-6)
    assert say(here, b"+++AT*SENDIM,1,2,noack,x\n") == framed(b"BUSY DELIVERING INSTANT MESSAGE", b"*SENDIM")
    here.frame_ended(frame, 0.3)
    assert here.take_host() == framed(b"SENDEND,2,im,300000,209564")
    there.on_air(frame, AirQuality(), 1.0)
    heard = there.take_host()
    assert b"RECVSTART" in heard
    assert b"RECVIM,5,1,2,ack,209564,-36,150," in heard
    assert heard.endswith(b",he\nlo\r\n")
    (acknowledgement,) = there.take_air()
    there.frame_ended(acknowledgement, 1.2)
    here.on_air(acknowledgement, AirQuality(), 2.0)
    assert here.take_host().endswith(framed(b"DELIVEREDIM,2"))
    here.tick(10.0)
    assert here.take_host() == b""


def test_a_command_without_end_is_forgotten() -> None:
    modem = make()
    assert say(modem, b"+++AT*SENDIM," + b"9" * 6000) == b""
    assert say(modem, b"+++AT?AL\n", 1.0) == framed(b"1", b"?AL")


def test_a_signal_is_told_when_it_begins_and_when_nothing_was_read_of_it() -> None:
    here, there = make("a"), make("b")
    say(here, b"+++AT*SENDIM,1,2,noack,x\n")
    (frame,) = here.take_air()
    there.carrier(True, 1.0)
    assert there.take_host() == framed(b"RECVSTART")
    there.on_air(frame, AirQuality(), 1.2)
    there.carrier(False, 1.2)
    assert there.take_host().count(b"RECVSTART") == 0
    there.carrier(True, 2.0)
    there.carrier(False, 2.2)
    assert there.take_host() == framed(b"RECVSTART") + framed(b"RECVFAILED,0.0000,-36,75")
    here.carrier(True, 1.1)
    assert here.take_host().count(b"RECVSTART") == 0, "on the air itself"


def test_without_an_acknowledgement_it_fails_after_a_while() -> None:
    modem = make(ack_wait_s=3.0)
    say(modem, b"+++AT*SENDIM,1,2,ack,x\n")
    (frame,) = modem.take_air()
    modem.frame_ended(frame, 1.0)
    modem.take_host()
    modem.tick(3.9)
    assert modem.take_host() == b""
    modem.tick(4.0)
    assert modem.take_host() == framed(b"FAILEDIM,2")


def test_what_is_for_others_is_not_for_us() -> None:
    modem = make("a")
    modem.on_air(AirFrame(bytes((0, 2, 7, 0)) + b"for seven", 0.3), AirQuality(), 1.0)
    assert b"RECVIM" not in modem.take_host()


@pytest.mark.parametrize("line", ["tcp", "serial"])
@given(pieces=st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"+++AT", b"*SENDIM,", b"3,2,ack,", b"\n"]))))
def test_no_host_breaks_it(line: str, pieces: list[bytes]) -> None:
    modem = make(line=line)
    for number, piece in enumerate(pieces):
        say(modem, piece, number * 0.7)
    assert len(modem._line) < 3000
