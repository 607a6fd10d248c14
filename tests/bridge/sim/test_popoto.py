"""The virtual Popoto modem, from its host's side: the shell, JSON, refusals."""

from __future__ import annotations

import json
from random import Random

import pytest

from firmware_bridge.profile import load_profile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.popoto import VirtualPopoto

SHELL, TCP = load_profile("popoto-5120"), load_profile("popoto-tcp")


class Host:
    """Talks to one virtual modem and collects what it says."""

    def __init__(self, profile: object = TCP) -> None:
        self.modem = VirtualPopoto(profile, "a", Random(1))  # type: ignore[arg-type]
        self.now = 0.0

    def write(self, data: bytes, wait_s: float = 0.2) -> bytes:
        self.modem.from_host(data, self.now)
        self.now += wait_s
        self.modem.tick(self.now)
        return self.modem.take_host()

    def ask(self, command: str, arguments: object) -> list[object]:
        line = json.dumps({"Command": command, "Arguments": arguments}).encode() + b"\n"
        return [json.loads(one) for one in self.write(line).split(b"\r") if one]


def test_values_over_tcp() -> None:
    host = Host()
    assert host.ask("SetValue", "PayloadMode 3 0") == [{"PayloadMode": 3}]
    assert host.ask("GetValue", "PayloadMode   0") == [{"PayloadMode": 3}]
    assert host.ask("SetValue", "TxPowerWatts 2.5 0") == [{"TxPowerWatts": 2.5}]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("SetValue", "PayloadMode 6 0"),
        ("SetValue", "PayloadMode x 0"),
        ("SetValue", "Nonesuch 1 0"),
        ("SetValue", ""),
        ("GetValue", "Nonesuch"),
        ("GetValue", ""),
        ("TransmitJSON", {"Payload": {"Data": [256]}}),
        ("TransmitJSON", {"Payload": {"Data": [0] * 1024}}),
        ("TransmitJSON", {"Payload": 3}),
        ("Nonesuch", {}),
    ],
)
def test_what_cannot_be_is_an_error(command: str, arguments: object) -> None:
    (said,) = Host().ask(command, arguments)
    assert list(said) == ["Error"]  # type: ignore[call-overload]


def test_no_json_is_an_error_too() -> None:
    assert b"Error" in Host().write(b"hello\n")


def test_a_packet_and_a_second_one_while_it_is_sent() -> None:
    host = Host()
    payload = {"Payload": {"Data": [1, 2, 3]}}
    assert host.ask("TransmitJSON", payload) == []
    (frame,) = host.modem.take_air()
    assert frame.data == bytes((0, 0, 255, 1, 3, 0, 1, 2, 3))
    assert frame.duration_s == pytest.approx(TCP.link_info().airtime_s(3) - host.modem.gap_s)
    assert host.ask("TransmitJSON", payload) == [{"Error": "Transmitter busy"}]
    host.modem.frame_ended(frame, host.now)
    assert host.write(b"") == b'{"Alert":"TxComplete"}\r'


def test_a_received_packet() -> None:
    host = Host()
    frame = AirFrame(bytes((0, 7, 255, 1, 2, 8, 65, 66)), 1.0)
    host.modem.on_air(frame, AirQuality(9.0), host.now)
    assert host.write(b"").split(b"\r") == [
        b'{"Header":[0,7,255,1,2,8]}',
        b'{"SNRdB":9.0,"DopplerVelocity":0.0}',
        b'{"Data":[65,66]}',
        b"",
    ]
    host.modem.on_air(AirFrame(bytes((0, 7, 9, 1, 2, 8, 65, 66)), 1.0), AirQuality(), host.now)
    assert host.write(b"") == b""  # for another


def test_the_shell_echoes_colours_and_prompts() -> None:
    host = Host(SHELL)
    said = host.write(b"getvaluei PayloadMode\n")
    assert said.startswith(b"getvaluei PayloadMode\r\n")
    assert b'\x1b[1m{"PayloadMode":0}\x1b[0m\r\nPopoto->' in said
    host.write(b"setTerminalMode raw\n")
    assert b"\x1b" not in host.write(b"version\n")
    assert b"Unknown syntax" in host.write(b"hello\n")
    assert b"Invalid JSON" in host.write(b"transmitJSON {\n")


def test_a_boot_is_long_and_ends_in_a_greeting() -> None:
    host = Host(SHELL)
    host.write(b"setvaluei PayloadMode 3\n")
    host.modem.power_cut(host.now)
    assert host.write(b"version\n", 19.0) == b""
    host.write(b"", 1.1)
    assert b"Welcome to the Popoto modem Shell!" in host.write(b"", 0.1)
    assert b'{"PayloadMode":0}' in host.write(b"getvaluei PayloadMode\n")
