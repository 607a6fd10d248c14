"""The firmware's driver in simulated time: packets, cut cables, restarts, silence, garbage; and the held key."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard, PacketLost, PacketSent, StatusChanged, Write
from firmware_bridge.drivers.firmware import FirmwareDriver
from firmware_bridge.messages import MAX_PACKET_BYTES
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.registry import build_driver
from firmware_bridge.sim.simulated import Side, SimulatedPair
from gateway.errors import ConfigError
from gateway.metrics import Metrics


def heard(side: Side) -> list[bytes]:
    return [event.data for _, event in side.events if isinstance(event, PacketHeard)]


def outcomes(side: Side) -> list[int]:
    return [event.number for _, event in side.events if isinstance(event, PacketSent | PacketLost)]


def ready_pair(**settings: object) -> SimulatedPair:
    profile = load_profile("firmware")
    if settings:
        profile = profile.model_copy(update={"settings": {**profile.settings, **settings}})
    pair = SimulatedPair(profile)
    pair.run(0.5)
    assert pair.a.driver.status is ModemStatus.READY
    return pair


def test_packets_cross_both_ways() -> None:
    pair = ready_pair()
    for packet in (b"over", b"", b"\x00\x00\xc0\xff", bytes(range(128))):
        for name, here, there in (("a", pair.a, pair.b), ("b", pair.b, pair.a)):
            number = pair.send(name, packet)
            pair.run(2.0)
            assert heard(there)[-1] == packet
            assert outcomes(here)[-1] == number
    assert len(heard(pair.a)) == len(heard(pair.b)) == 4
    for side in (pair.a, pair.b):
        assert not any(side.driver.metrics.counter(f"modem.{name}") for name in ("rx_bad_frames", "repeats"))


def test_live_voice_has_room() -> None:
    pair = ready_pair()
    for _ in range(20):
        assert pair.send("a", bytes(24)) is not None
        pair.run(0.48)
    pair.run(2.0)
    assert len(heard(pair.b)) == 20
    duty = pair.air.busy_s["a"] / (20 * 0.48)
    assert duty < 0.5


def test_the_device_tells_the_figures() -> None:
    pair = ready_pair()
    pair.a.modem.profile.air.rate_bps  # noqa: B018 - the profile of both is the same; the name is the driver's
    info = pair.a.driver.info
    assert (info.mtu_bytes, info.rate_bps, info.turnaround_s, info.half_duplex) == (128, 1200.0, 0.02, True)
    assert info.name == "modem:firmware"


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.05, 0.12, 0.3])
def test_nothing_accepted_is_lost_when_the_cable_is_cut(after_s: float) -> None:
    pair = ready_pair()
    numbers = [pair.send("a", bytes((index,)) * 20) for index in range(4)]
    pair.run(after_s)
    pair.unplug("a")
    assert pair.a.driver.status is ModemStatus.NO_PORT
    pair.run(1.5)
    pair.plug("a")
    pair.run(12.0)
    assert outcomes(pair.a) == numbers
    assert {data[0] for data in heard(pair.b)} == {0, 1, 2, 3}


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.2, 0.4])
def test_nothing_accepted_is_lost_when_the_device_restarts(after_s: float) -> None:
    pair = ready_pair()
    numbers = [pair.send("a", bytes((index,)) * 20) for index in range(4)]
    pair.run(after_s)
    told = len(outcomes(pair.a))
    pair.power_cut("a")
    pair.run(12.0)
    assert outcomes(pair.a) == numbers
    # Sent is said when the modem has a packet whole: what was on the air at the cut is gone, as with every modem.
    assert {data[0] for data in heard(pair.b)} >= set(range(told, 4))
    texts = [event.text for _, event in pair.a.events if isinstance(event, StatusChanged)]
    assert any("started anew" in text or "forgotten" in text for text in texts)
    assert pair.a.driver.status is ModemStatus.READY


class Mute:
    """A port that swallows everything."""

    def __init__(self, profile: ModemProfile) -> None:
        self.driver = build_driver(profile, Metrics(), Random(1))
        self.now = 0.0
        self.written = bytearray()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.driver.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.driver.tick(self.now)
            self.written += b"".join(o.data for o in self.driver.take_output() if isinstance(o, Write))
        self.now = end


def test_a_device_that_does_not_answer_is_asked_again_and_again() -> None:
    port = Mute(load_profile("firmware"))
    port.driver.port_opened(0.0)
    assert port.driver.send(b"kept", 0.0) == 1
    port.run(60.0)
    assert port.driver.status is ModemStatus.SILENT
    assert port.driver.status_text == "the device does not answer"
    assert port.driver.waiting == 1
    assert 55 <= port.written.count(b"firmware") <= 65, "a Hello each second"


def test_a_device_that_falls_silent_and_comes_back() -> None:
    pair = ready_pair()
    modem, pair.a.modem.from_host = pair.a.modem.from_host, lambda data, now: None  # type: ignore[method-assign]
    number = pair.send("a", b"kept")
    pair.run(6.0)
    assert pair.a.driver.status is ModemStatus.SILENT
    pair.a.modem.from_host = modem  # type: ignore[method-assign]
    pair.run(4.0)
    assert pair.a.driver.status is ModemStatus.READY
    assert outcomes(pair.a) == [number]
    assert heard(pair.b) == [b"kept"]


def test_garbage_echoes_and_half_frames_change_nothing() -> None:
    pair, rng = ready_pair(), Random(5)
    for _ in range(30):
        pair.inject("a", rng.randbytes(200))
        pair.inject("a", b"\x00\x05\x11\x22")
        pair.run(0.1)
    number = pair.send("a", b"over")
    pair.run(4.0)
    assert outcomes(pair.a) == [number]
    assert heard(pair.b) == [b"over"]
    assert pair.a.driver.metrics.counter("modem.rx_bad_frames") > 0
    pair.inject("a", pair.a.driver._framer.encode(b"\x83\x00\x02\x01\x01\x02\xc4\x01x"))  # type: ignore[attr-defined]
    pair.run(1.0)
    assert heard(pair.a) == [], "our own Send, echoed, is no packet"


def test_a_flood_is_bounded() -> None:
    driver = FirmwareDriver(load_profile("firmware"))
    driver.port_opened(0.0)
    for _ in range(100):
        driver.receive_data(b"\x55" * 5000, 0.0)
    assert len(driver._inbox) == 0
    driver.receive_data(b"\x00", 0.0)
    assert driver.metrics.counter("modem.rx_garbage_bytes") == 500_000


def test_the_key_is_held_between_packets_of_an_over() -> None:
    pair = ready_pair(hold_key_ms=800)
    for _ in range(4):
        pair.send("a", bytes(24))
        pair.run(0.48)
    pair.run(2.0)
    assert pair.a.modem.key_changes[1:] == [True, False]  # type: ignore[attr-defined]
    plain = ready_pair()
    for _ in range(4):
        plain.send("a", bytes(24))
        plain.run(0.48)
    plain.run(2.0)
    assert plain.a.modem.key_changes[1:] == [True, False] * 4  # type: ignore[attr-defined]


def test_the_devices_counts_become_figures() -> None:
    pair = ready_pair(statistics_s=5.0)
    pair.send("a", b"x")
    pair.run(12.0)
    figures = {event.name: event.value for _, event in pair.a.events if isinstance(event, Measured)}
    assert figures["device_sent_packets"] == 1
    assert figures["device_rx_bad_frames"] == 0


def test_a_packet_that_the_device_cannot_take_is_lost_with_a_reason() -> None:
    profile = load_profile("firmware")
    larger = profile.model_copy(update={"air": profile.air.model_copy(update={"mtu_bytes": MAX_PACKET_BYTES})})
    pair = SimulatedPair(profile)
    pair.a.driver = build_driver(larger, Metrics(), Random(1))
    pair.plug("a")
    number = pair.send("a", bytes(200))
    pair.run(1.0)
    (lost,) = [event for _, event in pair.a.events if isinstance(event, PacketLost)]
    assert lost == PacketLost(number, "200 bytes; the device takes 128")  # type: ignore[arg-type]


def test_shutting_down_says_good_bye_and_reports_what_waits() -> None:
    pair = ready_pair()
    driver = pair.a.driver
    numbers = [pair.send("a", bytes(50)) for _ in range(3)]
    driver.shut_down(pair.now)
    assert any(isinstance(output, Write) for output in driver.take_output())
    lost = [event.number for event in driver.take_events() if isinstance(event, PacketLost)]
    assert lost == numbers
    assert driver.send(b"x", pair.now) is None


def test_unknown_settings_are_named() -> None:
    profile = load_profile("firmware").model_copy(update={"settings": {"hold_key": 5}})
    with pytest.raises(
        ConfigError, match="modem profile firmware: settings: hold_key: unknown key; did you mean hold_key_ms"
    ):
        FirmwareDriver(profile)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=20))
def test_any_bytes_from_the_port_break_nothing(pieces: list[bytes]) -> None:
    driver = FirmwareDriver(load_profile("firmware"), rng=Random(1))
    driver.port_opened(0.0)
    for index, piece in enumerate(pieces):
        driver.receive_data(piece, index * 0.3)
        driver.receive_data(driver._framer.encode(piece), index * 0.3)
        driver.tick(index * 0.3)
    assert driver.status in (ModemStatus.STARTING, ModemStatus.SILENT)
