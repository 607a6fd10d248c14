"""Transparent modems in simulated time: packets there and back, pacing, damage, unplugging, echoes."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.driver import Lines, ModemStatus, PacketHeard, PacketLost, PacketSent, StatusChanged, Write
from firmware_bridge.drivers.transparent import AHEAD_S, STUCK_S, TransparentDriver
from firmware_bridge.framing.delimited import CobsFramer
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.registry import build_driver
from firmware_bridge.sim.simulated import Side, SimulatedPair
from gateway.channel.impairments import ChannelSpec
from gateway.errors import ConfigError
from gateway.metrics import Metrics

PROFILES = ["transparent-9600", "transparent-1200", "transparent-1200-soft", "rs485", "direct-115200"]


def heard(side: Side) -> list[bytes]:
    return [event.data for _, event in side.events if isinstance(event, PacketHeard)]


def sent(side: Side) -> list[int]:
    return [event.number for _, event in side.events if isinstance(event, PacketSent)]


def changed(profile: ModemProfile, **sections: object) -> ModemProfile:
    return ModemProfile.model_validate({**profile.model_dump(), **sections})


@pytest.mark.parametrize("name", PROFILES)
def test_packets_cross_both_ways(name: str) -> None:
    pair = SimulatedPair(load_profile(name))
    assert pair.a.driver.status is ModemStatus.READY
    longest = bytes(range(256))[: pair.profile.air.mtu_bytes]
    for packet in (b"over", b"", b"\x00\x00\xc0\xff", longest):
        for name_, here, there in (("a", pair.a, pair.b), ("b", pair.b, pair.a)):
            number = pair.send(name_, packet)
            pair.run(4.0)
            assert heard(there)[-1] == packet
            assert sent(here)[-1] == number
    assert len(heard(pair.a)) == len(heard(pair.b)) == 4, "nobody hears himself"
    assert pair.a.driver.metrics.counter("modem.rx_bad_frames") == 0


@pytest.mark.parametrize("name", PROFILES)
def test_can_send_is_true_when_the_air_is_free_and_not_before(name: str) -> None:
    pair = SimulatedPair(load_profile(name))
    driver, info = pair.a.driver, pair.a.driver.info
    assert driver.can_send(pair.now)
    pair.send("a", bytes(200))
    assert not driver.can_send(pair.now)
    air_s = info.airtime_s(200)
    pair.run(air_s - AHEAD_S - 210 * pair.profile.port.bits_per_byte / pair.profile.port.baud)
    assert not driver.can_send(pair.now)
    pair.run(info.turnaround_s + 0.4 + AHEAD_S)
    assert driver.can_send(pair.now)


@pytest.mark.parametrize("name", ["transparent-9600", "transparent-1200", "direct-115200"])
def test_packets_one_after_the_other_use_the_rate(name: str) -> None:
    pair = SimulatedPair(load_profile(name))
    count = 20
    accepted = 0
    while accepted < count:
        if pair.send("a", bytes(100)) is not None:
            accepted += 1
        else:
            pair.run(0.005)
    pair.run(20.0)
    assert len(heard(pair.b)) == count
    times = [at for at, event in pair.b.events if isinstance(event, PacketHeard)]
    needed_s = (count - 5) * (100 + 4) * 8 / (pair.a.driver.info.rate_bps or 1)
    assert needed_s * 0.95 < times[-1] - times[4] < needed_s * 1.05
    assert pair.a.modem.overflowed_bytes == 0


def test_the_queue_is_bounded_and_every_packet_ends_in_one_event() -> None:
    pair = SimulatedPair(load_profile("transparent-1200"))
    numbers = [pair.send("a", bytes(50)) for _ in range(10)]
    taken = [number for number in numbers if number is not None]
    assert len(taken) == 4
    pair.run(1.5)
    pair.a.driver.shut_down(pair.now)
    pair.run(0.1)
    ended = [e.number for _, e in pair.a.events if isinstance(e, PacketSent | PacketLost)]
    assert sorted(ended) == taken
    assert pair.a.driver.send(b"after", pair.now) is None


def test_unplugged_while_sending_it_is_sent_again() -> None:
    pair = SimulatedPair(load_profile("transparent-1200"))
    numbers = [pair.send("a", bytes([n]) * 60) for n in range(3)]
    pair.run(0.03)
    pair.unplug("a", "unplugged")
    assert pair.a.driver.status is ModemStatus.NO_PORT
    assert pair.a.driver.status_text == "unplugged"
    pair.run(3.0)
    pair.plug("a")
    pair.run(5.0)
    assert sent(pair.a) == numbers
    assert heard(pair.b) == [bytes([n]) * 60 for n in range(3)]


def test_a_power_cut_costs_what_was_on_the_air_only() -> None:
    pair = SimulatedPair(load_profile("transparent-1200"))
    pair.send("a", b"lost on the air")
    pair.run(0.3)
    assert pair.air.is_sending("a")
    pair.power_cut("a")
    pair.run(1.0)
    pair.send("a", b"after")
    pair.run(2.0)
    assert heard(pair.b) == [b"after"]
    assert pair.a.driver.status is ModemStatus.READY


@given(garbage=st.binary(max_size=600), payload=st.binary(max_size=100))
def test_garbage_then_a_packet(garbage: bytes, payload: bytes) -> None:
    pair = SimulatedPair(load_profile("transparent-9600"))
    pair.inject("b", garbage)
    pair.run(1.0)
    before = len(heard(pair.b))
    pair.send("a", payload)
    pair.run(2.0)
    assert heard(pair.b)[before:] == [payload]


def test_half_a_frame_then_silence_is_no_obstacle() -> None:
    pair = SimulatedPair(load_profile("transparent-9600"))
    frame = CobsFramer(270).encode(b"never whole, never whole")
    pair.inject("b", frame[:9])
    pair.run(0.02)
    pair.send("b", b"we talk all the same")
    pair.run(1.0)
    pair.send("a", b"and hear")
    pair.run(1.0)
    assert heard(pair.a) == [b"we talk all the same"]
    assert heard(pair.b) == [b"and hear"]
    assert pair.b.driver.metrics.counter("modem.rx_bad_frames") == 1


def test_nobody_begins_while_a_frame_arrives() -> None:
    driver = TransparentDriver(load_profile("transparent-9600"))
    driver.port_opened(0.0)
    frame = CobsFramer(270).encode(bytes(range(1, 40)), after_silence=True)
    driver.receive_data(frame[:20], 1.0)
    assert not driver.can_send(1.001)
    assert driver.send(b"waits", 1.001) is not None
    assert driver.take_output() == []
    driver.receive_data(frame[20:], 1.01)
    assert any(isinstance(output, Write) for output in driver.take_output())
    deaf = TransparentDriver(changed(load_profile("transparent-9600"), settings={"listen": False}))
    deaf.port_opened(0.0)
    deaf.receive_data(frame[:20], 1.0)
    assert deaf.can_send(1.001)


def test_a_flood_of_garbage_does_not_keep_us_silent_for_good() -> None:
    pair = SimulatedPair(load_profile("transparent-9600"))
    noise = Random(4).randbytes(3000)
    pair.inject("a", noise)
    pair.run(0.5)
    number = pair.send("a", b"through noise")
    pair.run(8.0)
    assert sent(pair.a) == [number]
    assert heard(pair.b) == [b"through noise"]
    assert pair.a.driver.metrics.counter("modem.rx_garbage_bytes") > 2000


def test_wrong_bits_cost_the_packet_with_a_check_and_reach_us_without() -> None:
    errors = ChannelSpec("errors", bit_error_rate=0.01)
    packet = bytes(range(1, 31))
    checked = SimulatedPair(load_profile("transparent-1200"), errors, seed=1)
    bare = SimulatedPair(load_profile("transparent-1200-soft"), errors, seed=1)
    for pair in (checked, bare):
        for _ in range(40):
            pair.send("a", packet)
            pair.run(1.5)
    assert set(heard(checked.b)) == {packet}
    assert len(heard(checked.b)) < 25
    assert checked.b.driver.metrics.counter("modem.rx_bad_frames") > 10
    whole = [data for data in heard(bare.b) if len(data) == len(packet)]
    assert len(whole) > 26, "a wrong bit in one of the two zeros makes it longer, the other 84 % keep their length"
    assert sum(data != packet for data in whole) > 20
    assert bare.b.driver.info.has_integrity is False
    assert checked.b.driver.info.has_integrity is True


def test_an_echo_is_dropped_once_and_counted() -> None:
    pair = SimulatedPair(load_profile("rs485"))
    for _ in range(3):
        pair.send("a", b"same words")
        pair.run(0.2)
    assert heard(pair.a) == []
    assert heard(pair.b) == [b"same words"] * 3
    assert pair.a.driver.metrics.counter("modem.rx_echoes") == 3
    pair.send("b", b"same words")
    pair.run(2.0)
    assert heard(pair.a) == [b"same words"], "what the other side says is no echo"


def test_an_echo_that_the_profile_does_not_know_of_is_handed_on_and_told() -> None:
    driver = TransparentDriver(load_profile("direct-115200"))
    driver.port_opened(0.0)
    told, now = [], 0.0
    for number in range(4):
        driver.send(b"packet %d" % number, now)
        (output,) = (one for one in driver.take_output() if isinstance(one, Write))
        driver.written(len(output.data), now)
        driver.receive_data(output.data, now + 0.05)
        told.append(driver.status_text)
        now += 1.0
    assert told[:2] == ["ready", "ready"]
    assert told[2] == told[3]
    assert 'echo = "drop"' in told[2]
    assert driver.status is ModemStatus.READY
    assert driver.metrics.counter("modem.rx_echoes") == 4
    heard_first = next(event for event in driver.take_events() if isinstance(event, PacketHeard))
    assert heard_first.data == b"packet 0"
    driver.receive_data(CobsFramer(64).encode(b"another", after_silence=True), now)
    assert driver.status_text == "ready"


def test_a_damaged_echo_is_one_without_a_check() -> None:
    profile = changed(load_profile("rs485"), settings={"check": "none", "echo": "drop"})
    driver = TransparentDriver(profile)
    driver.port_opened(0.0)
    driver.send(b"over and out", 0.0)
    (output,) = driver.take_output()
    assert isinstance(output, Write)
    echo = bytearray(output.data)
    echo[4] ^= 0x40
    driver.receive_data(bytes(echo), 0.1)
    assert driver.metrics.counter("modem.rx_echoes") == 1
    driver.receive_data(CobsFramer(1024, driver._framer.check).encode(b"another pack"), 0.2)
    assert [e.data for e in driver.take_events() if isinstance(e, PacketHeard)] == [b"another pack"]


def test_stuck_flow_control_is_said_and_ends() -> None:
    driver = TransparentDriver(load_profile("transparent-9600"))
    driver.port_opened(0.0, Lines(cts=False))
    number = driver.send(bytes(100), 0.0)
    due = driver.next_deadline()
    assert due is not None
    assert STUCK_S <= due < STUCK_S + 2
    driver.tick(due)
    assert driver.status is ModemStatus.SILENT
    assert driver.status_text == "the port takes no bytes: flow control holds (CTS is off)"
    assert not driver.can_send(due)
    driver.written(50, due + 1)
    assert driver.status is ModemStatus.READY
    driver.written(1000, due + 2)
    assert [e.number for e in driver.take_events() if isinstance(e, PacketSent)] == [number]


def test_a_preamble_after_silence_only() -> None:
    profile = changed(load_profile("direct-115200"), settings={"preamble_bytes": 8})
    driver = TransparentDriver(profile)
    driver.port_opened(0.0)
    driver.send(b"\x01" * 500, 1.0)
    driver.written(2000, 1.0)
    driver.send(b"second", 1.001)
    first, second = (output.data for output in driver.take_output() if isinstance(output, Write))
    assert first.startswith(bytes(9))
    assert not second.startswith(b"\x00")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"port": {"data_bits": 7}}, "port.data_bits"),
        ({"port": {"flow": "xon-xoff"}}, "port.flow"),
        ({"settings": {"chekc": "crc"}}, "chekc"),
        ({"settings": {"check": "crc16"}}, "check"),
    ],
)
def test_what_cannot_work_is_refused(sections: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"transparent-9600.*{message}"):
        build_driver(changed(load_profile("transparent-9600"), **sections), Metrics(), Random(1))


def test_status_is_told() -> None:
    pair = SimulatedPair(load_profile("rs485"))
    assert [e.status for _, e in pair.a.events if isinstance(e, StatusChanged)] == [
        ModemStatus.STARTING,
        ModemStatus.READY,
    ]
