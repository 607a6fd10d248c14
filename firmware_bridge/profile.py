"""Modem profiles: what is known of a modem before it is plugged in (configs/modem/*.toml).

Rule: values only. The driver's own settings are checked by the driver's model, so that a profile names its wrong key
as every configuration file does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from gateway.airtimes import check_airtimes
from gateway.config import Name, StrictModel, load_toml
from gateway.errors import ConfigError
from gateway.links.base import LinkInfo
from gateway.packaged import packaged_folders
from gateway.ptt_config import KeyingSection


class PortSection(StrictModel):
    """The line between host and modem; a TCP port has no use for it."""

    baud: int = Field(default=9600, ge=50, le=4_000_000)
    data_bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    flow: Literal["none", "rts-cts", "xon-xoff"] = "none"

    @property
    def bits_per_byte(self) -> int:
        """Bits on the line for one byte, start bit included."""
        return 1 + self.data_bits + (self.parity != "none") + self.stop_bits


class AirSection(StrictModel):
    """The modem's channel. A packet of n bytes takes `fixed_ms` + (n + `overhead_bytes`) * 8 / `rate_bps`.

    `airtimes_ms`: measured (bytes, ms) that take the place of that sum; it stays as a rule of thumb for who knows no
    table. `turnaround_ms`: key-up of a silent transmitter; `delay_ms`: travel and what waits in modems, one way;
    `queue_packets`: how many packets a driver holds before it refuses more.
    """

    mtu_bytes: int = Field(ge=8, le=4096)
    rate_bps: float | None = Field(default=None, ge=1, le=1e9)
    overhead_bytes: int = Field(default=0, ge=0)
    fixed_ms: float = Field(default=0.0, ge=0)
    turnaround_ms: float = Field(default=0.0, ge=0)
    delay_ms: float = Field(default=0.0, ge=0)
    half_duplex: bool = True
    has_integrity: bool = False
    queue_packets: int = Field(default=4, ge=1, le=256)
    airtimes_ms: tuple[tuple[int, float], ...] = ()

    @field_validator("airtimes_ms")
    @classmethod
    def _ascending(cls, value: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
        check_airtimes(value)
        return value


class ModemProfile(StrictModel):
    """One modem: its `driver` (a name that `firmware_bridge.registry` knows), line, channel, and driver settings.

    `keying` is for modems that do not key their transmitter themselves, where the station or bridge says nothing else.
    """

    name: Name
    description: str = ""
    driver: Name
    port: PortSection = PortSection()
    air: AirSection
    keying: KeyingSection | None = None
    settings: dict[str, Any] = Field(default_factory=dict)

    def link_info(self) -> LinkInfo:
        """The link this modem makes, before it has told anything itself."""
        air = self.air
        return LinkInfo(
            f"modem:{self.name}",
            air.mtu_bytes,
            air.rate_bps,
            air.half_duplex,
            air.turnaround_ms / 1000,
            air.has_integrity,
            air.overhead_bytes,
            fixed_s=air.fixed_ms / 1000,
            delay_s=air.delay_ms / 1000,
            airtimes_ms=air.airtimes_ms,
        )


def profile_folder() -> Path:
    """Where the packaged profiles lie: beside the source, or where an installation put them."""
    return packaged_folders("modem")[0]


def profile_names() -> list[str]:
    """Names of the packaged profiles."""
    return sorted(path.stem for path in profile_folder().glob("*.toml"))


def load_profile(source: str | Path) -> ModemProfile:
    """A packaged profile by name, or the profile in a TOML file (anything with a suffix or a slash is a path).

    Raises ConfigError naming the file and key, or the profiles there are.
    """
    if isinstance(source, Path) or "/" in source or source.endswith(".toml"):
        return load_toml(Path(source), ModemProfile)
    path = profile_folder() / f"{source}.toml"
    if not path.is_file():
        raise ConfigError(f"no modem profile {source!r}; there are: {', '.join(profile_names()) or 'none'}")
    return load_toml(path, ModemProfile)
