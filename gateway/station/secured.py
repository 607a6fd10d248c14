"""From the [security] section to the two objects that do it: a Sealer for what is sent, an Opener for what is heard.

Rule: with mode "none" both are None and cost nothing; and whoever starts a station is told in words which it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.clock import calendar_s
from gateway.config import FRAME_MS, ChannelCurveSection, CurveSection, PeersCurveSection, StationConfig
from gateway.control.snapshot import SecurityView
from gateway.errors import ConfigError
from gateway.keys import load_curve_folder, load_curve_secret, load_keys
from gateway.links.curve import Curve
from gateway.protocol.opening import Opener
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import MASTER_BYTES, MAX_PACKETS, NetKey, SecurityMode, Suite, Use, check_value
from gateway.station.security_state import SecurityState

TOLD_OFF = "security off: anybody can hear this net and talk on it"


@dataclass(frozen=True, slots=True)
class Secured:
    """The security of one station; `close` after the last packet."""

    sealer: Sealer | None
    opener: Opener | None
    told: str
    view: SecurityView
    state: SecurityState | None = None

    def close(self) -> None:
        """Let go of the state file."""
        if self.state is not None:
            self.state.close()


NOT_SECURED = Secured(None, None, TOLD_OFF, SecurityView("none", text=TOLD_OFF))


def open_security(config: StationConfig, warn: Callable[[str], None]) -> Secured:
    """Read keys, open the memory of counters; `warn` gets troubles with it. Raises SecurityError or ConfigError."""
    section = config.security
    if section.mode == "none":
        return NOT_SECURED
    assert section.key_file is not None
    check_longest_over(config)
    keys = load_keys(section.key_file)
    suite = Suite(SecurityMode(section.mode), section.tag_bytes)
    state_file = section.state_file
    if state_file is None:
        state_file = section.key_file.with_name(f"{section.key_file.name}.station-{config.station.id}.state")
    state = SecurityState(state_file, calendar_s=calendar_s(), warn=warn)
    # A memory link gives back what was sent: there, one's own packets are what there is to hear.
    own = None if config.link.kind == "memory" else config.station.id
    sealer = Sealer(suite, keys.sends, source=config.station.id, counters=state, random_bytes=secrets.token_bytes)
    opener = Opener(
        suite,
        keys.accepted,
        state,
        packet_s=config.packets.packet_ms / 1000,
        hold_s=config.jitter.cushion_ms / 1000,
        own_source=own,
    )
    told = (
        f"security {section.mode}: sending with key {keys.sends.key_id} (check {check_value(keys.sends)}), "
        f"tags of {suite.tag_bytes} bytes, accepting keys {', '.join(map(str, sorted(keys.accepted)))}"
    )
    view = SecurityView(section.mode, keys.sends.key_id, tuple(sorted(keys.accepted)), text=told)
    return Secured(sealer, opener, told, view, state)


def check_longest_over(config: StationConfig) -> None:
    """Raise ConfigError where an over may be longer than one counter of security can seal (SPEC.md, 13)."""
    if config.security.mode == "none":
        return
    shortest = config.packets.frames_per_packet
    if config.adaptation.mode == "on":
        shortest = min(shortest, config.adaptation.shortest)
    packet_s = shortest * FRAME_MS / 1000
    if config.ptt.time_out_s / packet_s >= MAX_PACKETS:
        raise ConfigError(
            f"ptt.time_out_s {config.ptt.time_out_s:g} is too long with security: an over has at most {MAX_PACKETS} "
            f"packets, {MAX_PACKETS * packet_s:.0f} s of speech"
        )


def open_curve(section: CurveSection | ChannelCurveSection | None) -> Curve | None:
    """The keys of a [curve] section, read from their files. Raises SecurityError or ConfigError."""
    if section is None:
        return None
    pair = load_curve_secret(section.secret_key)
    if isinstance(section, ChannelCurveSection):
        return Curve(pair.public, pair.secret, (section.server_key,))
    peers = section.peer_keys if isinstance(section, PeersCurveSection) else ()
    listed = frozenset() if section.allow_folder is None else load_curve_folder(section.allow_folder)
    return Curve(pair.public, pair.secret, peers, listed | set(section.allow) | set(peers))


class ForgetfulState:
    """Counters and memory for a run within one process, with a key that nobody keeps."""

    def __init__(self) -> None:
        self._next = 0
        self._heard: dict[tuple[Use, int, int], int] = {}

    def take(self) -> int:
        """Counts up from 0."""
        self._next += 1
        return self._next - 1

    def highest(self, use: Use, source: int, key_id: int) -> int:
        """As accepted in this run."""
        return self._heard.get((use, source, key_id), -1)

    def remember(self, use: Use, source: int, key_id: int, counter: int) -> None:
        """Until the end of the run."""
        self._heard[use, source, key_id] = counter


def throwaway_security(
    suite: Suite, *, source: int, packet_s: float, hold_s: float, random_bytes: Callable[[int], bytes]
) -> tuple[Sealer, Opener]:
    """Both ends of a loopback, under a key that is gone afterwards."""
    key, state = NetKey(1, random_bytes(MASTER_BYTES)), ForgetfulState()
    sealer = Sealer(suite, key, source=source, counters=state, random_bytes=random_bytes)
    return sealer, Opener(suite, {1: key}, state, packet_s=packet_s, hold_s=hold_s)
