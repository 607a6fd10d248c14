"""The Popoto driver: both interfaces, JSON with noise around it, a slow boot."""

from __future__ import annotations

import json
from random import Random

import pytest

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard, PacketSent, Write
from firmware_bridge.drivers.popoto import PopotoDriver
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from tests.bridge.modems import ended, heard, is_ready, measured, muted, ready_pair, sent, statuses, wait_for

SHELL, TCP = load_profile("popoto-5120"), load_profile("popoto-tcp")


def with_settings(profile: ModemProfile = SHELL, **settings: object) -> ModemProfile:
    return profile.model_copy(update={"settings": {**profile.settings, **settings}})


def written(driver: PopotoDriver) -> bytes:
    return b"".join(item.data for item in driver.take_output() if isinstance(item, Write))


def tell(driver: PopotoDriver, now: float, **said: object) -> None:
    driver.receive_data(json.dumps(said).encode() + b"\r", now)


def ready_driver(profile: ModemProfile = SHELL) -> PopotoDriver:
    driver = PopotoDriver(profile, Metrics(), Random(1))
    driver.port_opened(0.0)
    driver.receive_data(b'{"Info ":"Popoto Modem Version 2.7.0 847"}\r', 0.1)
    values: dict[str, object] = {
        "LocalID": 1,
        "RemoteID": 255,
        "PayloadMode": 1,
        "TxPowerWatts": 1.0,
        "StreamingTxLen": 0,
    }
    for name, value in values.items():
        tell(driver, 0.2, **{name: value})
    assert driver.status is ModemStatus.READY
    driver.take_events()
    driver.take_output()
    return driver


def test_the_shell_is_spoken_to_in_words() -> None:
    driver = PopotoDriver(SHELL, Metrics(), Random(1))
    driver.port_opened(0.0)
    assert written(driver) == b"\nsetTerminalMode raw\nversion\n"
    driver.receive_data(b'Popoto->\x1b[1m{"Info ":"Popoto Modem Version 2.7.0 847"}\x1b[0m\r\n', 0.1)
    assert written(driver) == b"setvaluei LocalID 1\ngetvaluei LocalID\n"
    tell(driver, 0.2, LocalID=1)
    assert written(driver) == b"setvaluei RemoteID 255\ngetvaluei RemoteID\n"


def test_tcp_is_spoken_to_in_objects() -> None:
    driver = PopotoDriver(TCP, Metrics(), Random(1))
    driver.port_opened(0.0)
    (asked,) = [json.loads(line) for line in written(driver).split(b"\n") if line]
    assert asked == {"Command": "getVersion", "Arguments": "Unused Arguments"}
    tell(driver, 0.1, Info="Popoto Modem Version 3")
    assert [json.loads(line) for line in written(driver).split(b"\n") if line] == [
        {"Command": "SetValue", "Arguments": "LocalID 1 0"},
        {"Command": "GetValue", "Arguments": "LocalID   0"},
    ]


@pytest.mark.parametrize("profile", [SHELL, TCP], ids=["pshell", "json"])
def test_the_virtual_modem_gets_every_value(profile: ModemProfile) -> None:
    pair = ready_pair(
        with_settings(profile, address=9, payload_mode=4, power_w=2.5, values={"UPCONVERT_Carrier": 30_000})
    )
    values = pair.a.modem.values  # type: ignore[attr-defined]
    assert {
        name: values[name] for name in ("LocalID", "RemoteID", "PayloadMode", "TxPowerWatts", "UPCONVERT_Carrier")
    } == {
        "LocalID": 9,
        "RemoteID": 255,
        "PayloadMode": 4,
        "TxPowerWatts": 2.5,
        "UPCONVERT_Carrier": 30_000,
    }


def test_a_value_that_the_modem_does_not_know_is_named() -> None:
    pair = SimulatedPair(with_settings(values={"Nonesuch": 1}))
    wait_for(pair, lambda: is_ready(pair.a))
    assert pair.a.driver.status_text == "ready, Popoto Modem Version 2.7.0 847 (declined: Nonesuch)"


def test_a_packet_is_sent_at_tx_complete_and_not_before() -> None:
    driver = ready_driver()
    tell(driver, 0.9, Alert="TxComplete")
    driver.send(b"\x00\xff", 1.0)
    assert written(driver) == b'transmitJSON {"Payload":{"Data":[0,255]}}\n'
    driver.receive_data(b'transmitJSON {"Payload":{"Data":[0,255]}}\r\n', 1.1)  # echoed
    assert driver.take_events() == []
    tell(driver, 2.0, Alert="TxComplete")
    assert driver.take_events() == [PacketSent(1)]


def test_a_packet_over_tcp() -> None:
    driver = ready_driver(TCP)
    driver.send(b"\x07", 1.0)
    assert json.loads(written(driver)) == {"Command": "TransmitJSON", "Arguments": {"Payload": {"Data": [7]}}}


@pytest.mark.parametrize("refusal", [{"Error": "Transmitter busy"}, {"Alert": "Timeout"}])
def test_a_busy_modem_is_asked_again(refusal: dict[str, str]) -> None:
    driver = ready_driver()
    driver.send(b"x", 1.0)
    first = written(driver)
    tell(driver, 1.1, **refusal)
    assert written(driver) == b""
    driver.tick(2.1)
    assert written(driver) == first


def test_a_received_packet_with_its_figures() -> None:
    driver = ready_driver()
    tell(driver, 1.0, Header=[0, 2, 255, 1, 3, 1 << 3])
    tell(driver, 1.1, SNRdB=14.5, DopplerVelocity=1.0)
    tell(driver, 1.2, Data=[1, 2, 3])
    assert driver.take_events() == [
        Measured("snr_db", 14.5),
        Measured("doppler_m_s", 0.514444),
        PacketHeard(b"\1\2\3", 14.5),
    ]


@pytest.mark.parametrize("data", ["text", [1, 256], [1, -1], [1, 2.5], [True], [0] * 1024, None, {"a": 1}])
def test_data_that_is_none(data: object) -> None:
    driver = ready_driver()
    tell(driver, 1.0, Data=data)
    assert driver.take_events() == []
    assert driver.metrics.counter("modem.rx_malformed") == 1


def test_a_length_that_does_not_fit_its_header_and_a_bad_crc() -> None:
    driver = ready_driver()
    tell(driver, 1.0, Header=[0, 2, 255, 1, 4, 0])
    tell(driver, 1.0, Data=[1, 2, 3])
    tell(driver, 1.0, Alert="CRCError")
    assert driver.take_events() == []
    assert driver.metrics.counter("modem.rx_incomplete") == 1
    assert driver.metrics.counter("modem.rx_bad_crc") == 1


@pytest.mark.parametrize(
    "said",
    [
        {"Header": "x"},
        {"Header": [0]},
        {"SNRdB": "high"},
        {"SNRdB": True},
        {"SNRdB": None},
        {"Alert": 7},
        {"Info": 3},
        {"": {}},
    ],
)
def test_surprises_change_nothing(said: dict[str, object]) -> None:
    driver = ready_driver()
    tell(driver, 1.0, **said)
    assert driver.take_events() == []
    assert driver.status is ModemStatus.READY


def test_a_boot_is_seen_by_the_shells_greeting() -> None:
    pair = ready_pair(SHELL)
    pair.send("a", b"abc")
    pair.run(0.5)
    pair.power_cut("a")
    wait_for(pair, lambda: heard(pair.b) == [b"abc"])
    wait_for(pair, lambda: sent(pair.a) == [1])
    assert pair.a.modem.values["PayloadMode"] == 1  # type: ignore[attr-defined]


def test_a_boot_without_a_greeting_is_seen_by_the_lost_settings() -> None:
    pair = ready_pair(TCP)
    pair.power_cut("a")
    pair.run(120)
    assert pair.a.modem.values["PayloadMode"] == 1  # type: ignore[attr-defined]
    assert is_ready(pair.a)


def test_a_quick_boot_while_idle_is_seen_by_the_probe() -> None:
    pair = ready_pair(TCP)
    pair.a.modem._reset()  # type: ignore[attr-defined]
    pair.run(35)
    assert (ModemStatus.STARTING, "the modem has lost its settings") in statuses(pair.a)
    assert is_ready(pair.a)


def test_battery_and_temperature_are_asked_when_idle() -> None:
    pair = ready_pair(SHELL)
    pair.run(40)
    assert measured(pair.a) == {"battery_v": 18.2, "temperature_c": 21.5}


def test_a_silent_modem_keeps_the_packet() -> None:
    pair = ready_pair(TCP)
    with muted(pair.a):
        pair.send("a", b"abc")
        pair.run(100)
        assert pair.a.driver.status is ModemStatus.SILENT
    wait_for(pair, lambda: heard(pair.b) == [b"abc"])
    wait_for(pair, lambda: ended(pair.a) == [1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"payload_mode": 6}, "settings: payload_mode"),
        ({"interface": "serial"}, "settings: interface"),
        ({"values": {"a b": 1}}, "'a b' is not a parameter's name"),
        ({"power": 1}, "did you mean power_w"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=f"modem profile popoto-5120.*{words}"):
        PopotoDriver(with_settings(**settings))


def test_an_mtu_that_the_header_cannot_say_is_refused() -> None:
    air = SHELL.air.model_copy(update={"mtu_bytes": 1024})
    with pytest.raises(ConfigError, match=r"air\.mtu_bytes: at most 1023, not 1024"):
        PopotoDriver(SHELL.model_copy(update={"air": air}))
