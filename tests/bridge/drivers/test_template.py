"""The driver to copy: all that its modem can say."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard, PacketSent, Write
from firmware_bridge.drivers.template import MODEM, TemplateDriver
from firmware_bridge.profile import AirSection, ModemProfile
from gateway.errors import ConfigError
from gateway.metrics import Metrics

PROFILE = ModemProfile(name="mine", driver="template", air=AirSection(mtu_bytes=32), settings={"address": 7})


def written(driver: TemplateDriver) -> bytes:
    return b"".join(item.data for item in driver.take_output() if isinstance(item, Write))


def ready_driver() -> TemplateDriver:
    driver = TemplateDriver(PROFILE, Metrics(), Random(1))
    driver.port_opened(0.0)
    assert written(driver) == b"\r\nHELLO\r\n"
    driver.receive_data(b"OK EXAMPLE 1.0\r\n", 0.1)
    assert written(driver) == b"ADDRESS 7\r\n"
    driver.receive_data(b"OK 7\r\n", 0.2)
    assert driver.status is ModemStatus.READY
    driver.take_events()
    return driver


def test_a_packet_is_sent_when_the_modem_says_so() -> None:
    driver = ready_driver()
    driver.send(b"\x0a\x0b", 1.0)
    assert written(driver) == b"SEND 0a0b\r\n"
    driver.receive_data(b"DONE\r\nTAKEN\r\n", 1.1)
    assert driver.take_events() == []
    driver.receive_data(b"DONE\r\n", 1.2)
    assert driver.take_events() == [PacketSent(1)]


def test_a_busy_modem_is_asked_again() -> None:
    driver = ready_driver()
    driver.send(b"\x0a", 1.0)
    driver.receive_data(b"BUSY\r\n", 1.1)
    written(driver)
    driver.tick(1.6)
    assert written(driver) == b"SEND 0a\r\n"


def test_received_packets_with_and_without_a_figure() -> None:
    driver = ready_driver()
    driver.receive_data(b"HEARD 0a0b 12.5\r\nHEARD 0c\r\nHEARD 0\r\nHEARD\r\n", 1.0)
    assert driver.take_events() == [PacketHeard(b"\x0a\x0b", 12.5), Measured("snr_db", 12.5), PacketHeard(b"\x0c")]
    assert driver.metrics.counter("modem.rx_malformed") == 2


def test_a_boot_starts_over() -> None:
    driver = ready_driver()
    driver.send(b"\x0a", 1.0)
    written(driver)
    driver.receive_data(b"EXAMPLE UP\r\n", 1.1)
    assert written(driver) == b"\r\nHELLO\r\n"
    assert (driver.status, driver.waiting) == (ModemStatus.STARTING, 1)


def test_a_declined_address_is_named() -> None:
    driver = TemplateDriver(PROFILE, Metrics(), Random(1))
    driver.port_opened(0.0)
    driver.receive_data(b"OK EXAMPLE\r\nERROR\r\nERROR\r\n", 0.1)
    assert driver.status_text == "ready (declined: ADDRESS)"


def test_good_bye_is_said_to_a_modem_that_is_there() -> None:
    driver = ready_driver()
    written(driver)
    driver.shut_down(1.0)
    assert written(driver) == b"BYE\r\n"
    silent = TemplateDriver(PROFILE, Metrics(), Random(1))
    silent.port_opened(0.0)
    written(silent)
    silent.shut_down(1.0)
    assert written(silent) == b""


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from([b"TAKEN\r\n", b"DONE\r\n", b"BUSY\r\n", b"OK 7\r\n", b"EXAMPLE UP\r\n"]),
        )
    )
)
@settings(max_examples=100)
def test_nothing_that_comes_over_the_line_raises(pieces: list[bytes]) -> None:
    driver = ready_driver()
    driver.send(b"x", 0.3)
    for now, piece in enumerate(pieces, 1):
        driver.receive_data(piece, now)
        driver.tick(now)
    assert driver.waiting in (0, 1)


def test_settings_are_checked_by_its_model() -> None:
    assert MODEM.settings(address=3).model_dump() == {"address": 3}
    with pytest.raises(ConfigError, match="modem profile mine: settings: address"):
        TemplateDriver(PROFILE.model_copy(update={"settings": {"address": 256}}), Metrics(), Random(1))
