"""Which modem kinds there are: ours by name, others through entry points of the group `clarilink.modems`.

An entry point names a `ModemKind`: `my-modem = "my_package.my_modem:MODEM"`. Ours are listed here, so that a source
tree works without being installed; an installed package cannot take one of their names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from random import Random
from typing import Protocol, TypeVar

from firmware_bridge.driver import ModemDriver
from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import VirtualModem
from gateway.config import StrictModel, model_of
from gateway.errors import ConfigError
from gateway.metrics import Metrics

GROUP = "clarilink.modems"

_OURS = {
    "transparent": "firmware_bridge.drivers.transparent:MODEM",
    "kiss": "firmware_bridge.drivers.kiss:MODEM",
    "iridium-call": "firmware_bridge.drivers.iridium_call:MODEM",
    "iridium-sbd": "firmware_bridge.drivers.iridium_sbd:MODEM",
    "evologics": "firmware_bridge.drivers.evologics:MODEM",
    "micromodem": "firmware_bridge.drivers.micromodem:MODEM",
    "benthos": "firmware_bridge.drivers.benthos:MODEM",
    "popoto": "firmware_bridge.drivers.popoto:MODEM",
    "firmware": "firmware_bridge.drivers.firmware:MODEM",
}

S = TypeVar("S", bound=StrictModel)


class MakeDriver(Protocol):
    """Builds a driver; `rng` is for back-off and the like."""

    def __call__(self, profile: ModemProfile, metrics: Metrics, rng: Random) -> ModemDriver: ...


@dataclass(frozen=True, slots=True)
class ModemKind:
    """A driver and what goes with it: `settings` checks a profile's [settings], `virtual` makes the modem itself."""

    name: str
    settings: type[StrictModel]
    driver: MakeDriver
    virtual: Callable[[ModemProfile, str, Random], VirtualModem] | None = None
    """(profile, name of this modem among others, rng for its moods)."""


def kind_names() -> list[str]:
    """All names that a profile's `driver` may have."""
    return sorted({*_OURS, *(point.name for point in entry_points(group=GROUP))})


def find_kind(name: str) -> ModemKind:
    """The kind of a name. Raises ConfigError with the names there are, or for an entry point that is not a kind."""
    if name in _OURS:
        target = _OURS[name]
        module, _, attribute = target.partition(":")
        found = getattr(import_module(module), attribute)
    else:
        points = list(entry_points(group=GROUP, name=name))
        if not points:
            raise ConfigError(f"no modem driver {name!r}; there are: {', '.join(kind_names())}")
        target = points[0].value
        try:
            found = points[0].load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"modem driver {name!r} ({target}) cannot be loaded: {error}") from error
    if not isinstance(found, ModemKind):
        raise ConfigError(f"modem driver {name!r}: {target} is not a ModemKind")
    return found


def settings_of(profile: ModemProfile, model: type[S]) -> S:
    """The profile's [settings] as the driver's own model. Raises ConfigError naming profile and key."""
    return model_of(profile.settings, model, f"modem profile {profile.name}: settings")


def build_driver(profile: ModemProfile, metrics: Metrics, rng: Random) -> ModemDriver:
    """The driver that a profile names. Raises ConfigError for an unknown one or wrong settings."""
    return find_kind(profile.driver).driver(profile, metrics, rng)
