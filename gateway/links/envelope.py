"""What stations and a channel process say to each other: small msgpack maps, one per ZeroMQ message.

Rule: `unpack` never raises; whatever is not one of these messages, whole and of this version, is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import msgpack

VERSION = 1
MAX_NAME = 64
PRESENT_S = 3.5
"""Silence after which the other side of a channel counts as gone: three keepalives and some."""
MAX_PAYLOAD_BYTES = 65_535
MAX_MESSAGE_BYTES = MAX_PAYLOAD_BYTES + 1024


@dataclass(frozen=True, slots=True)
class Hello:
    """Station to channel: I am here, as `station`; `token` is new each time a station opens its link."""

    station: str
    token: int


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet: to the channel with its sender's name and token, from the channel with the talker's name and 0."""

    station: str
    token: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Bye:
    """Station to channel: I am leaving."""

    station: str
    token: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """Channel to station, the answer to each Hello: the channel's figures (0: no limit)."""

    mtu_bytes: int
    rate_bps: float
    half_duplex: bool
    turnaround_s: float
    overhead_bytes: int
    delay_s: float = 0.0
    """From end to end; a channel process that does not know better leaves it out."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Channel to station: you cannot take part (any longer), and why."""

    reason: str


Message = Hello | Packet | Bye | Welcome | Refused


def pack(message: Message) -> bytes:
    """The bytes of `message`: [version, kind, fields in order]."""
    values = [getattr(message, field.name) for field in fields(message)]
    packed: bytes = msgpack.packb([VERSION, type(message).__name__.lower(), *values])
    return packed


def unpack(data: bytes) -> Message | None:
    """The message that `data` holds, None if it holds none."""
    try:
        parts = msgpack.unpackb(data, max_bin_len=MAX_PAYLOAD_BYTES)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException):
        return None
    if not isinstance(parts, list) or not parts or parts[0] != VERSION:
        return None
    match parts[1:]:
        case ["hello", str(station), int(token)] if _is_name(station):
            return Hello(station, token)
        case ["packet", str(station), int(token), bytes(payload)] if _is_name(station):
            return Packet(station, token, payload)
        case ["bye", str(station), int(token)] if _is_name(station):
            return Bye(station, token)
        case ["welcome", int(mtu), float(rate), bool(half_duplex), float(turnaround), int(overhead)]:
            if mtu >= 0 and overhead >= 0 and 0 <= rate < math.inf and 0 <= turnaround < math.inf:
                return Welcome(mtu, rate, half_duplex, turnaround, overhead)
        case ["welcome", int(mtu), float(rate), bool(half_duplex), float(turnaround), int(overhead), float(delay)]:
            if mtu >= 0 and overhead >= 0 and 0 <= rate < math.inf and 0 <= turnaround < math.inf:
                return Welcome(mtu, rate, half_duplex, turnaround, overhead, delay) if 0 <= delay < math.inf else None
        case ["refused", str(reason)]:
            return Refused(reason)
    return None


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME
