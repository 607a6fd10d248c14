"""What a station's configuration file holds (`load_toml` reads it: gateway.config_file).

Rule: values and their limits only; what two sections must agree on is checked here, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from gateway.config_file import ConfigPath as ConfigPath
from gateway.config_file import M as M
from gateway.config_file import Name as Name
from gateway.config_file import StrictModel as StrictModel
from gateway.config_file import load_toml as load_toml
from gateway.config_file import model_of as model_of
from gateway.config_file import parse_toml as parse_toml
from gateway.config_file import resolve_path
from gateway.link_config import BridgeLink as BridgeLink
from gateway.link_config import ChannelCurveSection as ChannelCurveSection
from gateway.link_config import CurveKey as CurveKey
from gateway.link_config import CurveSection as CurveSection
from gateway.link_config import Endpoint as Endpoint
from gateway.link_config import LinkSection as LinkSection
from gateway.link_config import MemoryLink as MemoryLink
from gateway.link_config import ModemLink as ModemLink
from gateway.link_config import PeersCurveSection as PeersCurveSection
from gateway.link_config import ZeromqChannelLink as ZeromqChannelLink
from gateway.link_config import ZeromqPeersLink as ZeromqPeersLink
from gateway.link_config import check_curve_key as check_curve_key
from gateway.link_config import check_exposure as check_exposure
from gateway.operator_config import ConsoleSection as ConsoleSection
from gateway.operator_config import ControlSection as ControlSection
from gateway.operator_config import MetricsSection as MetricsSection
from gateway.operator_config import StateSection as StateSection
from gateway.operator_config import WebSection as WebSection
from gateway.ptt_config import KeyingSection as KeyingSection
from gateway.ptt_config import PttSection as PttSection

FRAME_MS = 80
"""Duration of one codec frame."""

KEYED_AFTER_S = 5.0
"""What an over may still have to send when it ends, and then some."""


def _resolve_device(device: str, info: ValidationInfo) -> str:
    kind, colon, path = device.partition(":")
    if kind != "file" or not colon:
        return device
    if not path:
        raise ValueError('"file:" needs a path after the colon')
    return path_device(resolve_path(Path(path), info))


def path_device(path: Path) -> str:
    """The device name that stands for a sound file."""
    return f"file:{path}"


DeviceName = Annotated[str, Field(min_length=1), AfterValidator(_resolve_device)]
"""`default`, `null`, `file:PATH`, or part of a sound device's name."""

StationId = Annotated[int, Field(ge=0, le=0xFFFF)]


class StationSection(StrictModel):
    """Who this station is on the air: `id` (u16) and `group` (u8) travel in the session block of voice packets."""

    name: Name
    id: StationId
    group: int = Field(default=0, ge=0, le=0xFF)


class NetSection(StrictModel):
    """What every station of the net knows beforehand: names by station id."""

    names: dict[StationId, Name] = Field(default_factory=dict)

    def name_of(self, station_id: int) -> str:
        """The station's name, or `station N` for one that is not in the directory."""
        return self.names.get(station_id, f"station {station_id}")


class AudioSection(StrictModel):
    """Sound devices; `latency_ms` is asked of a real device, which may give more.

    A device is named by its name or part of one, `NAME, DRIVER` or `#NUMBER`, as `clarilink devices` lists them.
    `noise_suppression` is before the codec, 20 ms more of delay; `auto`: where pyrnnoise is installed. `gain_db` makes
    the microphone louder; the codec brings speech from -56 to -6 dB to one level without it.
    `when_driver_hangs`: "restart" ends a station without a keyboard once it is at rest, to be started anew; "tell" only
    says so; "auto": the former under systemd.
    """

    input: DeviceName = "default"
    output: DeviceName = "default"
    block_ms: int = Field(default=20, ge=5, le=80)
    latency_ms: int = Field(default=60, ge=0, le=2000)
    noise_suppression: Literal["auto", "on", "off"] = "auto"
    gain_db: float = Field(default=0.0, ge=-40, le=40)
    when_driver_hangs: Literal["auto", "restart", "tell"] = "auto"


class CodecSection(StrictModel):
    """Codec weights: the packaged ones, and their own lookahead (frames), unless told otherwise.

    `search` tries each packet's bits on the decoder before it leaves: clearer words for a third of a fast core's time,
    all of it at the end of the packet (`clarilink bench` says what it takes here). "auto": as many tries as this
    machine has time for, none on a slow one.

    More `threads` than one make a search little shorter on an idle machine, and many times as long where something else
    wants the cores: each small product waits for all of them.
    """

    weights: ConfigPath | None = None
    search: Literal["auto", "on", "off"] = "auto"
    lookahead: int | None = Field(default=None, ge=0, le=8)
    threads: int = Field(default=1, ge=1, le=16)


class PacketsSection(StrictModel):
    """How voice is packed: frames of 80 ms per packet; `crc` appends a CRC-16 (`auto`: where the link has no check)."""

    frames_per_packet: int = Field(default=6, ge=1, le=24)
    crc: Literal["auto", "on", "off"] = "auto"

    @property
    def packet_ms(self) -> int:
        """Duration of the voice in one packet."""
        return self.frames_per_packet * FRAME_MS


class JitterSection(StrictModel):
    """Receive buffer: `cushion_ms` is waited before an over plays, `cap_ms` is the most delay ever kept.

    `adapt` "on": the wait is learnt from the overs heard and never below `cushion_ms`; "off": always `cushion_ms`.
    """

    cushion_ms: int = Field(default=60, ge=0, le=10_000)
    cap_ms: int = Field(default=1500, ge=80, le=30_000)
    adapt: Literal["on", "off"] = "on"

    @model_validator(mode="after")
    def _cap_above_cushion(self) -> JitterSection:
        if self.cap_ms <= self.cushion_ms:
            raise ValueError(f"cap_ms {self.cap_ms} must be greater than cushion_ms {self.cushion_ms}")
        return self


class AdaptationSection(StrictModel):
    """Fitting overs to the link: `mode` "on" lets reports choose packet size and protection, "off" pins them.

    `shortest` and `longest` (frames per packet) and `max_bps` (bits on the air per second) bound the choice. `report`
    "on" makes this station report on the overs it hears, spread over `report_spread_s` and at most every
    `report_every_s` about one talker.
    """

    mode: Literal["on", "off"] = "off"
    max_bps: float = Field(default=650.0, ge=300, le=100_000)
    shortest: int = Field(default=3, ge=1, le=24)
    longest: int = Field(default=12, ge=1, le=24)
    report: Literal["on", "off"] = "off"
    report_spread_s: float = Field(default=2.0, ge=0, le=10)
    report_every_s: float = Field(default=10.0, ge=0, le=3600)

    @model_validator(mode="after")
    def _sizes_in_order(self) -> AdaptationSection:
        if self.shortest > self.longest:
            raise ValueError(f"shortest {self.shortest} must not be greater than longest {self.longest}")
        return self


class SecuritySection(StrictModel):
    """Who can hear this net and talk on it (SPEC.md, clause 13); the same on all its stations but for `state_file`.

    `key_file` comes from `clarilink keygen`; `state_file` holds used counters (default: beside the key file).
    """

    mode: Literal["none", "authenticate", "authenticate-encrypt"] = "none"
    key_file: ConfigPath | None = None
    state_file: ConfigPath | None = None
    tag_bytes: Literal[3, 4] = 4

    @model_validator(mode="after")
    def _key_where_needed(self) -> SecuritySection:
        if self.mode != "none" and self.key_file is None:
            raise ValueError(f'mode "{self.mode}" needs key_file; `clarilink keygen FILE` makes one')
        return self


class ChannelSection(StrictModel):
    """A channel wrapped around the link: a packaged preset by name, or a file; repeatable by `seed`."""

    preset: Name | None = None
    file: ConfigPath | None = None
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_source(self) -> ChannelSection:
        if (self.preset is None) == (self.file is None):
            raise ValueError("needs exactly one of preset and file")
        return self


class MessagesSection(StrictModel):
    """Buffered messages: `spool` is their folder; without this section there are none.

    `voice = "buffered"` records what is said and sends it as a message instead of live, `to` a station or, without
    it, the own group. `rate_bps` is for links that do not tell their rate (default 300), `packet_bytes` the packet
    length (default: 2 s on the air, at least 20), `round_trip_s` the link's delay there and back. `text_acks`: short
    texts ask for an acknowledgement and get one, for nets of two.
    """

    spool: ConfigPath
    max_bytes: int = Field(default=16_000_000, ge=100_000)
    max_age_days: float = Field(default=30.0, gt=0, le=3650)
    voice: Literal["live", "buffered"] = "live"
    to: StationId | None = None
    text_acks: bool = False
    parity_share: float = Field(default=0.25, ge=0, le=2)
    rate_bps: float | None = Field(default=None, ge=1, le=1e9)
    packet_bytes: int | None = Field(default=None, ge=16, le=270)
    round_trip_s: float = Field(default=2.0, ge=0, le=600)
    give_up_s: float = Field(default=3600.0, ge=60, le=604_800)


class TraceSection(StrictModel):
    """Recording of what the link does: into a new file in the folder `record`, or into the file if it ends in .trace.

    At `max_bytes` recording ends ("stop"), or the older half goes ("rotate").
    """

    record: ConfigPath
    max_bytes: int = Field(default=256_000_000, ge=100_000)
    when_full: Literal["stop", "rotate"] = "stop"


BIT_WITH_SECURITY = (
    "protection against bit errors cannot be with [security]: it lets wrong bits of voice pass, and a tag bears none; "
    'needed: another protection, or security.mode "none"'
)


class NoProtection(StrictModel):
    """Voice packets as they are."""

    kind: Literal["none"] = "none"


class RepeatProtection(StrictModel):
    """Each packet repeats the one `distance` before it: 12, 16 or all 24 bits of each frame, the first."""

    kind: Literal["stage-one-repeat", "two-byte-repeat", "payload-repeat"]
    distance: int = Field(default=4, ge=1, le=15)


class BlockProtection(StrictModel):
    """`n` - `k` parity packets after every `k` of voice, of `depth` blocks interleaved."""

    kind: Literal["reed-solomon"]
    n: int = Field(default=6, ge=3, le=32)
    k: int = Field(default=4, ge=2, le=16)
    depth: int = Field(default=1, ge=1, le=16)

    @model_validator(mode="after")
    def _figures_agree(self) -> BlockProtection:
        if not self.k < self.n <= self.k + 16:
            raise ValueError(f"n {self.n} needs to be {self.k + 1} to {self.k + 16} with k {self.k}")
        if self.k * self.depth > 32:
            raise ValueError(f"k {self.k} times depth {self.depth} is {self.k * self.depth}; at most 32 packets")
        return self


class BitProtection(StrictModel):
    """For links that deliver bits with errors: `strong_bits` of each frame's 24 are coded."""

    kind: Literal["bit"]
    code: Literal["golay"] = "golay"
    strong_bits: int = Field(default=12, ge=8, le=24)


class ProtectionPreset(StrictModel):
    """A packaged protection by name (configs/protection)."""

    kind: Literal["preset"]
    name: Name


ProtectionSection = Annotated[
    NoProtection | RepeatProtection | BlockProtection | BitProtection | ProtectionPreset, Field(discriminator="kind")
]
"""What guards voice; repeats and blocks make the receiver wait for them, on top of [jitter]."""


class LogSection(StrictModel):
    """Logging: `console` for people, `json` for machines, on standard error.

    `file` gets all lines as JSON besides (under systemd the journal does that); at `max_bytes` it is renamed, `keep`
    older ones stay.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    file: ConfigPath | None = None
    max_bytes: int = Field(default=5_000_000, ge=10_000)
    keep: int = Field(default=4, ge=1, le=100)


class RecordSection(StrictModel):
    """What was said and heard, a WAV file per over in `folder` (one station each); without this section nothing is.

    The oldest make room beyond `max_bytes` and after `max_age_days`; with less than `least_free_bytes` free on the disk
    nothing is recorded.
    """

    folder: ConfigPath
    said: bool = True
    heard: bool = True
    max_bytes: int = Field(default=2_000_000_000, ge=1_000_000)
    max_age_days: float = Field(default=90.0, gt=0, le=3650)
    least_free_bytes: int = Field(default=100_000_000, ge=0)


class StationConfig(StrictModel):
    """Everything `clarilink run` needs; only [station] name and id and [link] have no default."""

    station: StationSection
    link: LinkSection
    net: NetSection = NetSection()
    audio: AudioSection = AudioSection()
    codec: CodecSection = CodecSection()
    packets: PacketsSection = PacketsSection()
    jitter: JitterSection = JitterSection()
    adaptation: AdaptationSection = AdaptationSection()
    protection: ProtectionSection = NoProtection()
    ptt: PttSection = PttSection()
    keying: KeyingSection | None = None
    channel: ChannelSection | None = None
    messages: MessagesSection | None = None
    record: RecordSection | None = None
    trace: TraceSection | None = None
    security: SecuritySection = SecuritySection()
    console: ConsoleSection = ConsoleSection()
    web: WebSection | None = None
    control: ControlSection | None = None
    metrics: MetricsSection | None = None
    state: StateSection | None = None
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _sender_is_given(self) -> StationConfig:
        if self.security.mode != "none" and self.station.id == 0:
            raise ValueError("station.id 0 (not given) cannot be with security: replays are told by station")
        return self

    @model_validator(mode="after")
    def _keyed_as_long_as_an_over(self) -> StationConfig:
        keying, ptt = self.keying, self.ptt
        if keying is not None and keying.hold == "over":
            needed = ptt.time_out_s + (keying.delay_ms + keying.tail_ms) / 1000 + KEYED_AFTER_S
            if keying.time_out_s < needed:
                raise ValueError(
                    f"keying.time_out_s {keying.time_out_s:g} would unkey in the middle of an over of ptt.time_out_s "
                    f"{ptt.time_out_s:g}; needed: at least {needed:g}"
                )
        return self

    @model_validator(mode="after")
    def _modem_line_has_a_modem(self) -> StationConfig:
        kind: str = self.link.kind
        if self.keying is not None and self.keying.device.kind == "modem-line" and kind != "modem":
            raise ValueError(f'keying.device.kind "modem-line" needs link.kind "modem", not "{kind}"')
        return self

    @model_validator(mode="after")
    def _one_check_of_bits(self) -> StationConfig:
        if self.protection.kind == "bit" and self.packets.crc == "on":
            raise ValueError('packets.crc is "on", but protection.kind "bit" has checks of its own; needed: "auto"')
        if self.protection.kind == "bit" and self.security.mode != "none":
            raise ValueError(BIT_WITH_SECURITY)
        return self

    @model_validator(mode="after")
    def _cap_holds_a_packet(self) -> StationConfig:
        # A packet's voice arrives all at once: a smaller cap would throw away part of every packet.
        needed = self.packets.packet_ms + self.jitter.cushion_ms
        if self.jitter.cap_ms < needed:
            raise ValueError(
                f"jitter.cap_ms {self.jitter.cap_ms} is too small: packets.frames_per_packet "
                f"{self.packets.frames_per_packet} and jitter.cushion_ms {self.jitter.cushion_ms} need {needed}, and "
                "some 300 more where packets may come early"
            )
        return self
