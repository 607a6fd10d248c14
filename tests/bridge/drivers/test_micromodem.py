"""The Micromodem's driver: its sentences, its ways to send, its moods."""

from __future__ import annotations

from random import Random

import pytest

from firmware_bridge.driver import ModemStatus, PacketHeard, PacketSent, SetLine, Write
from firmware_bridge.drivers.micromodem import MicromodemDriver, MicromodemSettings
from firmware_bridge.framing.nmea import NmeaReader, Sentence
from firmware_bridge.framing.sized import wrap
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from tests.bridge.modems import ended, heard, is_ready, measured, muted, ready_pair, sent, statuses, wait_for

PSK, FSK = load_profile("micromodem-psk"), load_profile("micromodem-fsk")


def with_settings(profile: ModemProfile, mtu_bytes: int | None = None, **settings: object) -> ModemProfile:
    air = profile.air if mtu_bytes is None else profile.air.model_copy(update={"mtu_bytes": mtu_bytes})
    return profile.model_copy(update={"settings": {**profile.settings, **settings}, "air": air})


def said(driver: MicromodemDriver) -> list[Sentence]:
    data = b"".join(item.data for item in driver.take_output() if isinstance(item, Write))
    return NmeaReader().receive(data)


def tell(driver: MicromodemDriver, now: float, name: str, *fields: object) -> None:
    driver.receive_data(Sentence(name, tuple(str(field) for field in fields)).to_bytes(), now)


def ready_driver(profile: ModemProfile = PSK) -> MicromodemDriver:
    driver = MicromodemDriver(profile, Metrics(), Random(1))
    driver.port_opened(0.0)
    for _ in range(10):
        for asked in said(driver):
            value = asked.field(1) or profile.settings["address"]
            tell(driver, 0.1, "CACFG", asked.field(0), value)
    assert driver.status is ModemStatus.READY
    driver.take_events()
    return driver


def test_set_up_asks_and_sets_one_after_the_other() -> None:
    driver = MicromodemDriver(with_settings(PSK, nvram={"BND": 3}), Metrics(), Random(1))
    driver.port_opened(0.0)
    assert driver.take_output() == [SetLine("rts", False), Write(b"$CCCFQ,SRC*3A\r\n")]
    tell(driver, 0.1, "CACFG", "SRC", 4)
    asked = []
    for _ in range(5):
        (one,) = said(driver)
        asked.append(one)
        tell(driver, 0.1, "CACFG", *one.fields)
    assert driver.status is ModemStatus.READY
    assert asked == [
        Sentence("CCCFG", (key, value))
        for key, value in (("SRC", "1"), ("CST", "1"), ("TXF", "1"), ("ASD", "0"), ("BND", "3"))
    ]


def test_a_setting_that_comes_back_different_is_not_taken_for_done() -> None:
    driver = MicromodemDriver(PSK, Metrics(), Random(1))
    driver.port_opened(0.0)
    tell(driver, 0.1, "CACFG", "SRC", 1)
    said(driver)
    tell(driver, 0.2, "CACFG", "SRC", 2)
    assert said(driver) == []
    tell(driver, 0.3, "CACFG", "SRC", 1)
    assert said(driver) == [Sentence("CCCFG", ("CST", "1"))]


def test_older_firmware_declines_a_parameter() -> None:
    pair = SimulatedPair(PSK)
    del pair.a.modem.nvram["TXF"]  # type: ignore[attr-defined]
    wait_for(pair, lambda: is_ready(pair.a))
    assert pair.a.driver.status_text == "ready (declined: $CCCFG,TXF)"


def test_a_flexible_packet_is_sent_when_its_transmission_has_ended() -> None:
    driver = ready_driver()
    driver.send(b"abc", 1.0)
    assert said(driver) == [Sentence("CCTDP", ("15", "5", "0", "0", wrap(b"abc").hex()))]
    tell(driver, 1.1, "CATXF", 0)  # of something else: ours is not even taken
    tell(driver, 1.2, "CATDP", 0, 0, 15, 5, 0, 0, 5)
    tell(driver, 1.3, "CATXP", 5)
    assert driver.take_events() == []
    tell(driver, 2.0, "CATXF", 0)
    assert driver.take_events() == [PacketSent(1)]


def test_a_busy_modem_is_asked_again() -> None:
    driver = ready_driver()
    driver.send(b"abc", 1.0)
    said(driver)
    tell(driver, 1.1, "CATDP", 1, 0, 15, 5, 0, 0, 5)
    assert said(driver) == []
    assert driver.next_deadline() == pytest.approx(1.6)
    driver.tick(1.6)
    assert [one.name for one in said(driver)] == ["CCTDP"]
    tell(driver, 1.7, "CAERR", "120000", "NMEA", 7, "Busy")
    driver.tick(2.2)
    assert [one.name for one in said(driver)] == ["CCTDP"]
    assert driver.metrics.counter("modem.tx_refused") == 2


def test_a_packet_that_was_taken_ends_even_if_its_end_is_not_told() -> None:
    driver = ready_driver()
    driver.send(b"abc", 1.0)
    tell(driver, 1.2, "CATDP", 0, 0, 15, 5, 0, 0, 5)
    deadline = driver.next_deadline()
    assert deadline is not None
    driver.tick(deadline)
    assert driver.take_events() == [PacketSent(1)]
    assert driver.metrics.counter("modem.tx_unconfirmed") == 1


def test_a_packet_over_several_frames_of_a_cycle() -> None:
    profile = with_settings(PSK, mtu_bytes=190, packets="cycle", rate=1)
    pair = ready_pair(profile)
    packets = [Random(size).randbytes(size) for size in (190, 62, 63, 126, 1)]
    for packet in packets:
        pair.send("a", packet)
        wait_for(pair, lambda: pair.a.driver.waiting == 0)
    wait_for(pair, lambda: len(heard(pair.b)) == len(packets))
    assert heard(pair.b) == packets


def test_a_request_for_data_that_is_not_ours_gets_an_empty_frame() -> None:
    driver = ready_driver(FSK)
    tell(driver, 1.0, "CADRQ", "120000", 1, 15, 0, 32, 1)
    assert said(driver) == [Sentence("CCTXD", ("1", "15", "0", ""))]


def test_a_missing_frame_spoils_its_packet_only() -> None:
    driver = ready_driver(with_settings(PSK, packets="cycle", rate=1))
    block = wrap(bytes(100)).ljust(128, b"\0")
    tell(driver, 1.0, "CARXD", 2, 15, 0, 2, block[64:].hex())
    tell(driver, 1.1, "CARXD", 2, 15, 0, 1, block[:64].hex())
    tell(driver, 1.2, "CARXD", 2, 15, 0, 3, block[64:].hex())
    assert driver.take_events() == []
    assert driver.metrics.counter("modem.rx_incomplete") == 2
    tell(driver, 1.3, "CARXD", 2, 15, 0, 1, block[:64].hex())
    tell(driver, 1.4, "CARXD", 2, 15, 0, 2, block[64:].hex())
    assert driver.take_events() == [PacketHeard(bytes(100))]


def test_what_is_for_others_or_from_others_is_counted() -> None:
    driver = ready_driver()
    good = f"1;5;{wrap(b'abc').hex()}"
    tell(driver, 1.0, "CARDP", 2, 9, 5, 0, 0, "", good)
    tell(driver, 1.0, "CARDP", 2, 15, 5, 0, 0, "", "1;2;ffff")
    tell(driver, 1.0, "CARDP", 2, 15, 5, 0, 0, "", good.replace("1;", "0;", 1))
    tell(driver, 1.0, "CARDP", 2, 15, 5, 0, 0, "", "")
    assert driver.take_events() == []
    counted = {name: driver.metrics.counter(f"modem.rx_{name}") for name in ("for_others", "foreign", "bad_crc")}
    assert counted == {"for_others": 1, "foreign": 1, "bad_crc": 2}
    # The header's frame and the data's frames belong together.
    block = wrap(b"abcdef").hex()
    tell(driver, 1.0, "CARDP", 2, 1, 5, 0, 0, f"1;4;{block[:8]}", f"1;2;{block[8:12]};1;2;{block[12:]}")
    assert driver.take_events() == [PacketHeard(b"abcdef")]


def test_statistics_of_both_versions() -> None:
    pair = ready_pair(PSK)
    pair.air.snr_db = 17.5
    pair.send("a", b"abc")
    wait_for(pair, lambda: bool(heard(pair.b)))
    pair.run(1)
    assert measured(pair.b) == {"snr_in_db": 17.5, "snr_out_db": 14.5, "mse_db": -12.0, "doppler_m_s": 0.0}
    driver = ready_driver()
    old = [0, "120000", 0, 7000, 60, 200, 150, 250, 0, 0, 0, 0, 1, 2, 15, 0, 2, 1, 0, 120, 8, 5, 6, -9, 200, 0.5]
    tell(driver, 1.0, "CACST", *old)
    assert [(event.name, event.value) for event in driver.take_events()] == [  # type: ignore[union-attr]
        ("snr_in_db", 8.0),
        ("snr_out_db", 5.0),
        ("mse_db", -9.0),
        ("doppler_m_s", 0.5),
    ]
    tell(driver, 1.0, "CACST", 6, 2, "20260101120000.0")
    assert driver.take_events() == []


def test_messages_and_acknowledgements_are_counted() -> None:
    driver = ready_driver()
    tell(driver, 1.0, "CAMSG", "BAD_CRC", 4)
    tell(driver, 1.0, "CAMSG", "PACKET_TIMEOUT", 1)
    tell(driver, 1.0, "CAACK", 2, 1, 1, 1)
    counted = driver.metrics.snapshot()
    assert (counted["modem.rx_bad_crc"], counted["modem.rx_packet_timeout"], counted["modem.rx_acks"]) == (1, 1, 1)


def test_a_boot_in_the_middle_of_a_packet_is_told_and_survived() -> None:
    pair = ready_pair(PSK)
    pair.send("a", b"abc")
    pair.run(0.5)
    assert sent(pair.a) == []
    pair.power_cut("a")
    wait_for(pair, lambda: sent(pair.a) == [1])
    assert heard(pair.b) == []
    assert (ModemStatus.STARTING, "the modem has booted") in statuses(pair.a)
    wait_for(pair, lambda: heard(pair.b) == [b"abc"])
    assert pair.a.driver.status_text == "ready, firmware 2.0.35490"


def test_a_silent_modem_is_asked_on_and_found_again() -> None:
    pair = ready_pair(PSK)
    with muted(pair.a):
        pair.send("a", b"abc")
        pair.run(100)
        assert pair.a.driver.status is ModemStatus.SILENT
        assert "asking again every 10 s" in pair.a.driver.status_text
    wait_for(pair, lambda: heard(pair.b) == [b"abc"], patience_s=15)
    assert ended(pair.a) == [1]


def test_an_idle_modem_that_lost_its_address_is_set_up_again() -> None:
    pair = ready_pair(PSK)
    pair.a.modem.nvram["SRC"] = 0  # type: ignore[attr-defined]
    pair.run(31)
    assert pair.a.modem.nvram["SRC"] == 1  # type: ignore[attr-defined]
    assert (ModemStatus.STARTING, "the modem has lost its settings") in statuses(pair.a)


@pytest.mark.parametrize(
    ("settings", "mtu", "words"),
    [
        ({"rate": 0}, None, "flexible packets have rates 1, 3 and 5, not 0"),
        ({"nvram": {"bnd": 1}}, None, "'bnd' is not three capital"),
        ({"rate": 7}, None, "settings: rate"),
        ({"adress": 1}, None, "did you mean address"),
        ({}, 99, "air.mtu_bytes: 99 is more than the 98 bytes of a flexible packet at rate 5"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], mtu: int | None, words: str) -> None:
    with pytest.raises(ConfigError, match=f"modem profile micromodem-psk.*{words}"):
        MicromodemDriver(with_settings(PSK, mtu, **settings))


def test_the_longest_packets_by_rate() -> None:
    sizes = {rate: MicromodemSettings(packets="cycle", rate=rate).mtu_bytes() for rate in range(7)}
    assert sizes == {0: 30, 1: 190, 2: 190, 3: 510, 4: 510, 5: 2046, 6: 190}
