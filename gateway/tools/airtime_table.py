"""What `clarilink airtime` prints: a link profile out of a file, and which packet sizes and protections it sustains.

Rule: reads files and makes text; every figure comes from gateway.protocol.live.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import load_channel, load_channel_process
from gateway.config import FRAME_MS, MessagesSection, StationConfig, load_toml
from gateway.errors import ConfigError, LocalProtocolError
from gateway.messages.pace import Pace
from gateway.protocol.bulk_airtime import message_airtime
from gateway.protocol.carriage import Carriage
from gateway.protocol.cushion import expected_cushion_s
from gateway.protocol.live import (
    CHECKSUM,
    CODEC_DELAY_S,
    LIVE_FRAMES,
    MAX_DUTY,
    NO_PROTECTION,
    PROTECTIONS,
    SECURITY_TAG,
    Fit,
    LinkProfile,
    LiveRow,
    LiveVerdict,
    Protection,
    live_rows,
    live_verdict,
    ranges,
)
from gateway.protocol.packets import FRAME_BYTES, FRAME_S

if TYPE_CHECKING:
    from firmware_bridge.profile import ModemProfile

DEFAULT_FRAMES = 6
DEFAULT_CUSHION_S = 0.06
MESSAGE_S = 6.0
MESSAGE_LOSS = 0.3
MAX_PACKET_BYTES = 270
"""As long as a message packet may be configured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One link of a file: its figures, what its packets carry anyway, and what is configured."""

    title: str
    profile: LinkProfile
    always: Protection
    frames_per_packet: int
    cushion_s: float
    note: str = ""
    messages: MessagesSection | None = None
    around: Protection | None = None
    """Checksum and security alone, where `always` has a protection as well."""
    carriage: Carriage | None = None
    """Of message packets; None: as the voice packets' own."""
    delivers_whole: bool = True
    """The link delivers packets as they were or not at all."""

    @property
    def protections(self) -> tuple[Protection, ...]:
        """What is compared: the link's own first, then each protection on top of it, then security."""
        around = self.always if self.around is None else self.around
        # Bit protection has its own checks and cannot be with security, the tag of which takes the checksum's place.
        secured = around.session_bytes > 0
        joined = [around.with_(more) for more in PROTECTIONS if not more.strong_bits]
        alone = () if secured else (*(more for more in PROTECTIONS if more.strong_bits), SECURITY_TAG)
        return tuple(dict.fromkeys((self.always, *joined, *alone)))

    @property
    def wait_s(self) -> float:
        """The cushion as it will be learnt on this link."""
        return expected_cushion_s(self.profile.jitter_s, self.cushion_s)


def profile_of_channel(spec: ChannelSpec) -> LinkProfile:
    """The figures of a channel that matter for air time and delay."""
    return LinkProfile(
        spec.name,
        spec.rate_bps,
        spec.overhead_bytes,
        mtu_bytes=spec.mtu_bytes,
        half_duplex=spec.half_duplex,
        turnaround_s=spec.turnaround_ms / 1000,
        delay_s=spec.usual_delay_s,
        jitter_s=spec.jitter_ms / 1000,
        airtimes_ms=spec.airtimes_ms,
    )


def load_plans(path: Path) -> tuple[Plan, ...]:
    """The links of a station, modem, bridge, channel or net file. Raises ConfigError naming file and key."""
    keys = _top_keys(path)
    if "station" in keys or "link" in keys:
        return (_station_plan(path),)
    if "driver" in keys:
        return (_modem_plan(path),)
    if "modem" in keys:
        return (_bridge_plan(path),)
    if "endpoint" in keys:
        config = load_channel_process(path)
        plans = [_channel_plan(config.default, "between all stations")]
        plans += [_channel_plan(spec, f"from {pair[0]} to {pair[1]}") for pair, spec in config.paths.items()]
        return tuple(plans)
    return (_channel_plan(load_channel(path), "channel"),)


def text(plans: tuple[Plan, ...], protection: str | None = None, *, everything: bool = False) -> str:
    """For people: per link its figures, one line per protection, and the full table of one (or all) of them.

    Raises ConfigError for a protection that does not exist.
    """
    return "\n\n".join(_plan_text(plan, protection, everything=everything) for plan in plans)


def as_json(plans: tuple[Plan, ...]) -> list[dict[str, object]]:
    """All rows of all links with stable names."""
    return [
        {
            "link": plan.profile.name,
            "title": plan.title,
            "verdict": _verdict(plan).reason,
            "fits": _verdict(plan).fit.value,
            "message_s": None if _verdict(plan).fitting else _message_seconds(plan),
            "rows": [_row_json(row) for added in plan.protections for row in _rows(plan, added)],
        }
        for plan in plans
    ]


def _top_keys(path: Path) -> set[str]:
    try:
        return set(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read configuration: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _channel_plan(spec: ChannelSpec, title: str) -> Plan:
    always = CHECKSUM if spec.damages_bits else NO_PROTECTION
    return Plan(title, profile_of_channel(spec), always, DEFAULT_FRAMES, DEFAULT_CUSHION_S)


def _modem_plan(path: Path) -> Plan:
    from firmware_bridge.profile import load_profile

    return _plan_of_modem(load_profile(path))


def _bridge_plan(path: Path) -> Plan:
    """Of the modem that a bridge process serves."""
    from firmware_bridge.bridge import load_bridge
    from firmware_bridge.link import with_settings
    from firmware_bridge.profile import load_profile

    modem = load_bridge(path).modem
    return _plan_of_modem(with_settings(load_profile(modem.profile), modem.settings))


def _plan_of_modem(modem: ModemProfile) -> Plan:
    from firmware_bridge.registry import build_driver
    from gateway.metrics import Metrics
    from gateway.station.adaptation import profile_of

    info = build_driver(modem, Metrics(), Random(0)).info
    always = NO_PROTECTION if info.has_integrity else CHECKSUM
    return Plan(f"modem {modem.name}", profile_of(info), always, DEFAULT_FRAMES, DEFAULT_CUSHION_S, modem.description)


def _station_plan(path: Path) -> Plan:
    return station_plan(path, load_toml(path, StationConfig))


def station_plan(path: Path, config: StationConfig) -> Plan:
    """The link of a station's configuration, read from `path`; opens nothing and records nothing."""
    from gateway.clock import ManualClock
    from gateway.metrics import Metrics
    from gateway.station.adaptation import always_added, around_of, carriage_of, profile_of
    from gateway.station.link import build_link, protection_of, wants_crc

    link = build_link(config.model_copy(update={"trace": None}), ManualClock(), Metrics())
    jitter_s = 0.0
    if config.channel is not None:
        source = config.channel.preset if config.channel.preset is not None else config.channel.file
        assert source is not None
        spec = load_channel(source)
        jitter_s = spec.jitter_ms / 1000  # which the link counts as delay: the most that a packet is late
    guard, note = protection_of(path, config), ""
    crc = wants_crc(config, link, guard)
    if config.link.kind == "zeromq-channel" and link.info.rate_bps is None:
        note = (
            "The channel process tells a station its figures when they meet; `run` looks at them then. "
            "Give the file of the channel process to see them here."
        )
    return Plan(
        f"station {config.station.name}",
        profile_of(link.info, link.info.delay_s - jitter_s, jitter_s),
        always_added(config, guard, crc=crc),
        config.packets.frames_per_packet,
        config.jitter.cushion_ms / 1000,
        note,
        config.messages,
        around_of(config, crc=crc),
        carriage_of(config, guard, crc=crc),
        link.info.has_integrity,
    )


def _plan_text(plan: Plan, protection: str | None, *, everything: bool) -> str:
    verdict = _verdict(plan)
    word = verdict.fit.value if verdict.fitting else "buffered only"
    lines = [
        f"{plan.title}: {plan.profile.name}",
        f"  {_figures(plan.profile)}",
        f"  verdict: {word}: {verdict.reason}",
    ]
    if not verdict.fitting:
        lines.append(f"  {_message_text(plan)}")
    if plan.note:
        lines.append(f"  {plan.note}")
    wide = 2 + max(26, *(len(added.name) for added in plan.protections))
    lines += ["", f"{'protection':<{wide}}{'frames per packet that sustain live voice':<44}{'least delay':>12}"]
    for added in plan.protections:
        live = [row for row in _rows(plan, added) if row.fit is Fit.LIVE]
        fits = ranges([row.frames_per_packet for row in live])
        least = min((row.delay_s for row in live), default=None)
        lines.append(f"{added.name:<{wide}}{fits:<44}{'' if least is None else f'{1000 * least:.0f} ms':>12}")
    for added in _chosen(plan, protection, everything=everything):
        lines += ["", *_table(plan, added)]
    lines += [
        "",
        f"Live: sending takes at most {100 * MAX_DUTY:.0f} % of the link's time (duty; keyed: with key-ups).",
        f"Delay: codec {1000 * CODEC_DELAY_S:.0f} ms, the wait for a packet's other frames, its air time, the way, "
        f"turn-around, {1000 * plan.wait_s:.0f} ms of cushion, the wait for repairs.",
    ]
    return "\n".join(lines)


def _message_text(plan: Plan) -> str:
    """How long a recorded message takes where live voice does not fit."""
    try:
        whole, lossy = (message_time_s(plan, loss) for loss in (0.0, MESSAGE_LOSS))
    except LocalProtocolError as error:
        return f"recorded messages: not on this link: {error}"
    return (
        f"recorded messages: {MESSAGE_S:.0f} s of speech take {whole:.0f} s, "
        f"{lossy:.0f} s where {100 * MESSAGE_LOSS:.0f} % of all packets are lost"
    )


def _message_seconds(plan: Plan) -> float | None:
    try:
        return round(message_time_s(plan, 0.0), 1)
    except LocalProtocolError:
        return None


def message_time_s(plan: Plan, loss: float) -> float:
    """Seconds until a message of 6 s of speech is at another station. Raises LocalProtocolError for a tiny MTU."""
    profile = plan.profile
    section = MessagesSection(spool=Path("spool")) if plan.messages is None else plan.messages
    carriage = Carriage(plan.always.packet_bytes) if plan.carriage is None else plan.carriage
    pace = Pace.of(
        section,
        mtu_bytes=MAX_PACKET_BYTES if profile.mtu_bytes is None else profile.mtu_bytes,
        rate_bps=profile.rate_bps,
        carriage=carriage,
        overhead_bytes=profile.overhead_bytes,
        turnaround_s=profile.turnaround_s,
    )
    return message_airtime(
        round(MESSAGE_S / FRAME_S) * FRAME_BYTES,
        rate_bps=pace.rate_bps * carriage.code_rate,
        mtu_bytes=pace.room_bytes + carriage.extra_bytes,
        extra_bytes=carriage.extra_bytes,
        overhead_bytes=profile.overhead_bytes * carriage.code_rate,
        turnaround_s=profile.turnaround_s + 2 * profile.delay_s,
        parity_share=section.parity_share,
        loss=loss,
    ).seconds


def _figures(profile: LinkProfile) -> str:
    return ", ".join(
        [
            "no limit of rate known" if profile.rate_bps is None else f"{profile.rate_bps:g} bit/s",
            f"{profile.overhead_bytes} bytes ({1000 * profile.airtime_s(0):.0f} ms) on top of every packet",
            "any length" if profile.mtu_bytes is None else f"at most {profile.mtu_bytes} bytes",
            f"half duplex, {1000 * profile.turnaround_s:.0f} ms turn-around" if profile.half_duplex else "full duplex",
            f"{1000 * profile.delay_s:.0f} ms one way",
        ]
    )


def _table(plan: Plan, protection: Protection) -> list[str]:
    head = ("frames", "voice", "packet", "air time", "duty", "keyed", "on air", "delay", "verdict")
    lines = [f"protection {protection.name}", _line(head)]
    for row in _rows(plan, protection):
        mark = " <- configured" if (row.frames_per_packet, protection) == (plan.frames_per_packet, plan.always) else ""
        cells = (
            str(row.frames_per_packet),
            f"{row.frames_per_packet * FRAME_MS} ms",
            f"{row.packet_bytes} B",
            f"{1000 * row.airtime_s:.0f} ms",
            f"{100 * row.duty:.0f} %",
            f"{100 * row.keyed:.0f} %",
            f"{row.on_air_bps:.0f} bps",
            f"{1000 * row.delay_s:.0f} ms",
            row.fit.value + mark,
        )
        lines.append(_line(cells))
    return lines


def _line(cells: tuple[str, ...]) -> str:
    widths = (7, 9, 8, 10, 8, 8, 10, 10)
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells[:-1], widths, strict=True)) + f"  {cells[-1]}"


def _chosen(plan: Plan, name: str | None, *, everything: bool) -> tuple[Protection, ...]:
    if everything:
        return plan.protections
    if name is None:
        return (plan.always,)
    known = {added.name: added for added in plan.protections}
    around = plan.always if plan.around is None else plan.around
    known |= {added.name.removeprefix(f"{around.name} + "): added for added in plan.protections}
    if name not in known:
        raise ConfigError(f"no protection {name!r}; known: {', '.join(known)}")
    return (known[name],)


def _rows(plan: Plan, protection: Protection) -> tuple[LiveRow, ...]:
    return live_rows(plan.profile, protection, plan.wait_s, LIVE_FRAMES)


def _verdict(plan: Plan) -> LiveVerdict:
    return live_verdict(plan.profile, plan.frames_per_packet, plan.always)


def _row_json(row: LiveRow) -> dict[str, object]:
    return {
        "frames_per_packet": row.frames_per_packet,
        "protection": row.protection.name,
        "packet_bytes": row.packet_bytes,
        "longest_bytes": row.longest_bytes,
        "airtime_ms": round(1000 * row.airtime_s, 1),
        "duty": round(row.duty, 4),
        "keyed": round(row.keyed, 4),
        "on_air_bps": round(row.on_air_bps, 1),
        "delay_ms": round(1000 * row.delay_s, 1),
        "verdict": row.fit.value,
    }
