"""Two modems in simulated time: what the tests of drivers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard, PacketLost, PacketSent, StatusChanged
from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.simulated import Side, SimulatedPair

PATIENCE_S = 3600.0
"""Simulated: a satellite message may take minutes, a boot with redialling too."""


def wait_for(pair: SimulatedPair, condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Let time pass until the condition holds; fails when patience is over."""
    end = pair.now + patience_s
    step_s = 0.25
    while not condition():
        assert pair.now < end, f"nothing came of it in {patience_s} s: {[side.events for side in pair.sides.values()]}"
        pair.run(step_s)
        step_s = min(5.0, step_s * 1.1)


def is_ready(side: Side) -> bool:
    return side.driver.status is ModemStatus.READY


def ready_pair(profile: ModemProfile, seed: int = 0) -> SimulatedPair:
    pair = SimulatedPair(profile, seed=seed)
    wait_for(pair, lambda: all(is_ready(side) for side in pair.sides.values()))
    return pair


def heard(side: Side) -> list[bytes]:
    return [event.data for _, event in side.events if isinstance(event, PacketHeard)]


def sent(side: Side) -> list[int]:
    return [event.number for _, event in side.events if isinstance(event, PacketSent)]


def lost(side: Side) -> list[PacketLost]:
    return [event for _, event in side.events if isinstance(event, PacketLost)]


def ended(side: Side) -> list[int]:
    """Numbers of the packets that ended, in either way, in order."""
    return [event.number for _, event in side.events if isinstance(event, PacketSent | PacketLost)]


def statuses(side: Side) -> list[tuple[ModemStatus, str]]:
    return [(event.status, event.text) for _, event in side.events if isinstance(event, StatusChanged)]


def measured(side: Side) -> dict[str, float]:
    """The last value of each figure."""
    return {event.name: event.value for _, event in side.events if isinstance(event, Measured)}


def send_all(pair: SimulatedPair, name: str, packets: list[bytes]) -> list[int]:
    """Hand the packets over, each as soon as there is room; their numbers."""
    numbers: list[int] = []

    def try_send(packet: bytes) -> bool:
        number = pair.send(name, packet)
        if number is not None:
            numbers.append(number)
        return number is not None

    for packet in packets:
        wait_for(pair, lambda packet=packet: try_send(packet))  # type: ignore[misc]
    return numbers


@contextmanager
def muted(side: Side) -> Iterator[None]:
    """The modem neither hears its host nor says anything."""
    hear, say = side.modem.from_host, side.modem.take_host

    def say_nothing() -> bytes:
        say()
        return b""

    side.modem.from_host = lambda data, now: None  # type: ignore[method-assign]
    side.modem.take_host = say_nothing  # type: ignore[method-assign]
    try:
        yield
    finally:
        side.modem.from_host, side.modem.take_host = hear, say  # type: ignore[method-assign]


@contextmanager
def echoing(side: Side) -> Iterator[None]:
    """Everything the host writes comes back, as on a cable whose other end echoes."""
    hear = side.modem.from_host

    def hear_and_echo(data: bytes, now: float) -> None:
        side.to_host.put(data, now)
        hear(data, now)

    side.modem.from_host = hear_and_echo  # type: ignore[method-assign]
    try:
        yield
    finally:
        side.modem.from_host = hear  # type: ignore[method-assign]


@contextmanager
def noisy(pair: SimulatedPair, share: float, rng: Random) -> Iterator[None]:
    """Cables that lose, double, change or add so great a share of the bytes, in both directions at both ends."""

    def spoil(data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if rng.random() >= share:
                out.append(byte)
                continue
            changed = byte ^ 1 << rng.randrange(8)
            out += rng.choice((b"", bytes((byte, byte)), bytes((changed,)), bytes((byte, rng.randrange(256)))))
        return bytes(out)

    with ExitStack() as stack:
        for side in pair.sides.values():
            for owner, name in ((side.modem, "from_host"), (side.driver, "receive_data")):
                take = getattr(owner, name)
                setattr(owner, name, lambda data, now, take=take: take(spoil(data), now))
                stack.callback(setattr, owner, name, take)
        yield
