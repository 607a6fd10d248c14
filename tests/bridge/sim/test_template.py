"""The virtual modem to copy, from its host's side."""

from __future__ import annotations

from random import Random

import pytest

from firmware_bridge.profile import AirSection, ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.template import VirtualTemplate

PROFILE = ModemProfile(name="mine", driver="template", air=AirSection(mtu_bytes=8, fixed_ms=500))


def ask(modem: VirtualTemplate, line: bytes, now: float = 0.0) -> bytes:
    modem.from_host(line + b"\r\n", now)
    modem.tick(now + 0.1)
    return modem.take_host()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"HELLO", b"OK EXAMPLE 1.0\r\n"),
        (b"ADDRESS 9", b"OK 9\r\n"),
        (b"ADDRESS 256", b"ERROR\r\n"),
        (b"ADDRESS", b"ERROR\r\n"),
        (b"SEND 0a", b"TAKEN\r\n"),
        (b"SEND", b"ERROR\r\n"),
        (b"SEND 000000000000000000", b"ERROR\r\n"),
        (b"what", b"ERROR\r\n"),
    ],
)
def test_answers(line: bytes, answer: bytes) -> None:
    assert ask(VirtualTemplate(PROFILE, "a", Random(1)), line) == answer


def test_one_packet_at_a_time_and_a_boot() -> None:
    modem = VirtualTemplate(PROFILE, "a", Random(1))
    ask(modem, b"SEND 0a")
    assert modem.take_air() == [AirFrame(b"\n", 0.5)]
    assert ask(modem, b"SEND 0b", 0.2) == b"BUSY\r\n"
    modem.frame_ended(AirFrame(b"\n", 0.5), 0.5)
    modem.on_air(AirFrame(b"\x0c", 0.5), AirQuality(3.0), 0.5)
    modem.tick(0.6)
    assert modem.take_host() == b"DONE\r\nHEARD 0c 3.0\r\n"
    modem.power_cut(1.0)
    modem.tick(2.0)
    modem.tick(2.1)
    assert modem.take_host() == b"EXAMPLE UP\r\n"
