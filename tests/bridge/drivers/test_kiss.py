"""The KISS driver against virtual TNCs in simulated time: packets, pacing, damage, and TNCs that stop or start anew."""

from __future__ import annotations

import random
from typing import Any

import pytest

from firmware_bridge.driver import ModemStatus, PacketHeard, PacketLost, PacketSent, StatusChanged, Write
from firmware_bridge.drivers.kiss import KissDriver
from firmware_bridge.framing.ax25 import CallSign, UiFrame
from firmware_bridge.framing.kiss import KissCommand, KissFrame, encode_kiss
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.registry import find_kind
from firmware_bridge.sim.kiss import VirtualTnc
from firmware_bridge.sim.simulated import Side, SimulatedPair
from gateway.errors import ConfigError

NAMES = ["kiss-1200", "kiss-9600", "kiss-lora", "direwolf-1200"]


def profile(name: str = "kiss-1200", air: dict[str, Any] | None = None, **settings: Any) -> ModemProfile:
    base = load_profile(name)
    return base.model_copy(
        update={"settings": base.settings | settings, "air": base.air.model_copy(update=air or {})}, deep=True
    )


def packets(count: int, size: int = 31, seed: int = 1) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(size) for _ in range(count)]


def heard(side: Side) -> list[bytes]:
    return [event.data for _, event in side.events if isinstance(event, PacketHeard)]


def sent(side: Side) -> list[int]:
    return [event.number for _, event in side.events if isinstance(event, PacketSent)]


def texts(side: Side) -> list[str]:
    return [event.text for _, event in side.events if isinstance(event, StatusChanged)]


def tnc(side: Side) -> VirtualTnc:
    assert isinstance(side.modem, VirtualTnc)
    return side.modem


def send_all(pair: SimulatedPair, name: str, data: list[bytes], patience_s: float = 120.0) -> list[int]:
    """Offer packets as fast as the driver takes them, and wait until all are gone."""
    numbers, give_up = [], pair.now + patience_s
    for packet in data:
        while (number := pair.send(name, packet)) is None:
            assert pair.now < give_up, "the driver takes no more"
            pair.run(0.05)
        numbers.append(number)
    while pair.sides[name].driver.waiting:
        assert pair.now < give_up, "packets stay with the driver"
        pair.run(0.05)
    pair.run(2.0)
    return numbers


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 31, 200])
def test_packets_cross_both_ways_byte_exact(name: str, size: int) -> None:
    pair = SimulatedPair(load_profile(name))
    there, back = packets(6, size, seed=1), packets(6, size, seed=2)
    assert send_all(pair, "a", there) == sent(pair.a) == [1, 2, 3, 4, 5, 6]
    send_all(pair, "b", back)
    assert heard(pair.b) == there
    assert heard(pair.a) == back


@pytest.mark.parametrize("settings", [{"checksum": "smack"}, {"checksum": "xor"}, {"ackmode": True}])
@pytest.mark.parametrize("name", ["kiss-1200", "direwolf-1200"])
def test_checksums_and_ackmode(name: str, settings: dict[str, Any]) -> None:
    both = settings | ({"checksum": "xor"} if "ackmode" in settings else {})
    for chosen in (settings, both):
        pair = SimulatedPair(profile(name, **chosen))
        data = packets(8, 60)
        send_all(pair, "a", data)
        assert heard(pair.b) == data
        assert pair.a.driver.status is ModemStatus.READY


@pytest.mark.parametrize("ackmode", [False, True])
def test_a_tnc_never_has_more_than_one_frame_and_drops_none(ackmode: bool) -> None:
    pair = SimulatedPair(profile(ackmode=ackmode))
    data = packets(40, 120)
    began = pair.now
    send_all(pair, "a", data)
    assert heard(pair.b) == data
    assert tnc(pair.a).counts["dropped_full"] == 0
    needed_s = 40 * pair.a.driver.info.airtime_s(120)
    assert pair.now - began - 2.0 < 1.25 * needed_s  # line and air after each other, never two frames in the TNC


def test_can_send_is_true_when_the_tnc_is_idle_and_only_then() -> None:
    pair = SimulatedPair(load_profile("kiss-1200"))
    pair.run(1.0)
    assert pair.a.driver.can_send(pair.now)
    pair.send("a", bytes(31))
    airtime_s = pair.a.driver.info.airtime_s(31)
    pair.run(0.9 * airtime_s)
    assert not pair.a.driver.can_send(pair.now)
    pair.run(0.3 * airtime_s)
    assert pair.a.driver.can_send(pair.now)
    assert pair.air.busy_s["a"] == pytest.approx(airtime_s)


def test_live_voice_of_480_ms_packets_fits_every_profile_but_dire_wolfs() -> None:
    for name, period_s in (("kiss-1200", 0.48), ("kiss-9600", 0.48), ("kiss-lora", 0.48), ("direwolf-1200", 0.96)):
        pair = SimulatedPair(load_profile(name))
        size = 35 if period_s == 0.48 else 53
        data = packets(30, size)
        for packet in data:
            assert pair.send("a", packet) is not None, name
            pair.run(period_s)
            assert pair.a.driver.waiting <= 1
        pair.run(2.0)
        assert heard(pair.b) == data


def test_a_frame_heard_meanwhile_says_that_ours_waited() -> None:
    pair = SimulatedPair(profile(air={"mtu_bytes": 1024}))
    pair.run(1.0)
    pair.send("b", bytes(900))
    pair.run(1.5)  # b's TNC is on the air for six seconds, and a's hears it
    first = pair.now
    data = packets(4)
    for packet in data:
        pair.send("a", packet)
    pair.run(60.0)
    assert heard(pair.b) == data
    assert tnc(pair.a).counts["dropped_full"] == 0
    times = [at for at, event in pair.a.events if isinstance(event, PacketSent)]
    assert times[0] > first + 0.4
    assert pair.air.counts["collided"] == 0


@pytest.mark.parametrize("checksum", ["none", "xor"])
@pytest.mark.parametrize("ackmode", [False, True])
def test_unplugged_while_sending_loses_nothing(ackmode: bool, checksum: str) -> None:
    pair = SimulatedPair(profile(ackmode=ackmode, checksum=checksum))
    pair.run(1.0)
    data = packets(4)
    for packet in data:
        assert pair.send("a", packet) is not None
    pair.run(0.02)  # half a frame is on the cable
    pair.unplug("a")
    assert pair.a.driver.status is ModemStatus.NO_PORT
    assert not pair.a.driver.can_send(pair.now)
    pair.run(5.0)
    assert sent(pair.a) == []
    pair.plug("a")
    pair.run(10.0)
    assert sent(pair.a) == [1, 2, 3, 4]
    assert [packet for packet in heard(pair.b) if packet in data] == data
    stumps = [packet for packet in heard(pair.b) if packet not in data]
    assert all(data[0].startswith(stump) for stump in stumps)
    assert len(stumps) == (0 if checksum == "xor" else 1)


def test_a_power_cut_with_ackmode_loses_nothing_and_parameters_come_again() -> None:
    pair = SimulatedPair(profile(ackmode=True))
    send_all(pair, "a", packets(1, seed=9))
    data = packets(3)
    for packet in data:
        pair.send("a", packet)
    pair.run(0.3)
    pair.power_cut("a")
    pair.run(9.0)
    assert any("acknowledges no more" in text for text in texts(pair.a))
    pair.run(20.0)
    assert heard(pair.b)[1:] == data
    assert sent(pair.a) == [1, 2, 3, 4]
    assert pair.a.driver.status is ModemStatus.READY
    assert tnc(pair.a)._parameters.persistence == 255


def test_a_tnc_that_stops_is_silent_and_comes_back() -> None:
    pair = SimulatedPair(profile(ackmode=True))
    send_all(pair, "a", packets(1, seed=9))
    tnc(pair.a).is_hung = True
    data = packets(2)
    for packet in data:
        pair.send("a", packet)
    pair.run(60.0)
    assert pair.a.driver.status is ModemStatus.SILENT
    assert not pair.a.driver.can_send(pair.now)
    assert pair.a.driver.metrics.snapshot()["modem.no_ack"] < 10
    tnc(pair.a).is_hung = False
    pair.run(60.0)
    assert pair.a.driver.status is ModemStatus.READY
    assert heard(pair.b)[1:] == data


def test_a_tnc_without_ackmode_is_paced_by_air_time_and_the_status_says_so() -> None:
    pair = SimulatedPair(profile(ackmode=True))
    tnc(pair.a).knows_ackmode = False
    data = packets(10)
    send_all(pair, "a", data)
    assert heard(pair.b) == data
    assert pair.a.driver.status is ModemStatus.READY
    assert "pacing by air time" in pair.a.driver.status_text
    assert pair.a.driver.metrics.snapshot()["modem.no_ackmode"] == 1


def test_parameters_are_written_again_after_a_minute_of_silence() -> None:
    pair = SimulatedPair(load_profile("kiss-1200"))
    pair.run(1.0)
    pair.power_cut("a")
    pair.run(70.0)
    assert tnc(pair.a)._parameters.persistence == 63
    send_all(pair, "a", packets(1))
    assert tnc(pair.a)._parameters.persistence == 255
    assert len(heard(pair.b)) == 1


def test_entering_and_leaving_kiss_mode() -> None:
    pair = SimulatedPair(profile(enter_kiss=["KISS ON", "RESTART"], exit_kiss=True))
    pair.power_cut("a")
    pair.power_cut("b")
    pair.unplug("a")
    pair.unplug("b")
    pair.run(2.0)
    pair.plug("a")
    pair.plug("b")
    assert pair.a.driver.status is ModemStatus.STARTING
    data = packets(3)
    send_all(pair, "a", data)
    assert heard(pair.b) == data
    pair.power_cut("a")  # it falls back to its command mode and says so
    pair.run(3.0)
    assert "the TNC has left KISS mode" in texts(pair.a)
    pair.run(8.0)
    again = packets(3, seed=4)
    send_all(pair, "a", again)
    assert heard(pair.b) == data + again
    pair.a.driver.shut_down(pair.now)
    assert Write(b"\xc0\xff\xc0") in pair.a.driver.take_output()


def test_own_frames_heard_again_are_counted_and_not_delivered() -> None:
    pair = SimulatedPair(load_profile("kiss-1200"))
    pair.run(1.0)
    data = packets(1)[0]
    pair.send("a", data)
    pair.run(1.0)
    for _ in range(2):  # the TNC's echo, and a digipeater's
        pair.inject("a", encode_kiss(KissFrame(0, KissCommand.DATA, data)))
    pair.run(1.0)
    assert heard(pair.a) == []
    assert pair.a.driver.metrics.snapshot()["modem.rx_own"] == 2
    pair.run(20.0)
    pair.inject("a", encode_kiss(KissFrame(0, KissCommand.DATA, data)))
    pair.run(1.0)
    assert heard(pair.a) == [data]


def test_with_ax25_others_frames_are_foreign_and_the_same_words_from_another_are_heard() -> None:
    pair = SimulatedPair(load_profile("direwolf-1200"))
    pair.run(1.0)
    pair.send("a", b"roger")
    pair.run(2.0)
    ours, other = CallSign("N0CALL"), CallSign("N0CALL", 2)
    for frame in (
        UiFrame(CallSign("CLARI"), ours, b"roger").to_bytes(),
        UiFrame(CallSign("CLARI"), other, b"roger").to_bytes(),
        UiFrame(CallSign("APRS"), other, b"!4903.50N/07201.75W-").to_bytes(),
        b"not AX.25 at all",
    ):
        pair.inject("a", encode_kiss(KissFrame(0, KissCommand.DATA, frame)))
    pair.run(1.0)
    assert heard(pair.a) == [b"roger"]
    counts = pair.a.driver.metrics.snapshot()
    assert (counts["modem.rx_own"], counts["modem.rx_foreign"]) == (1, 2)


@pytest.mark.parametrize("checksum", ["none", "smack", "xor"])
def test_floods_of_garbage_stop_nothing(checksum: str) -> None:
    pair = SimulatedPair(profile(checksum=checksum))
    rng = random.Random(5)
    pair.run(1.0)
    data = packets(10)
    for packet in data:
        pair.inject("a", rng.randbytes(300))
        pair.inject("b", rng.randbytes(300) + b"\xc0")
        pair.send("a", packet)
        pair.run(2.0)
    pair.run(10.0)
    assert [packet for packet in heard(pair.b) if packet in data] == data
    assert sent(pair.a) == list(range(1, 11))
    assert pair.a.driver.status is ModemStatus.READY


def test_half_a_frame_then_silence_costs_that_frame_only() -> None:
    pair = SimulatedPair(load_profile("kiss-1200"))
    pair.run(1.0)
    pair.inject("b", b"\xc0\x00half a fr")
    pair.run(30.0)
    data = packets(2)
    send_all(pair, "a", data)
    assert heard(pair.b)[-2:] == data


def test_other_ports_and_commands_are_counted() -> None:
    pair = SimulatedPair(load_profile("kiss-1200"))
    pair.run(1.0)
    for frame in (KissFrame(1, 0, b"x"), KissFrame(0, 6, b"TNC"), KissFrame(0, 12, b"\0\1")):
        pair.inject("a", encode_kiss(frame))
    pair.run(1.0)
    counts = pair.a.driver.metrics.snapshot()
    assert (counts["modem.rx_other_port"], counts["modem.rx_other_command"]) == (1, 2)
    assert heard(pair.a) == []


def test_what_is_written_at_open_and_after_silence() -> None:
    driver = KissDriver(profile(tx_tail_ms=None, set_hardware="0bff", tnc_port=2))
    driver.port_opened(0.0)
    line = b"".join(output.data for output in driver.take_output() if isinstance(output, Write))
    assert line == bytes.fromhex("c0c0 c0210fc0 c022ffc0 c02301c0 c02500c0 c0260bffc0")
    driver.send(b"abc", 1.0)
    assert driver.take_output() == [Write(b"\xc0\x20abc\xc0")]
    driver.written(100, 1.0)
    driver.tick(2.0)
    driver.send(b"abc", 8.0)
    assert driver.take_output()[:2] == [Write(b"\xc0"), Write(b"\xc0\x20abc\xc0")]


def test_shut_down_tells_what_was_lost() -> None:
    pair = SimulatedPair(load_profile("kiss-1200"))
    pair.run(1.0)
    for packet in packets(3):
        pair.send("a", packet)
    pair.a.driver.shut_down(pair.now)
    assert [event.number for event in pair.a.driver.take_events() if isinstance(event, PacketLost)] == [1, 2, 3]
    assert pair.a.driver.send(b"x", pair.now) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tx_delay_ms": 155}, "tx_delay_ms"),
        ({"persistance": 3}, "persistance"),
        ({"checksum": "crc"}, "checksum"),
        ({"checksum": "smack", "ackmode": True}, "SMACK has no checksum"),
        ({"checksum": "smack", "tnc_port": 8}, "ports 0 to 7"),
        ({"set_hardware": "abc"}, "set_hardware"),
        ({"ax25": {"source": "n0call"}}, "no call sign"),
        ({"ax25": {"source": "N0CALL"}}, "overhead_bytes is 4"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        KissDriver(profile(**changes))
    assert "kiss-1200" in str(error.value)


def test_kiss_needs_a_line_for_all_bytes() -> None:
    base = load_profile("kiss-1200")
    port = base.port.model_copy(update={"flow": "xon-xoff"})
    with pytest.raises(ConfigError, match="xon-xoff"):
        KissDriver(base.model_copy(update={"port": port}))


def test_the_registry_has_it() -> None:
    assert find_kind("kiss").name == "kiss"
