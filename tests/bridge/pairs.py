"""Two modems in simulated time: what tests of the satellite and EvoLogics drivers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firmware_bridge.driver import ModemEvent, ModemStatus, PacketHeard, PacketLost, PacketSent, StatusChanged
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.sim.simulated import Side, SimulatedPair

PATIENCE_S = 3600.0


def until(pair: SimulatedPair, done: Callable[[], bool], patience_s: float = PATIENCE_S, step_s: float = 0.25) -> None:
    """Let time pass until `done`; fails when patience is over."""
    end_s = pair.now + patience_s
    while not done():
        assert pair.now < end_s, [(side.name, side.driver.status_text, side.events[-5:]) for side in both(pair)]
        pair.run(step_s)


def both(pair: SimulatedPair) -> list[Side]:
    return list(pair.sides.values())


def is_ready(side: Side) -> bool:
    return side.driver.status is ModemStatus.READY


def all_ready(pair: SimulatedPair) -> bool:
    return all(is_ready(side) for side in both(pair))


def of_kind(side: Side, kind: type[ModemEvent]) -> list[Any]:
    return [event for _, event in side.events if isinstance(event, kind)]


def heard(side: Side) -> list[bytes]:
    return [event.data for event in of_kind(side, PacketHeard)]


def sent(side: Side) -> list[int]:
    return [event.number for event in of_kind(side, PacketSent)]


def lost(side: Side) -> list[str]:
    return [event.reason for event in of_kind(side, PacketLost)]


def texts(side: Side) -> list[str]:
    """Everything that operators could read, in order."""
    return [event.text for event in of_kind(side, StatusChanged)]


def unique(packets: list[bytes]) -> list[bytes]:
    """In the order of the first copies."""
    return list(dict.fromkeys(packets))


def profile_of(name: str, **settings: Any) -> ModemProfile:
    """A shipped profile with other settings; those of `virtual` are joined with its own."""
    profile = load_profile(name)
    virtual = {**profile.settings.get("virtual", {}), **settings.pop("virtual", {})}
    return profile.model_copy(update={"settings": {**profile.settings, **settings, "virtual": virtual}})
