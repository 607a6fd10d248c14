"""What is learnt of an over from its packets, and the facts of a recording as they stand in its JSON file.

Rule: values in, values out; a receiver shows packets here, nothing is parsed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.protocol.packets import FRAME_S, ParityPacket, SessionBlock
from gateway.recording.packets import OverHeader, OverPacket

if TYPE_CHECKING:
    from gateway.config import StationConfig

MAX_WAITING_BYTES = 1_000_000
"""Packets of an over that is not played yet."""


@dataclass(slots=True)
class PacketLog:
    """The packets of an over, from its first one on; `waiting` until there is a recording that they belong to."""

    header: OverHeader
    waiting: bytearray
    packets: int = 0
    air_bytes: int = 0
    frames_per_packet: int = 0
    protection: str = "none"
    session: SessionBlock | None = None

    @classmethod
    def of(cls, header: OverHeader) -> PacketLog:
        """An over begins."""
        return cls(header, bytearray(header.item()))

    def take(self, one: OverPacket) -> bytes:
        """Learn from a packet; its item."""
        packet = one.packet
        self.packets += 1
        self.air_bytes += one.air_bytes or 0
        if isinstance(packet, ParityPacket):
            self.protection = f"reed-solomon {packet.members + packet.parities},{packet.members}" + (
                f" depth {packet.depth}" if packet.depth > 1 else ""
            )
        else:
            self.frames_per_packet = max(self.frames_per_packet, len(packet.frames))
            self.session = self.session or packet.session
            if packet.repeat is not None and not packet.end_of_over:
                scheme = packet.repeat.scheme.name.lower().replace("_", "-")
                self.protection = f"{scheme} repeat, {packet.repeat.distance} back"
        return one.item()

    def values(self) -> dict[str, Any]:
        """What its packets tell."""
        session = self.session
        return {
            "packets": self.packets,
            "air_bytes": self.air_bytes or None,
            "frames_per_packet": self.frames_per_packet or None,
            "packet_ms": round(1000 * FRAME_S * self.frames_per_packet) or None,
            "protection": self.protection,
            "group": None if session is None else session.group,
            "codec": None if session is None else {"id": session.codec_id, "version": session.codec_version},
            "cushion_ms": self.header.cushion_ms,
            "repair_wait_ms": self.header.repair_ms or None,
        }


def facts_json(values: Mapping[str, Any]) -> bytes:
    """The JSON file of a recording; what is not known is left out, and its begin is also told for people."""
    known = {key: value for key, value in values.items() if value is not None}
    wall_s = known.get("wall_s")
    if isinstance(wall_s, float) and 0 <= wall_s < 1e11:
        known["begin"] = datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")
    return json.dumps(known, ensure_ascii=False, indent=1).encode() + b"\n"


def config_excerpt(config: StationConfig) -> dict[str, Any]:
    """What of a station's configuration bears on how an over sounds; no keys, no paths, no addresses."""
    link: dict[str, Any] = {"kind": config.link.kind}
    profile = getattr(config.link, "profile", None)
    if isinstance(profile, str):
        link["profile"] = profile.rpartition("/")[2]
    excerpt: dict[str, Any] = {
        "link": link,
        "packets": config.packets.model_dump(),
        "protection": config.protection.model_dump(),
        "jitter": config.jitter.model_dump(),
        "adaptation": config.adaptation.mode,
        "codec": config.codec.model_dump(include={"search", "lookahead"}),
        "noise_suppression": config.audio.noise_suppression,
        "security": config.security.mode,
    }
    if config.channel is not None:
        preset, file = config.channel.preset, config.channel.file
        excerpt["channel"] = preset if preset is not None else None if file is None else file.name
    return excerpt
