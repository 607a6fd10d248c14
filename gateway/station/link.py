"""The link of a station as its file describes it: the carrier, a channel around it, a key before it, a trace of it.

Rule: builds and checks, opens nothing but the trace.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from firmware_bridge.ptt.keyed_link import KeyedLink
from firmware_bridge.ptt.keying import Keying
from gateway.channel.spec_file import load_channel
from gateway.clock import Clock, calendar_s
from gateway.config import BIT_WITH_SECURITY, BridgeLink, ModemLink, StationConfig, TraceSection
from gateway.errors import ConfigError
from gateway.links.base import Link
from gateway.links.emulated import EmulatedLink
from gateway.links.memory import ParrotLink
from gateway.links.recorded import LinkRecording, RecordedLink
from gateway.links.zeromq import ZeromqChannelLink, ZeromqPeersLink
from gateway.metrics import Metrics
from gateway.protocol.live import Fit, live_verdict
from gateway.protocol.live import Protection as LiveProtection
from gateway.protocol.protection import Protection
from gateway.protocol.protection_file import build_protection
from gateway.station.adaptation import profile_of
from gateway.station.secured import open_curve
from gateway.traces.record import TraceHeader
from gateway.traces.recorder import TraceRecorder, trace_path
from gateway.traces.writer import WhenFull

PARROT_QUIET_S = 1.0


def with_profiles_key(path: Path, config: StationConfig) -> StationConfig:
    """The configuration with the key that its modem's profile has, where the station's file has none.

    Raises ConfigError where the two do not go together.
    """
    from firmware_bridge.profile import load_profile

    if config.link.kind != "modem" or config.keying is not None:
        return config
    keying = load_profile(config.link.profile).keying
    if keying is None:
        return config
    try:
        return StationConfig.model_validate({**dict(config), "keying": keying})
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: [keying] of modem profile {config.link.profile}: {why}") from error


def build_link(
    config: StationConfig,
    clock: Clock,
    metrics: Metrics,
    say: Callable[[str], None] | None = None,
    keying: Keying | None = None,
    warn: Callable[[str], None] | None = None,
) -> Link:
    """The configured link, wrapped in a channel and in a recorder if they are asked for, and keyed by `keying`; not yet
    open.

    `say` gets what a modem says, `warn` (`say` without it) the recorder's line if it has to end. Raises TraceError
    where it cannot begin.
    """
    recording = None if config.trace is None else build_recording(config, config.trace, clock, say, warn or say)
    link = _build_channel(config, clock, metrics, say, keying, recording)
    # A modem on a serial port is keyed by its runner, which knows when its bytes have left.
    if config.keying is not None and keying is not None and config.link.kind != "modem":
        link = KeyedLink(link, keying, config.keying, clock)
    if recording is None:
        return link
    protection = build_protection(config.protection)
    recording.has_crc, recording.has_heads = wants_crc(config, link, protection), not protection.is_bit
    return RecordedLink(link, recording)


def build_recording(
    config: StationConfig,
    section: TraceSection,
    clock: Clock,
    say: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> LinkRecording:
    """A trace of this station, begun. Raises TraceError."""
    name = config.station.name
    header = TraceHeader(
        name, clock.now(), calendar_s(), {"station_id": config.station.id, "link": config.link.kind, "program": "run"}
    )
    recorder = TraceRecorder(
        trace_path(section.record, name),
        header,
        max_bytes=section.max_bytes,
        when_full=WhenFull(section.when_full),
        say=warn,
    )
    if say is not None:
        say(f"recording a trace: {recorder.path}")
    return LinkRecording(recorder, name, clock, name_of=config.net.name_of)


def _build_channel(
    config: StationConfig,
    clock: Clock,
    metrics: Metrics,
    say: Callable[[str], None] | None,
    keying: Keying | None,
    recording: LinkRecording | None,
) -> Link:
    section = config.link
    measured = None if recording is None else recording.measured
    told = say if recording is None else _both(recording.status, say)
    link: Link
    if section.kind == "zeromq-peers":
        link = ZeromqPeersLink(section.bind, section.connect, metrics, clock, curve=open_curve(section.curve))
    elif section.kind == "zeromq-channel":
        name = section.station or config.station.name
        link = ZeromqChannelLink(section.endpoint, name, metrics, clock, curve=open_curve(section.curve))
    elif section.kind == "modem":
        link = build_modem_link(section, clock, metrics, told, keying, measured)
    elif section.kind == "bridge":
        link = build_bridge_link(section, config.station.name, clock, metrics, told, measured)
    else:
        link = ParrotLink(clock, PARROT_QUIET_S if section.mode == "parrot" else 0.0, metrics)
    if config.channel is None:
        return link
    source = config.channel.preset if config.channel.preset is not None else config.channel.file
    assert source is not None
    return EmulatedLink(link, load_channel(source), np.random.default_rng(config.channel.seed), clock)


def _both(first: Callable[[str], None], second: Callable[[str], None] | None) -> Callable[[str], None]:
    def tell(line: str) -> None:
        first(line)
        if second is not None:
            second(line)

    return tell


def build_modem_link(
    section: ModemLink,
    clock: Clock,
    metrics: Metrics,
    say: Callable[[str], None] | None = None,
    keying: Keying | None = None,
    measured: Callable[[str, float], None] | None = None,
) -> Link:
    """The modem of a [link] section, keyed by `keying`. Raises ConfigError for a profile or settings that are wrong."""
    from firmware_bridge import link as modem
    from firmware_bridge.profile import load_profile

    return modem.ModemLink(
        modem.with_settings(load_profile(section.profile), section.settings),
        section.port,
        metrics=metrics,
        clock=clock,
        rng=random.Random(),
        raw_log=section.raw_log,
        on_status=say,
        make_keyer=None if keying is None else lambda: (keying, keying.line_among(section.port)),
        on_measured=measured,
    )


def build_bridge_link(
    section: BridgeLink,
    station: str,
    clock: Clock,
    metrics: Metrics,
    say: Callable[[str], None] | None = None,
    measured: Callable[[str, float], None] | None = None,
) -> Link:
    """The modem behind a bridge process. Raises ConfigError for a profile that is wrong, SecurityError for keys."""
    from firmware_bridge import bridge_link
    from firmware_bridge.profile import load_profile

    return bridge_link.BridgeLink(
        section.endpoint,
        section.station or station,
        load_profile(section.profile),
        metrics=metrics,
        clock=clock,
        curve=open_curve(section.curve),
        on_status=say,
        on_measured=measured,
    )


def protection_of(path: Path, config: StationConfig) -> Protection:
    """What guards the voice. Raises ConfigError for a preset that is not there or cannot be with security."""
    protection = build_protection(config.protection)
    if protection.is_bit and config.security.mode != "none":
        raise ConfigError(f"{path}: protection.name: {BIT_WITH_SECURITY}")
    return protection


def wants_crc(config: StationConfig, link: Link, protection: Protection) -> bool:
    """Whether packets carry a CRC: as configured, or where neither the link nor security nor bit protection checks."""
    if protection.is_bit:
        return False
    checked = link.info.has_integrity or config.security.mode != "none"
    return config.packets.crc == "on" or (config.packets.crc == "auto" and not checked)


def check_live(path: Path, config: StationConfig, link: Link, always: LiveProtection) -> None:
    """Raise ConfigError where the link's known figures leave no room for live voice as configured.

    A link that learns its figures from the other side is looked at again when it has (`Station`). A station with a
    [messages] section starts all the same: what is said on it goes as a recorded message. `always` is what every
    voice packet has besides its frames.
    """
    verdict = live_verdict(profile_of(link.info), config.packets.frames_per_packet, always)
    if verdict.fit is not Fit.LIVE and config.messages is None:
        raise ConfigError(f"{path}: packets.frames_per_packet: {verdict.reason}")
