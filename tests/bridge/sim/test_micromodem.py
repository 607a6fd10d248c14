"""The virtual Micromodem, from its host's side: replies, refusals, air times."""

from __future__ import annotations

from random import Random

import pytest

from firmware_bridge.framing.nmea import NmeaReader, Sentence
from firmware_bridge.profile import load_profile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.micromodem import VirtualMicromodem

PSK, FSK = load_profile("micromodem-psk"), load_profile("micromodem-fsk")


class Host:
    """Talks to one virtual modem and collects what it says."""

    def __init__(self, profile: object = PSK) -> None:
        self.modem = VirtualMicromodem(profile, "a", Random(1))  # type: ignore[arg-type]
        self.now = 0.0

    def ask(self, name: str, *fields: object, wait_s: float = 0.1) -> list[Sentence]:
        return self.write(Sentence(name, tuple(str(field) for field in fields)).to_bytes(), wait_s)

    def write(self, data: bytes, wait_s: float = 0.1) -> list[Sentence]:
        self.modem.from_host(data, self.now)
        end = self.now + wait_s
        while (due := self.modem.next_deadline()) is not None and due <= end:
            self.modem.tick(due)
        self.now = end
        return NmeaReader().receive(self.modem.take_host())


def test_parameters_are_asked_set_and_survive_a_power_cut() -> None:
    host = Host()
    assert host.ask("CCCFQ", "SRC") == [Sentence("CACFG", ("SRC", "0"))]
    assert host.ask("CCCFG", "SRC", 5) == [Sentence("CACFG", ("SRC", "5"))]
    host.modem.power_cut(host.now)
    assert host.write(b"", 2.0)[0].fields[1] == "INIT"
    host.write(b"")
    assert host.ask("CCCFQ", "SRC") == [Sentence("CACFG", ("SRC", "5"))]


@pytest.mark.parametrize(
    "data",
    [b"$CCCFQ,SRC*00\r\n", b"$CCCFQ,SRC\r\n"]
    + [
        Sentence(*one).to_bytes()
        for one in (("CCCFQ", ("XXX",)), ("CCXYZ",), ("CCCFG", ("SRC", "x")), ("CCTXD", ("0", "1", "0", "00")))
    ],
)
def test_what_is_ill_formed_is_answered_by_an_error(data: bytes) -> None:
    assert [one.name for one in Host().write(data)] == ["CAERR"]


def test_a_flexible_packet_and_a_second_one_while_it_is_sent() -> None:
    host = Host()
    assert [one.name for one in host.ask("CCTDP", 15, 5, 0, 0, "0001ff")] == ["CATDP", "CATXP"]
    (frame,) = host.modem.take_air()
    assert frame.duration_s == pytest.approx(PSK.link_info().airtime_s(1) - host.modem.gap_s)
    (refused,) = host.ask("CCTDP", 15, 5, 0, 0, "0001ff")
    assert (refused.name, refused.field(0)) == ("CATDP", "1")
    host.modem.frame_ended(frame, host.now)
    assert [one.name for one in host.write(b"")] == ["CATXF"]


@pytest.mark.parametrize(
    "fields", [(15, 0, 0, 0, "00"), (15, 5, 0, 0, ""), (15, 5, 0, 0, "0g"), (15, 5, 0, 0, "00" * 101)]
)
def test_a_flexible_packet_that_cannot_be(fields: tuple[object, ...]) -> None:
    (refused,) = Host().ask("CCTDP", *fields)
    assert (refused.name, refused.field(0)) == ("CATDP", "1")


def test_a_cycle_at_rate_0_has_an_init_packet_and_a_full_frame() -> None:
    host, other = Host(FSK), Host(FSK)
    assert [one.name for one in host.ask("CCCYC", 0, 0, 15, 0, 0, 1)] == ["CACYC", "CADRQ"]
    assert [one.name for one in host.ask("CCTXD", 0, 15, 0, "0102")] == ["CATXD", "CATXP"]
    (init,) = host.modem.take_air()
    host.modem.frame_ended(init, 1.0)
    (data,) = host.modem.take_air()
    assert init.duration_s + data.duration_s == pytest.approx(FSK.air.fixed_ms / 1000 - host.modem.gap_s + 3.2)
    other.modem.on_air(data, AirQuality(), other.now)  # without the init before it
    assert [one.name for one in other.write(b"")] == ["CARXP"]
    other.modem.on_air(init, AirQuality(), other.now)
    other.modem.on_air(data, AirQuality(), other.now)
    said = other.write(b"", 1.0)
    assert [one.name for one in said] == ["CACYC", "CARXP", "CARXD", "CACST"]
    assert said[2].field(4) == (b"\1\2" + bytes(30)).hex()


def test_a_cycle_without_data_times_out() -> None:
    host = Host(FSK)
    host.ask("CCCYC", 0, 0, 15, 0, 0, 1)
    assert [one.field(1) for one in host.write(b"", 2.1)] == ["DATA_TIMEOUT"]
    assert host.ask("CCCYC", 0, 0, 15, 0, 0, 2)[0].name == "CAERR"
    assert host.ask("CCCYC", 0, 3, 15, 0, 0, 1)[0].name == "CAERR"


def test_a_modem_that_boots_is_deaf() -> None:
    host = Host()
    host.modem.power_cut(0.0)
    host.modem.on_air(AirFrame(b"F\0\x0f\5\0\1x", 1.0), AirQuality(), 0.1)
    assert host.write(b"") == []
