"""The virtual Benthos modem, from its host's side: modes, echo, forwarding."""

from __future__ import annotations

from random import Random

import pytest

from firmware_bridge.profile import load_profile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.benthos import VirtualBenthos

PROFILE = load_profile("benthos-mfsk-800")


class Host:
    """Talks to one virtual modem and collects what it says."""

    def __init__(self) -> None:
        self.modem = VirtualBenthos(PROFILE, "a", Random(1))
        self.now = 10.0

    def write(self, data: bytes, wait_s: float = 0.1) -> bytes:
        self.modem.from_host(data, self.now)
        end = self.now + wait_s
        while (due := self.modem.next_deadline()) is not None and due <= end:
            self.modem.tick(due)
        self.now = end
        return self.modem.take_host()


def test_it_echoes_until_told_not_to() -> None:
    host = Host()
    assert host.write(b"AT\r") == b"AT\r\r\nOK\r\n\r\nuser:1>"
    host.write(b"@P1EchoChar=Dis\r")
    assert host.write(b"AT\r") == b"\r\nOK\r\n\r\nuser:3>"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"@TxRate=9", b"TxRate          | 9"),
        (b"@txrate", b"TxRate          | 5"),
        (b"@TxRate=14", b"Invalid value"),
        (b"@TxRate=9.0", b"Invalid value"),
        (b"@LocalAddr=256", b"Invalid value"),
        (b"@LocalAddr=" + b"9" * 99, b"Invalid value"),
        (b"@FwdDelay=0.05", b"FwdDelay        | 0.05"),
        (b"@FwdDelay=1.", b"Invalid value"),
        (b"@PrintHex=Yes", b"Invalid value"),
        (b"@Nonesuch=1", b"Command '@Nonesuch' not found"),
        (b"+++", b"Command '+++' not found"),
    ],
)
def test_commands(command: bytes, reply: bytes) -> None:
    assert b"\r\n" + reply + b"\r\n" in Host().write(command + b"\r")


def test_online_and_back() -> None:
    host = Host()
    assert b"CONNECT 00800 bits/sec" in host.write(b"ATO\r")
    assert host.write(b"+++", 0.01) == b""  # no silence before it: data
    host.write(b"", 5.0)
    assert len(host.modem.take_air()) == 1
    assert b"user:" in host.write(b"+++")
    assert not host.modem.is_online


def test_what_comes_without_a_pause_is_one_packet_and_waits_for_the_air() -> None:
    host = Host()
    host.write(b"@FwdDelay=0.05\rATO\r")
    host.write(b"abc", 0.01)
    assert host.write(b"def") == b"\r\nForwarding Delay Up\r\n"
    (frame,) = host.modem.take_air()
    assert frame.data[2:] == b"abcdef"
    assert frame.duration_s == pytest.approx(PROFILE.link_info().airtime_s(4) - host.modem.gap_s)
    assert host.write(b"ghi") == b""
    host.modem.frame_ended(frame, host.now)
    assert [one.data[2:] for one in host.modem.take_air()] == [b"ghi"]


def test_received_data_in_hexadecimal_lines() -> None:
    host = Host()
    host.write(b"@PrintHex=Ena\rATO\r")
    host.modem.on_air(AirFrame(b"\1\xff" + bytes(20), 1.0), AirQuality(7.0), host.now)
    said = host.write(b"", 1.0)
    assert said.startswith(b"\r\nDATA(0020):" + b"00" * 16 + b"\r\n" + b"00" * 4 + b"\r\n")
    assert b"Source:001  Destination:255\r\nCRC:Pass MPD:03.2 SNR:07.0 AGC:91 SPD:+00.0 CCERR:013\r\n<EOP>" in said


def test_packets_for_others_are_not_told_unless_asked_for() -> None:
    host = Host()
    host.modem.on_air(AirFrame(b"\1\x09x", 1.0), AirQuality(), host.now)
    assert host.write(b"", 1.0) == b""
    host.write(b"@RcvAll=Ena\r")
    host.modem.on_air(AirFrame(b"\1\x09x", 1.0), AirQuality(), host.now)
    assert b"DATA(0001):x" in host.write(b"", 1.0)


def test_a_power_cut_forgets_settings_and_mode_and_boots_to_a_prompt() -> None:
    host = Host()
    host.write(b"@TxRate=9\rATO\r")
    host.modem.power_cut(host.now)
    assert b"user:" in host.write(b"", 3.0)
    assert (host.modem.values["TxRate"], host.modem.is_online) == ("5", False)
