"""From configuration and link to the rules of the push-to-talk.

Rule: values in, values out; what the session does with them is its own.
"""

from __future__ import annotations

from gateway.config import StationConfig
from gateway.links.base import LinkInfo
from gateway.protocol.live import NO_PROTECTION, live_row
from gateway.ptt_config import VoxKey
from gateway.session.floor import FloorRules
from gateway.session.machine import SessionMachine
from gateway.station.adaptation import profile_of

KEY_UP_LIMIT_S = 3.0
"""A transmitter that is not up this long after its delay will not come up: more than a radio has to answer (CAT)."""
SLOT_MARGIN_S = 0.25
"""What a loop turn, a sound block and a modem add to the detection time."""


def machine_of(config: StationConfig, info: LinkInfo) -> SessionMachine:
    """The session's rules on a link as it is known now."""
    return SessionMachine.from_config(config.ptt, key_up_s=key_up_s(config), floor=floor_of(config, info))


def key_up_s(config: StationConfig) -> float:
    """How long the key-up guard lasts at most; 0 where the key goes on for each packet, or by the radio's own VOX."""
    keying = config.keying
    if keying is None or keying.hold != "over" or isinstance(keying.device, VoxKey):
        return 0.0
    return keying.delay_ms / 1000 + KEY_UP_LIMIT_S


def floor_of(config: StationConfig, info: LinkInfo) -> FloorRules | None:
    """Floor control; its slot is the mouth-to-ear delay without a cushion (9.7), unless the configuration has it."""
    ptt = config.ptt
    if ptt.floor == "off":
        return None
    if ptt.floor_slot_ms is not None:
        slot_s = ptt.floor_slot_ms / 1000
    else:
        row = live_row(profile_of(info), config.packets.frames_per_packet, NO_PROTECTION)
        slot_s = row.delay_s + SLOT_MARGIN_S
    return FloorRules(config.station.id, ptt.floor_order, slot_s, ptt.floor_slots, ptt.floor_wait_s)


def is_full_duplex(config: StationConfig, info: LinkInfo) -> bool:
    """Whether the operator can talk and listen at the same time."""
    if config.ptt.duplex == "auto":
        # A loopback without another station: the operator is to hear himself while he talks.
        return config.link.kind == "memory" and config.link.mode == "loopback"
    return config.ptt.duplex == "full" and not info.half_duplex
