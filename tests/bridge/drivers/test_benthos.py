"""The Benthos driver: command and online mode, prompts, received blocks, sleep."""

from __future__ import annotations

from random import Random

import pytest

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard, PacketSent, Write
from firmware_bridge.drivers.benthos import BenthosDriver
from firmware_bridge.framing.sized import wrap
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from tests.bridge.modems import ended, heard, is_ready, measured, muted, ready_pair, sent, statuses, wait_for

PROFILE = load_profile("benthos-psk-2560")


def with_settings(**settings: object) -> ModemProfile:
    return PROFILE.model_copy(update={"settings": {**PROFILE.settings, **settings}})


def written(driver: BenthosDriver) -> bytes:
    return b"".join(item.data for item in driver.take_output() if isinstance(item, Write))


def ready_driver() -> BenthosDriver:
    driver = BenthosDriver(PROFILE, Metrics(), Random(1))
    driver.port_opened(0.0)
    driver.tick(1.5)
    written(driver)
    driver.receive_data(b"\r\nuser:1>", 1.6)
    for _ in range(30):
        asked = written(driver).decode().strip()
        if asked == "ATO":
            driver.receive_data(b"\r\nCONNECT 02560 bits/sec\r\n", 1.7)
            break
        reply = "OK" if asked == "AT" else "{:<16}| {}".format(*asked.lstrip("@").split("="))
        driver.receive_data(f"\r\n{reply}\r\n\r\nuser:2>".encode(), 1.7)
    assert driver.status is ModemStatus.READY
    driver.take_events()
    return driver


def test_escape_waits_for_silence_and_the_rest_follows() -> None:
    driver = BenthosDriver(PROFILE, Metrics(), Random(1))
    driver.port_opened(10.0)
    assert driver.take_output() == []
    assert driver.next_deadline() == pytest.approx(11.3)
    driver.tick(11.3)
    assert written(driver) == b"+++\r"
    driver.receive_data(b"+++\r\nCommand '+++' not found\r\n", 11.4)
    assert written(driver) == b"AT\r"


def test_a_modem_that_sleeps_wakes_by_the_second_question() -> None:
    driver = BenthosDriver(PROFILE, Metrics(), Random(1))
    driver.port_opened(0.0)
    driver.tick(1.3)
    written(driver)
    driver.tick(4.3)  # no answer: the characters woke it
    driver.tick(5.6)
    assert written(driver) == b"+++\r"


def test_the_virtual_modem_gets_every_setting() -> None:
    pair = ready_pair(with_settings(address=7, rate_code=11, extra=("@TxPower=3",)))
    values = pair.a.modem.values  # type: ignore[attr-defined]
    chosen = {
        name: values[name]
        for name in ("LocalAddr", "RemoteAddr", "TxRate", "TxPower", "PrintHex", "P1EchoChar", "FwdDelay")
    }
    assert chosen == {
        "LocalAddr": "7", "RemoteAddr": "255", "TxRate": "11", "TxPower": "3",
        "PrintHex": "Ena", "P1EchoChar": "Dis", "FwdDelay": "0.05",
    }  # fmt: skip
    assert pair.a.driver.status_text == "online at 7680 bit/s"


def test_a_parameter_that_older_firmware_lacks_is_named() -> None:
    pair = SimulatedPair(PROFILE)
    del pair.a.modem.values["WakeTones"]  # type: ignore[attr-defined]
    wait_for(pair, lambda: is_ready(pair.a))
    assert pair.a.driver.status_text == "online at 2560 bit/s (declined: @WakeTones)"


def test_a_packet_is_sent_when_its_time_on_the_air_is_over() -> None:
    driver = ready_driver()
    written(driver)
    driver.send(b"abc", 10.0)
    assert written(driver) == wrap(b"abc")
    driver.receive_data(b"\r\nForwarding Delay Up\r\n", 10.1)
    assert driver.take_events() == []
    assert driver.next_deadline() == pytest.approx(10.0 + PROFILE.link_info().airtime_s(3))
    driver.tick(10.0 + PROFILE.link_info().airtime_s(3))
    assert driver.take_events() == [PacketSent(1)]


BLOCK = (
    "\r\nDATA(0021):0013 6162636465666768\r\n696a6b6c6d6e6f70717273\r\nSource:001  Destination:002\r\n"
    "CRC:{crc} MPD:03.2 SNR:31.3 AGC:91 SPD:-00.4 CCERR:013\r\n<EOP>\r\n"
)


def test_a_received_block_over_several_lines_with_its_figures() -> None:
    driver = ready_driver()
    for byte in BLOCK.format(crc="Pass").encode():
        driver.receive_data(bytes((byte,)), 20.0)
    assert driver.take_events() == [
        Measured("multipath_ms", 3.2),
        Measured("snr_db", 31.3),
        Measured("agc_percent", 91.0),
        Measured("relative_speed_kn", -0.4),
        Measured("corrected_errors", 13.0),
        PacketHeard(b"abcdefghijklmnopqrs", 31.3),
    ]


@pytest.mark.parametrize(
    ("block", "counter"),
    [
        (BLOCK.format(crc="Fail"), "bad_crc"),
        (BLOCK.format(crc="Pass").replace("0021", "0022"), "bad_crc"),
        (BLOCK.format(crc="Pass").replace("0013", "0014"), "foreign"),
        (BLOCK.format(crc="Pass").replace("6162", "61zz"), "bad_crc"),
        ("DATA(0005):0003\r\n" + BLOCK.format(crc="Pass"), "incomplete"),
    ],
)
def test_blocks_that_are_not_whole(block: str, counter: str) -> None:
    driver = ready_driver()
    driver.receive_data(block.encode(), 20.0)
    assert driver.metrics.counter(f"modem.rx_{counter}") == 1
    packets = [event for event in driver.take_events() if isinstance(event, PacketHeard)]
    assert packets == ([PacketHeard(b"abcdefghijklmnopqrs", 31.3)] if counter == "incomplete" else [])


def test_two_writes_that_the_modem_sent_as_one_come_apart() -> None:
    driver = ready_driver()
    block = wrap(b"one") + wrap(b"two")
    driver.receive_data(f"DATA({len(block):04d}):{block.hex()}\r\nCRC:Pass SNR:20.0\r\n<EOP>\r\n".encode(), 20.0)
    assert [event.data for event in driver.take_events() if isinstance(event, PacketHeard)] == [b"one", b"two"]


def test_a_prompt_while_online_means_that_the_modem_has_restarted() -> None:
    driver = ready_driver()
    driver.send(b"abc", 10.0)
    driver.receive_data(b"\r\nuser:1>", 10.2)
    assert (driver.status, driver.status_text) == (ModemStatus.STARTING, "the modem has left online mode")
    assert driver.waiting == 1
    assert driver.take_events()[-1] != PacketSent(1)


def test_a_modem_that_fell_asleep_is_woken_by_the_next_packet() -> None:
    driver = ready_driver()
    driver.receive_data(b"\r\nLowpower\r\n", 20.0)
    assert (driver.status, driver.status_text) == (ModemStatus.READY, "asleep; the next packet wakes the modem")
    written(driver)
    driver.send(b"abc", 30.0)
    assert written(driver) == b""
    assert driver.status_text == "waking the modem"
    driver.tick(31.4)
    assert written(driver) == b"+++\r"
    assert driver.waiting == 1


def test_power_cut_unplug_and_silence_lose_nothing() -> None:
    pair = ready_pair(PROFILE)
    pair.send("a", b"one")
    pair.run(0.05)  # the forwarding delay is not over
    pair.power_cut("a")
    wait_for(pair, lambda: heard(pair.b) == [b"one"])
    with muted(pair.a):
        pair.send("a", b"two")
        pair.run(60)
        assert pair.a.driver.status is ModemStatus.SILENT
    wait_for(pair, lambda: heard(pair.b)[1:] == [b"two"])
    wait_for(pair, lambda: sent(pair.a) == ended(pair.a) == [1, 2])
    assert {status for status, _ in statuses(pair.a)} == {ModemStatus.STARTING, ModemStatus.READY, ModemStatus.SILENT}


def test_figures_reach_the_other_side() -> None:
    pair = ready_pair(PROFILE)
    pair.air.snr_db = 12.5
    pair.send("a", b"abc")
    wait_for(pair, lambda: bool(heard(pair.b)))
    assert measured(pair.b)["snr_db"] == 12.5
    assert [event.snr_db for _, event in pair.b.events if isinstance(event, PacketHeard)] == [12.5]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"destination": 251}, "251 is neither"),
        ({"rate_code": 14}, "settings: rate_code"),
        ({"extra": ["@A=1; rm"]}, "is not of the form @Name=value"),
        ({"power": 0}, "settings: power"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=f"modem profile benthos-psk-2560.*{words}"):
        BenthosDriver(with_settings(**settings))


def test_an_mtu_above_the_modems_buffer_is_refused() -> None:
    air = PROFILE.air.model_copy(update={"mtu_bytes": 4090})
    with pytest.raises(ConfigError, match=r"air\.mtu_bytes: at most 4089, not 4090"):
        BenthosDriver(PROFILE.model_copy(update={"air": air}))
