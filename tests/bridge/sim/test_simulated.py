"""A pair in simulated time: cables at their rate, ports that vanish, the same run for the same seed."""

from __future__ import annotations

import pytest

from firmware_bridge import registry
from firmware_bridge.driver import ModemStatus, PacketHeard, PacketSent, StatusChanged
from firmware_bridge.registry import ModemKind
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.channel.impairments import ChannelSpec
from gateway.errors import ConfigError
from tests.bridge.toy_modem import MODEM, ToyDriver, ToySettings, toy_profile


@pytest.fixture(autouse=True)
def toy_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._OURS, "toy", f"{MODEM.driver.__module__}:MODEM")


def heard(pair: SimulatedPair, name: str) -> list[tuple[float, bytes]]:
    return [(at, event.data) for at, event in pair.sides[name].events if isinstance(event, PacketHeard)]


def test_a_packet_takes_both_cables_key_up_air_and_travel() -> None:
    pair = SimulatedPair(toy_profile(1200))
    pair.run(1.0)
    assert pair.a.driver.status is pair.b.driver.status is ModemStatus.READY
    assert pair.send("a", b"hello") == 1
    pair.run(5.0)
    ((at, data),) = heard(pair, "b")
    assert data == b"hello"
    assert at == pytest.approx(1.0 + 2 * 6 / 120 + 0.02 + 0.05 + 40 / 2400 + 0.1, abs=1e-3)
    assert [event for _, event in pair.a.events if isinstance(event, PacketSent)] == [PacketSent(1)]


def test_the_cable_is_no_faster_than_its_baud_rate() -> None:
    pair = SimulatedPair(toy_profile(300))
    pair.inject("a", b"\x3c" + bytes(60))
    pair.run(2.0)
    assert heard(pair, "a") == []
    pair.run(0.1)
    assert [data for _, data in heard(pair, "a")] == [bytes(60)]


def test_unplugged_loses_what_is_on_the_cable_and_tells_the_driver() -> None:
    pair = SimulatedPair(toy_profile(1200))
    pair.run(1.0)
    pair.send("a", b"first")
    pair.run(0.02)
    pair.unplug("a", "pulled out")
    assert pair.a.events[-1][1] == StatusChanged(ModemStatus.NO_PORT, "pulled out")
    pair.run(5.0)
    assert heard(pair, "b") == []
    pair.plug("a")
    pair.run(10.0)
    assert [data for _, data in heard(pair, "b")] == [b"first"]  # accepted, so sent again


def test_nothing_is_said_into_an_unplugged_cable() -> None:
    pair = SimulatedPair(toy_profile())
    pair.run(1.0)
    pair.unplug("b")
    pair.send("a", b"lost on b")
    pair.run(5.0)
    pair.plug("b")
    pair.run(5.0)
    assert heard(pair, "b") == []


def test_a_power_cut_ends_the_frame_on_the_air() -> None:
    pair = SimulatedPair(toy_profile(115_200, fixed_ms=2000.0))
    pair.run(1.0)
    pair.send("a", b"doomed")
    pair.run(1.0)
    assert pair.air.is_sending("a")
    pair.power_cut("a")
    assert not pair.air.is_sending("a")
    assert pair.a.modem.boots == 2  # type: ignore[attr-defined]
    pair.run(10.0)
    assert heard(pair, "b") == []


def run(seed: int) -> list[object]:
    pair = SimulatedPair(toy_profile(), ChannelSpec("lossy", loss=0.4), seed)
    pair.run(1.0)
    for index in range(30):
        pair.send("ab"[index % 2], bytes((index,) * 5))
        pair.run(0.4)
    pair.run(10.0)
    return [*pair.a.events, "|", *pair.b.events]


def test_the_same_seed_gives_the_same_run_to_the_microsecond() -> None:
    assert run(7) == run(7)
    assert run(7) != run(8)


def test_time_goes_on_from_where_it_began() -> None:
    pair = SimulatedPair(toy_profile(), now=1e6)
    pair.run_until(1e6 + 2)
    assert pair.now == 1e6 + 2
    assert all(at >= 1e6 for at, _ in pair.a.events)


def test_a_driver_that_asks_for_the_past_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyDriver, "next_deadline", lambda self: 0.0)
    monkeypatch.setattr("firmware_bridge.sim.simulated.MAX_TURNS", 50)
    pair = SimulatedPair(toy_profile())
    with pytest.raises(RuntimeError, match="a time that has passed"):
        pair.run(1.0)


def test_a_kind_without_a_virtual_modem_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "firmware_bridge.sim.simulated.find_kind", lambda name: ModemKind("bare", ToySettings, ToyDriver)
    )
    with pytest.raises(ConfigError, match="'bare' has no virtual modem"):
        SimulatedPair(toy_profile())
