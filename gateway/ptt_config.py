"""Configuration of push-to-talk: where the operator's key comes from ([ptt]), how a transmitter is keyed ([keying]).

Rule: values and their limits only; what is done with them: gateway.session, firmware_bridge.ptt.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from gateway.config_file import StrictModel

SerialAddress = Annotated[str, Field(pattern=r"^(/\S+|(tcp|rfc2217)://[^\s/:]+:\d{1,5})$")]
"""`/dev/...`, `tcp://HOST:PORT` or `rfc2217://HOST:PORT`."""

LineAddress = Annotated[str, Field(pattern=r"^(/\S+|rfc2217://[^\s/:]+:\d{1,5})$")]
"""A port that has control lines: `/dev/...` or `rfc2217://HOST:PORT`."""


def _check_hex(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError:
        raise ValueError("needs bytes as pairs of hexadecimal digits, like 54 58 3B") from None
    return text


HexBytes = Annotated[str, AfterValidator(_check_hex)]
"""Bytes as hexadecimal digits; spaces between them are allowed."""


class SerialLineInput(StrictModel):
    """A contact between a serial port's `line` and a line of it that is on; several programs may share the port."""

    kind: Literal["serial-line"]
    port: LineAddress
    line: Literal["cts", "dsr", "dcd", "ri"] = "cts"
    active_low: bool = False
    mode: Literal["momentary", "toggle"] = "momentary"
    debounce_ms: int = Field(default=20, ge=0, le=1000)


class EvdevInput(StrictModel):
    """A foot switch, headset button or the like that Linux knows as an input device.

    `device` is a path (/dev/input/by-id/...) or the device's name; `key` a name (KEY_SPACE), a code, or `any`. `grab`
    keeps the device's keys from all other programs.
    """

    kind: Literal["evdev"]
    device: str = Field(min_length=1)
    key: str | int = "any"
    grab: bool = True
    mode: Literal["momentary", "toggle"] = "momentary"
    debounce_ms: int = Field(default=20, ge=0, le=1000)


class GpioInput(StrictModel):
    """A contact at a pin: `gpio` is its number on `chip` or its name there."""

    kind: Literal["gpio"]
    chip: str = "/dev/gpiochip0"
    gpio: int | str
    active_low: bool = True
    bias: Literal["as-is", "none", "pull-up", "pull-down"] = "pull-up"
    mode: Literal["momentary", "toggle"] = "momentary"
    debounce_ms: int = Field(default=20, ge=0, le=1000)


class VoxInput(StrictModel):
    """The operator's voice: on above `threshold_db` (dB of full scale), off `hang_ms` after it was last there.

    `before_ms` of sound from before are sent, too, so that first syllables are not cut.
    """

    kind: Literal["vox"]
    threshold_db: float = Field(default=-35.0, ge=-90, le=0)
    hang_ms: int = Field(default=800, ge=100, le=10_000)
    before_ms: int = Field(default=200, ge=0, le=1000)


ContactInput = SerialLineInput | EvdevInput | GpioInput
PttInput = Annotated[SerialLineInput | EvdevInput | GpioInput | VoxInput, Field(discriminator="kind")]


ToneName = Literal["permit", "floor_granted", "refused", "warning", "timed_out", "roger"]
"""As gateway.session.events.Tone has them."""

Tones = Annotated[
    Annotated[bool, Tag("all")] | Annotated[tuple[ToneName, ...], Tag("some")],
    Discriminator(lambda value: "some" if isinstance(value, list | tuple) else "all"),
]
"""All, none, or those listed."""


class PttSection(StrictModel):
    """Push-to-talk: where it comes from and the times of the session machine.

    `source` says whether the keyboard is read; `input` is a key besides it. `tones` are all, none, or those listed.

    `duplex` "full": one can press, and talk, while others are heard (with headphones: a loudspeaker would talk to the
    microphone); a link that carries one way at a time makes it "half" whatever is said here. "auto" is "half" but for
    a loopback, where there is nobody else.

    `floor` "queue": a press while another talks waits for its turn, `floor_wait_s` at most, and of two who begin at
    once one yields: ids in `floor_order` go first in that order, then lower ids. Slots: gateway.session.floor;
    `floor_slot_ms` left out is reckoned from packets and link. All of a net must have the same.
    """

    source: Literal["keyboard", "none"] = "keyboard"
    input: PttInput | None = None
    release_ms: int = Field(default=200, ge=0, le=2000)
    time_out_s: float = Field(default=180.0, gt=0, le=3600)
    warning_s: float = Field(default=15.0, ge=0)
    override_busy: bool = False
    tones: Tones = True
    duplex: Literal["auto", "half", "full"] = "auto"
    floor: Literal["off", "queue"] = "off"
    floor_order: tuple[Annotated[int, Field(ge=1, le=0xFFFF)], ...] = ()
    floor_slot_ms: int | None = Field(default=None, ge=50, le=20_000)
    floor_slots: int = Field(default=3, ge=1, le=16)
    floor_wait_s: float = Field(default=30.0, gt=0, le=3600)

    def plays(self, tone: str) -> bool:
        """Whether the operator is to hear the tone of this name."""
        return self.tones if isinstance(self.tones, bool) else tone in self.tones

    @model_validator(mode="after")
    def _floor_is_for_half_duplex(self) -> PttSection:
        if self.floor != "off" and self.duplex == "full":
            raise ValueError('floor = "queue" is for nets where one talks at a time; needed: duplex = "auto" or "half"')
        return self

    @model_validator(mode="after")
    def _warning_within_time_out(self) -> PttSection:
        if self.warning_s >= self.time_out_s:
            raise ValueError(f"warning_s {self.warning_s:g} must be less than time_out_s {self.time_out_s:g}")
        return self


class SerialLineKey(StrictModel):
    """RTS or DTR of a serial port, which may be the port of the data modem or of a radio's CAT."""

    kind: Literal["serial-line"]
    port: LineAddress
    line: Literal["rts", "dtr"] = "rts"
    active_low: bool = False


class ModemLineKey(StrictModel):
    """RTS or DTR of the modem's port, switched by whoever has it open: for a data port that opens only once."""

    kind: Literal["modem-line"]
    line: Literal["rts", "dtr"] = "rts"
    active_low: bool = False


class CatKey(StrictModel):
    """A radio's serial commands: `radio` picks the language, `civ_address` (Icom) is in the radio's menu.

    `radio = "custom"` needs `key_hex` and `unkey_hex`; `ok_hex` and `refused_hex` are what the radio may answer.
    """

    kind: Literal["cat"]
    port: SerialAddress
    radio: Literal["icom", "kenwood", "elecraft", "yaesu", "yaesu-5-byte", "custom"]
    baud: int = Field(default=9600, ge=50, le=4_000_000)
    civ_address: int = Field(default=0x94, ge=1, le=0xDF)
    key_hex: HexBytes | None = None
    unkey_hex: HexBytes | None = None
    ok_hex: HexBytes | None = None
    refused_hex: HexBytes | None = None
    reply_ms: int = Field(default=300, ge=20, le=2000)

    @model_validator(mode="after")
    def _custom_is_whole(self) -> CatKey:
        if self.radio == "custom" and not (self.key_hex and self.unkey_hex):
            raise ValueError('radio "custom" needs key_hex and unkey_hex')
        given = [name for name in ("key_hex", "unkey_hex", "ok_hex", "refused_hex") if getattr(self, name) is not None]
        if self.radio != "custom" and given:
            raise ValueError(f'{given[0]} is for radio "custom" only')
        return self


class RigctldKey(StrictModel):
    """Any radio that Hamlib knows, through its `rigctld` at `address`."""

    kind: Literal["rigctld"]
    address: str = Field(default="127.0.0.1:4532", pattern=r"^[^\s/:]+:\d{1,5}$")
    reply_ms: int = Field(default=1000, ge=20, le=5000)


class GpioKey(StrictModel):
    """A pin: `gpio` is its number on `chip` or its name there."""

    kind: Literal["gpio"]
    chip: str = "/dev/gpiochip0"
    gpio: int | str
    active_low: bool = False


class VoxKey(StrictModel):
    """The radio keys itself by what it hears: there is only the time to wait for it."""

    kind: Literal["vox"]


KeyDeviceSection = Annotated[
    SerialLineKey | ModemLineKey | CatKey | RigctldKey | GpioKey | VoxKey, Field(discriminator="kind")
]


class KeyingSection(StrictModel):
    """How a transmitter is keyed: `delay_ms` from key to data, `tail_ms` after the last of it.

    `hold` "over": on while the operator talks; "packet": on while there is something to send. It is never on longer
    than `time_out_s`. `watchdog`: a process of its own that unkeys when this one dies or hangs for `hang_s`;
    "preferred" keys without it where it cannot run, "required" does not.
    """

    device: KeyDeviceSection
    delay_ms: int = Field(default=300, ge=0, le=5000)
    tail_ms: int = Field(default=100, ge=0, le=5000)
    hold: Literal["over", "packet"] = "over"
    time_out_s: float = Field(default=210.0, ge=1, le=3700)
    watchdog: Literal["required", "preferred", "off"] = "required"
    hang_s: float = Field(default=3.0, ge=0.5, le=30)

    @model_validator(mode="after")
    def _watchdog_can_be(self) -> KeyingSection:
        if self.device.kind == "modem-line" and self.watchdog == "required":
            raise ValueError(
                'a "modem-line" is switched by this program alone, without a watchdog; needed: watchdog = "off", or '
                'device kind "serial-line" with the path of that port'
            )
        return self

    @model_validator(mode="after")
    def _room_for_data(self) -> KeyingSection:
        if (self.delay_ms + self.tail_ms) / 1000 + 0.5 > self.time_out_s:
            raise ValueError(
                f"time_out_s {self.time_out_s:g} leaves no time for data after delay_ms {self.delay_ms} and tail_ms "
                f"{self.tail_ms}"
            )
        return self
