"""A station from a configuration and the parts that touch the world: the same for `clarilink run` and simulated time.

Rule: decides nothing and starts nothing; what is random comes from `rng`, and where it is None from the system.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_bridge.ptt.keying import Keying
from gateway.audio.base import AudioInput, AudioOutput
from gateway.clock import Clock
from gateway.codec import Codec, SearchPace
from gateway.codec.level import TalkerLevel
from gateway.config import StationConfig
from gateway.control.hub import ControlHub
from gateway.control.kept import Kept
from gateway.links.base import Link
from gateway.metrics import Metrics
from gateway.protocol.cushion import AdaptiveCushion, CushionRules
from gateway.protocol.protection import Protection
from gateway.receive import Receiver
from gateway.recording.recorder import Recorder
from gateway.station.adaptation import LinkCare
from gateway.station.board import StationBoard
from gateway.station.mailbox import Mailbox
from gateway.station.secured import NOT_SECURED, Secured
from gateway.station.speaker import Speaker
from gateway.station.station import Station
from gateway.telling import Say
from gateway.transmit import Suppressor, Transmitter


@dataclass(slots=True)
class StationParts:
    """What a station is made of. `crc` as `station.link.wants_crc` says; `suppressor` makes the noise suppressor of an
    over; `pace` paces the encoder's search (None: it takes its full time)."""

    config: StationConfig
    codec: Codec
    link: Link
    audio: tuple[AudioInput, AudioOutput]
    clock: Clock
    metrics: Metrics
    say: Say
    crc: bool
    protection: Protection = field(default_factory=Protection)
    security: Secured = NOT_SECURED
    suppressor: Callable[[], Suppressor] | None = None
    pace: SearchPace | None = None
    keying: Keying | None = None
    recorder: Recorder | None = None
    hub: ControlHub | None = None
    kept: Kept | None = None
    rng: random.Random | None = None


def build_cushion(config: StationConfig) -> AdaptiveCushion | None:
    """What learns the wait before an over; None where it is pinned."""
    if config.jitter.adapt == "off":
        return None
    least_s = config.jitter.cushion_ms / 1000
    most_s = (config.jitter.cap_ms - config.packets.packet_ms) / 1000
    return AdaptiveCushion(CushionRules(least_s, max(least_s, most_s)))


def build_station(parts: StationParts) -> Station:
    """Put it together and open its link. Raises GatewayError for a spool or link that cannot be used."""
    config, clock, metrics = parts.config, parts.clock, parts.metrics
    rng = random.SystemRandom() if parts.rng is None else parts.rng
    kept = Kept() if parts.kept is None else parts.kept
    talker = TalkerLevel(kept.talker_db)
    transmitter = Transmitter(
        parts.codec,
        source=config.station.id,
        group=config.station.group,
        frames_per_packet=config.packets.frames_per_packet,
        crc=parts.crc,
        rng=rng,
        metrics=metrics,
        lookahead=config.codec.lookahead,
        suppressor=parts.suppressor,
        sealer=parts.security.sealer,
        protection=parts.protection,
        search=config.codec.search != "off",
        pace=parts.pace,
        talker=talker,
        tap=None if parts.recorder is None else parts.recorder.said_packet,
    )
    receiver = Receiver(
        parts.codec,
        frames_per_packet=config.packets.frames_per_packet,
        crc=parts.crc,
        cushion_s=config.jitter.cushion_ms / 1000,
        cap_s=config.jitter.cap_ms / 1000,
        metrics=metrics,
        cushion=build_cushion(config),
        opener=parts.security.opener,
        protection=parts.protection,
        tap=parts.recorder,
    )
    speaker = Speaker(parts.audio[1], kept.volume_db, is_muted=kept.is_muted)
    mailbox = Mailbox.of(
        config, parts.codec, parts.suppressor, parts.link.info, transmitter.carriage, rng, metrics, parts.say, talker
    )
    return Station(
        config,
        transmitter,
        receiver,
        parts.link,
        (parts.audio[0], speaker),
        clock,
        metrics,
        parts.say,
        LinkCare(config, parts.protection, crc=parts.crc, rng=rng, metrics=metrics),
        mailbox,
        rng,
        parts.keying,
        parts.recorder,
        ControlHub(parts.clock) if parts.hub is None else parts.hub,
        StationBoard(config, clock, kept),
        parts.security.view,
    )
