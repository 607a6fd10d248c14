"""What every modem driver must do, with its virtual modem in simulated time: one suite for all profiles we ship, and
for a driver that comes from another package.

Parametrised over the profiles whose drivers are there; a kind that is listed and has no module fails in CI.
"""

from __future__ import annotations

import importlib.util
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import registry
from firmware_bridge.driver import PacketSent
from firmware_bridge.profile import AirSection, ModemProfile, PortSection, load_profile, profile_names
from firmware_bridge.sim import simulated
from firmware_bridge.sim.simulated import SimulatedPair
from tests.bridge.entry_point import write_package
from tests.bridge.modems import (
    echoing,
    ended,
    heard,
    is_ready,
    lost,
    muted,
    noisy,
    ready_pair,
    send_all,
    sent,
    wait_for,
)

KINDS = {name: target.partition(":")[0] for name, target in registry._OURS.items()}
PRESENT = {name for name, module in KINDS.items() if importlib.util.find_spec(module) is not None}
FROM_OUTSIDE = "one from outside"
OUTSIDER = ModemProfile(
    name="outsider",
    driver="conformance-template",
    port=PortSection(baud=9600),
    air=AirSection(mtu_bytes=64, rate_bps=1200, fixed_ms=100, turnaround_ms=20, has_integrity=True),
    settings={"address": 9},
)


def shipped() -> list[str]:
    """Profiles of the drivers that are there; read without the drivers' own models."""
    return [name for name in profile_names() if load_profile(name).driver in PRESENT]


@pytest.fixture(scope="module", autouse=True)
def outside_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder: Path = tmp_path_factory.mktemp("site")
    source = (
        "from dataclasses import replace\nfrom firmware_bridge.drivers.template import MODEM as OURS\n"
        "MODEM = replace(OURS, name='conformance-template')\n"
    )
    write_package(folder, "conformance_modem", source, {"conformance-template": "conformance_modem:MODEM"})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield


@pytest.fixture(params=[*shipped(), FROM_OUTSIDE])
def profile(request: pytest.FixtureRequest) -> ModemProfile:
    return OUTSIDER if request.param == FROM_OUTSIDE else load_profile(request.param)


def packet(profile: ModemProfile, number: int, size: int = 20) -> bytes:
    """Recognisable, of no special form, at most the MTU long."""
    return random.Random(number).randbytes(min(size, profile.air.mtu_bytes))


def all_ended(pair: SimulatedPair, name: str, numbers: list[int]) -> bool:
    return set(ended(pair.sides[name])) >= set(numbers)


def check_one_end_each(pair: SimulatedPair, name: str, numbers: list[int]) -> None:
    """Each accepted packet ended once, and all in the order in which they were accepted."""
    assert ended(pair.sides[name]) == numbers
    assert lost(pair.sides[name]) == []


def test_all_kinds_are_there() -> None:
    """Drivers may be built side by side: outside CI one may be missing still."""
    assert set(KINDS) >= PRESENT > set()
    assert set(KINDS) == PRESENT or not os.environ.get("CI")


def test_every_kind_that_is_there_has_a_profile() -> None:
    assert {load_profile(name).driver for name in shipped()} == PRESENT


def test_packets_cross_both_ways_whole_and_in_order(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    there = [packet(profile, number, size) for number, size in enumerate((1, 20, 7, 35, 20))]
    back = [packet(profile, 100 + number, size) for number, size in enumerate((20, 2, 33))]
    for name, other, packets in (("a", "b", there), ("b", "a", back)):
        numbers = send_all(pair, name, packets)
        wait_for(pair, lambda other=other, packets=packets: len(heard(pair.sides[other])) >= len(packets))
        assert heard(pair.sides[other]) == packets
        wait_for(pair, lambda name=name, numbers=numbers: all_ended(pair, name, numbers))
        check_one_end_each(pair, name, numbers)
        assert pair.sides[name].driver.waiting == 0


def test_the_longest_packet_and_every_byte_value(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    mtu = profile.air.mtu_bytes
    values = bytes(range(256))
    pieces = [values[at : at + mtu] for at in range(0, 256, mtu)]
    packets = [*pieces, packet(profile, 1, mtu), b"\xc0" * min(mtu, 16), b"\0" * min(mtu, 16), b"+++"]
    send_all(pair, "a", packets)
    wait_for(pair, lambda: len(heard(pair.b)) >= len(packets))
    assert heard(pair.b) == packets


def test_what_comes_byte_by_byte_is_the_same(profile: ModemProfile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "PIECE_BYTES", 1)
    pair = ready_pair(profile)
    packets = [packet(profile, 1), packet(profile, 2, 33)]
    send_all(pair, "a", packets)
    wait_for(pair, lambda: len(heard(pair.b)) >= 2)
    assert heard(pair.b) == packets


def test_a_full_queue_refuses_and_what_was_accepted_leaves(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    numbers: list[int] = []
    for number in range(profile.air.queue_packets + 300):
        accepted = pair.send("a", packet(profile, number))
        if accepted is None:
            break
        numbers.append(accepted)
    else:
        pytest.fail("a queue without end")
    assert len(numbers) >= profile.air.queue_packets
    assert pair.a.driver.waiting <= profile.air.queue_packets
    assert not pair.a.driver.can_send(pair.now)
    wait_for(pair, lambda: all_ended(pair, "a", numbers))
    check_one_end_each(pair, "a", numbers)
    assert pair.send("a", packet(profile, 1)) is not None


def test_packets_given_before_the_port_is_there_are_sent_when_it_is(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    pair.unplug("a")
    assert pair.a.driver.status_text == "unplugged"
    numbers = [pair.send("a", packet(profile, 1))]
    assert numbers != [None]
    pair.run(20)
    assert ended(pair.a) == []
    pair.plug("a")
    wait_for(pair, lambda: packet(profile, 1) in heard(pair.b))
    wait_for(pair, lambda: ended(pair.a) == numbers)


@pytest.mark.parametrize("after", [0.0, 0.3, 0.9])
def test_unplugged_while_sending_and_plugged_again(profile: ModemProfile, after: float) -> None:
    """`after`: when the plug is pulled, in air times of a packet."""
    pair = ready_pair(profile)
    packets = [packet(profile, number, 30) for number in range(3)]
    numbers = [pair.send("a", one) for one in packets]
    pair.run(max(0.01, after * profile.link_info().airtime_s(30)))
    pair.unplug("a")
    pair.run(10)
    pair.plug("a")
    wait_for(pair, lambda: all_ended(pair, "a", [number for number in numbers if number is not None]))
    check_one_end_each(pair, "a", [number for number in numbers if number is not None])
    wait_for(pair, lambda: set(packets) <= set(heard(pair.b)))


def test_a_power_cut_in_the_middle_of_a_packet(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    numbers = [pair.send("a", packet(profile, number, 30)) for number in range(2)]
    pair.run(0.4 * profile.link_info().airtime_s(30) + 0.05)
    pair.power_cut("a")
    wait_for(pair, lambda: all_ended(pair, "a", [number for number in numbers if number is not None]))
    check_one_end_each(pair, "a", [number for number in numbers if number is not None])
    wait_for(pair, lambda: is_ready(pair.a) and is_ready(pair.b))
    send_until_heard(pair, profile, "a", "b", 7)
    send_until_heard(pair, profile, "b", "a", 8)


def send_until_heard(pair: SimulatedPair, profile: ModemProfile, name: str, other: str, number: int) -> None:
    """New packets until one is heard: a modem that just restarted may lose the first."""
    end = pair.now + 4000
    turn = 0
    while pair.now < end:
        turn += 1
        one = packet(profile, 1000 * number + turn, 24)
        if pair.send(name, one) is None:
            pair.run(5)
            continue
        before = pair.now
        while pair.now < before + 240:
            pair.run(2)
            if one in heard(pair.sides[other]):
                return
    pytest.fail(f"nothing gets through from {name} to {other}: {pair.sides[name].driver.status_text}")


def test_an_idle_modem_loses_its_power(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    pair.power_cut("a")
    pair.run(60)
    send_until_heard(pair, profile, "a", "b", 1)
    send_until_heard(pair, profile, "b", "a", 2)
    assert ended(pair.a) == sorted(ended(pair.a))


def test_a_modem_that_stops_answering_and_comes_back(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    with muted(pair.a):
        numbers = [pair.send("a", packet(profile, 1))]
        pair.run(120)
    wait_for(pair, lambda: all_ended(pair, "a", [number for number in numbers if number is not None]))
    assert ended(pair.a) == numbers
    wait_for(pair, lambda: is_ready(pair.a) and is_ready(pair.b))
    send_until_heard(pair, profile, "a", "b", 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_floods_of_garbage(profile: ModemProfile, seed: int) -> None:
    pair = ready_pair(profile)
    noise = random.Random(seed)
    for _ in range(5):
        pair.inject("b", noise.randbytes(700))
        pair.run(1)
    pair.inject("a", bytes(noise.choices(b'\r\n$*,+{}[]":>| OKCNETA\xc0\xdb\x000123', k=3000)))
    pair.run(30)
    wait_for(pair, lambda: is_ready(pair.a) and is_ready(pair.b))
    send_until_heard(pair, profile, "a", "b", 1)
    send_until_heard(pair, profile, "b", "a", 2)


@pytest.mark.parametrize(("share", "seed"), [(0.01, 1), (0.1, 2), (0.1, 5), (0.3, 8)])
def test_a_bad_cable_at_both_ends(profile: ModemProfile, share: float, seed: int) -> None:
    """Commands and replies arrive damaged, so that modem and driver each believe what the other did not say: whatever
    state that leaves them in, they find back, and each packet has ended once."""
    pair, rng = ready_pair(profile), random.Random(seed)
    numbers: dict[str, list[int]] = {"a": [], "b": []}
    with noisy(pair, share, rng):
        for turn in range(25):
            for name in "ab":
                number = pair.send(name, packet(profile, turn, 24)) if rng.random() < 0.6 else None
                numbers[name] += [] if number is None else [number]
            pair.run(rng.uniform(0.1, 8.0))
    for name in "ab":
        wait_for(pair, lambda name=name: all_ended(pair, name, numbers[name]))
        assert ended(pair.sides[name]) == numbers[name]
    wait_for(pair, lambda: is_ready(pair.a) and is_ready(pair.b))
    send_until_heard(pair, profile, "a", "b", 1)
    send_until_heard(pair, profile, "b", "a", 2)


def test_half_a_message_and_then_silence(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    said = bytearray()
    say = pair.b.modem.take_host

    def listen_in() -> bytes:
        data = say()
        said.extend(data)
        return data

    pair.b.modem.take_host = listen_in  # type: ignore[method-assign]
    pair.send("a", packet(profile, 1, 30))
    wait_for(pair, lambda: bool(heard(pair.b)))
    pair.inject("b", bytes(said[: len(said) // 2]))
    pair.run(60)
    wait_for(pair, lambda: is_ready(pair.b))
    send_until_heard(pair, profile, "a", "b", 1)


def test_a_line_that_echoes(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    with echoing(pair.a):
        number = pair.send("a", packet(profile, 1))
        wait_for(pair, lambda: packet(profile, 1) in heard(pair.b))
        wait_for(pair, lambda: ended(pair.a) == [number])
    assert [event for _, event in pair.a.events if isinstance(event, PacketSent)] == [PacketSent(number or 0)]


def test_shut_down_ends_everything(profile: ModemProfile) -> None:
    pair = ready_pair(profile)
    numbers = [pair.send("a", packet(profile, number)) for number in range(2)]
    pair.a.driver.shut_down(pair.now)
    pair.run(30)
    assert sorted(ended(pair.a)) == [number for number in numbers if number is not None]
    assert pair.send("a", packet(profile, 3)) is None
    assert not is_ready(pair.a)
    assert sent(pair.b) == []
