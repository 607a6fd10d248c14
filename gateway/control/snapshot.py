"""What a station shows: one frozen value that every console draws and `clarilink ctl` prints.

Rule: values only, no decisions and no I/O; `as_dict` is what travels (JSON, msgpack), so its keys are an interface:
they may be added to, never renamed. Times `*_s` are durations, `wall_s` are seconds since 1970.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Any

from gateway.telling import Level


class Quality(enum.StrEnum):
    """Reception in words: how much of the last overs could be played (thresholds in gateway.control.quality)."""

    UNKNOWN = "unknown"
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class StationView:
    """Who this station is; `up_s` since it was started."""

    name: str
    id: int
    group: int
    version: str = ""
    up_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PttView:
    """The push-to-talk: `mode` as the session machine names it, `held_by` the keys that are down (keyboard, web:...).

    `time_left_s` until the time-out, while talking; `waits_for_floor`: pressed while the channel was busy, and will
    begin when it is free; `refusal` is why the last press was not obeyed, until the next one.
    """

    mode: str = "idle"
    mode_s: float = 0.0
    held_by: tuple[str, ...] = ()
    time_left_s: float | None = None
    waits_for_floor: bool = False
    refusal: str | None = None
    is_full_duplex: bool = False
    is_parrot: bool = False
    """Overs come back to the speaker in place of going on the air."""
    is_recording: bool = False
    """A message is being recorded."""
    talks_buffered: bool = False
    """The key records messages: so configured, or the link is too slow for live voice."""


@dataclass(frozen=True, slots=True)
class TalkerView:
    """Who is heard now: `source` and `name` once known, `group` whom he talks to."""

    name: str
    source: int | None = None
    group: int | None = None
    talking_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A sound device: `state` as gateway.audio.base.DeviceState names it, `text` why."""

    name: str = ""
    state: str = "running"
    text: str = ""
    xruns: int = 0
    dropped_samples: int = 0


@dataclass(frozen=True, slots=True)
class AudioView:
    """Sound: levels in dB of full scale, of the last 100 ms; `is_clipping` within the last second."""

    input: DeviceView = DeviceView()
    output: DeviceView = DeviceView()
    level_db: float = -100.0
    peak_db: float = -100.0
    is_clipping: bool = False
    output_level_db: float = -100.0
    volume_db: float = 0.0
    is_muted: bool = False
    noise_suppression: bool = False
    talker_db: float | None = None
    """Active level of who spoke last here, dBFS: what the level control expects of the next."""


@dataclass(frozen=True, slots=True)
class LinkView:
    """The link: `outage` in words while it carries nothing; `sending` packet size and protection of the next over;
    `fit` whether live voice fits (live, buffered, no), `reason` why not."""

    name: str = ""
    kind: str = ""
    is_up: bool = True
    outage: str | None = None
    rate_bps: float | None = None
    mtu_bytes: int | None = None
    is_half_duplex: bool = False
    sending: str = ""
    fit: str = "live"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DelayView:
    """Mouth to ear, ms, by part (gateway.station.delay computes them); `total_ms` is their sum."""

    codec_ms: float = 0.0
    packet_ms: float = 0.0
    suppression_ms: float = 0.0
    protection_ms: float = 0.0
    air_ms: float = 0.0
    link_ms: float = 0.0
    cushion_ms: float = 0.0
    sound_ms: float = 0.0
    total_ms: float = 0.0
    computing_ms: float = 0.0
    keying_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ReceptionView:
    """How packets of the last overs arrived: shares 0..1, bursts in packets; `concealed` of frames played."""

    quality: Quality = Quality.UNKNOWN
    expected: int = 0
    lost: float = 0.0
    late: float = 0.0
    mean_burst: float = 0.0
    concealed: float = 0.0
    snr_db: float | None = None
    words: str = ""
    """In words, with figures: "fair: 8 % lost, 1.7 in a row"."""


@dataclass(frozen=True, slots=True)
class OverView:
    """An over that was heard or said: newest first in lists. `index` counts from the newest, which is 1, for replay;
    0: no longer kept as sound."""

    side: str
    name: str
    source: int | None
    wall_s: float
    duration_s: float
    lost: float | None = None
    snr_db: float | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class HeardView:
    """A station of the net, as last heard."""

    source: int
    name: str
    wall_s: float
    overs: int = 1
    lost: float | None = None
    snr_db: float | None = None


@dataclass(frozen=True, slots=True)
class MessageView:
    """A text or a voice message. `id` (hex) where it is in the spool, to play, retry or delete it; `state` as
    gateway.messages names it, or "sent", "received" for short texts; `share` 0..1 of it that is there."""

    kind: str
    direction: str
    peer: str
    wall_s: float
    text: str = ""
    id: str | None = None
    state: str = ""
    share: float = 1.0
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class SecurityView:
    """Keys: `mode` as in [security]; `refused` packets by reason since the start."""

    mode: str = "none"
    key_id: int | None = None
    accepted_ids: tuple[int, ...] = ()
    refused: tuple[tuple[str, int], ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class AirtimeView:
    """Time on the air: own, in the last hour and since the start; `share` of the last hour. `heard_s` others'."""

    own_s: float = 0.0
    own_hour_s: float = 0.0
    share_hour: float = 0.0
    heard_s: float = 0.0
    sent_bytes: int = 0
    on_air_bps: float | None = None
    """Of the last own over."""


@dataclass(frozen=True, slots=True)
class KeyingView:
    """The transmitter's key: `problem` why it cannot be keyed."""

    kind: str
    is_keyed: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class RecordView:
    """Recording on disk, of overs or of what the link does; `problem` while it is stopped."""

    folder: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class NewsView:
    """A line for the operator; `number` counts up from 1."""

    number: int
    wall_s: float
    text: str
    level: Level = Level.INFO


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a console draws; `number` counts up with every publication."""

    station: StationView
    number: int = 0
    wall_s: float = 0.0
    ptt: PttView = PttView()
    talker: TalkerView | None = None
    audio: AudioView = AudioView()
    link: LinkView = LinkView()
    delay: DelayView = DelayView()
    reception: ReceptionView = ReceptionView()
    sent_reception: ReceptionView = ReceptionView()
    """How own overs arrived elsewhere, by reports."""
    airtime: AirtimeView = AirtimeView()
    security: SecurityView = SecurityView()
    keying: KeyingView | None = None
    record: RecordView | None = None
    trace: RecordView | None = None
    last_heard: tuple[HeardView, ...] = ()
    overs: tuple[OverView, ...] = ()
    messages: tuple[MessageView, ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    """The net's directory: whom a text can be for."""
    counters: tuple[tuple[str, float], ...] = ()
    """All metrics by name, once a second."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and msgpack."""
        values: dict[str, Any] = plain(self)
        return values


def plain(value: object) -> Any:
    """`value` with dataclasses as dicts, tuples as lists, enums as their values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
