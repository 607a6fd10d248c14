"""[settings] of a KISS TNC's profile, for the driver and the virtual TNC.

Rule: values only; what does not fit together is a ConfigError that names profile and key.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from firmware_bridge.framing.ax25 import UI_HEADER_BYTES, CallSign
from firmware_bridge.framing.kiss import SMACK_MAX_PORT, Checksum, KissCommand, KissFrame
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import settings_of
from gateway.config import StrictModel
from gateway.errors import ConfigError


def _tens(value: int) -> int:
    if value % 10:
        raise ValueError("KISS counts in steps of 10 ms")
    return value


def _call_sign(value: str) -> str:
    CallSign.parse(value)
    return value


TensOfMs = Annotated[int, Field(ge=0, le=2550), AfterValidator(_tens)]
CallSignText = Annotated[str, AfterValidator(_call_sign)]


class Ax25Settings(StrictModel):
    """Each packet goes out as an AX.25 UI frame from `source` to `destination`; others' frames are not ours to hear.
    `source` is the station's own call sign."""

    source: CallSignText
    destination: CallSignText = "CLARI"


class KissSettings(StrictModel):
    """A TNC's parameters (None: as the TNC has it) and how to speak to it.

    `enter_kiss`: lines that bring a TNC into KISS mode, such as "KISS ON", "RESTART"; `set_hardware`: bytes for the
    SETHARDWARE command, in hexadecimal digits; `exit_kiss`: leave KISS mode at shut-down; `ack_timeout_ms`: beyond the
    air time.
    """

    tnc_port: int = Field(default=0, ge=0, le=15)
    tx_delay_ms: TensOfMs | None = None
    persistence: int | None = Field(default=None, ge=0, le=255)
    slot_time_ms: TensOfMs | None = None
    tx_tail_ms: TensOfMs | None = None
    full_duplex: bool | None = None
    set_hardware: str = Field(default="", pattern=r"^([0-9a-fA-F]{2})*$")
    checksum: Checksum = Checksum.NONE
    ackmode: bool = False
    ack_timeout_ms: int = Field(default=5000, ge=100, le=120_000)
    enter_kiss: tuple[str, ...] = ()
    exit_kiss: bool = False
    ax25: Ax25Settings | None = None

    @model_validator(mode="after")
    def _fits(self) -> KissSettings:
        if self.checksum is Checksum.SMACK and self.ackmode:
            raise ValueError("SMACK has no checksum for ACKMODE's frames: use checksum = 'xor' with ackmode")
        if self.checksum is Checksum.SMACK and self.tnc_port > SMACK_MAX_PORT:
            raise ValueError(f"SMACK has ports 0 to {SMACK_MAX_PORT}")
        return self

    def parameters(self) -> list[KissFrame]:
        """The command frames that set the TNC up."""
        tens = {
            KissCommand.TX_DELAY: self.tx_delay_ms,
            KissCommand.SLOT_TIME: self.slot_time_ms,
            KissCommand.TX_TAIL: self.tx_tail_ms,
        }
        values: dict[KissCommand, int | None] = {kind: ms if ms is None else ms // 10 for kind, ms in tens.items()}
        values[KissCommand.PERSISTENCE] = self.persistence
        values[KissCommand.FULL_DUPLEX] = self.full_duplex
        frames = [
            KissFrame(self.tnc_port, kind, bytes((value,)))
            for kind, value in sorted(values.items())
            if value is not None
        ]
        hardware = bytes.fromhex(self.set_hardware)
        return frames + ([KissFrame(self.tnc_port, KissCommand.SET_HARDWARE, hardware)] if hardware else [])


def kiss_settings(profile: ModemProfile) -> KissSettings:
    """The profile's settings, checked against its air figures. Raises ConfigError."""
    settings = settings_of(profile, KissSettings)
    if profile.port.data_bits != 8 or profile.port.flow == "xon-xoff":
        raise ConfigError(
            f"modem profile {profile.name}: port: KISS frames are binary, and need data_bits = 8 and a flow other than"
            " xon-xoff"
        )
    if settings.ax25 is not None and profile.air.overhead_bytes < UI_HEADER_BYTES:
        raise ConfigError(
            f"modem profile {profile.name}: air.overhead_bytes is {profile.air.overhead_bytes}, but the AX.25 header"
            f" of settings.ax25 alone has {UI_HEADER_BYTES}"
        )
    return settings
