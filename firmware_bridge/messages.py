"""The bridge's messages as values, and their bytes (BRIDGE.md, clauses 3 and 6).

Rule: building what the page forbids raises LocalProtocolError; decoding what does not follow it raises
RemoteProtocolError, and what is merely new is `Unknown`. A message has exactly one encoding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar

import msgpack

from firmware_bridge.driver import ModemStatus
from gateway.errors import LocalProtocolError, RemoteProtocolError

VERSION = 1
MAX_MESSAGE_BYTES = 65_535
MAX_PACKET_BYTES = 4096
MAX_NAME_BYTES = 64
MAX_TEXT_BYTES = 200
HOST_SILENT_S = 5.0
"""A device ends the session after so long without a valid message (4.5)."""
DEVICE_SILENT_S = 3.5
"""A host takes the device for silent after so long (4.6)."""
REPEAT_S = 1.0
"""Hello, Ping and unanswered Sends are repeated so often (4.1, 4.5, 5.4)."""
NUMBERS = 1 << 32
HALF_DUPLEX, WHOLE_PACKETS, HAS_KEY = 1, 2, 4
"""Flags of Info (6.1)."""
MAX_KEY = 127
_U8, _U16, _U32 = 0xFF, 0xFFFF, NUMBERS - 1


class LostCause(Enum):
    """Why a packet was lost (6.3)."""

    OTHER = 0
    REFUSED = 1
    KEY_TIME_OUT = 2
    SHUT_DOWN = 3


class KeyCause(Enum):
    """Why the key changed (6.6)."""

    WANTED = 0
    HOLD_ENDED = 1
    TIME_OUT = 2
    HOST_GONE = 3


STATUS_CODES: Mapping[ModemStatus, int] = {status: code for code, status in enumerate(ModemStatus)}
"""Codes of 6.2."""


def status_of(code: int) -> ModemStatus:
    """The status of a code; codes of later versions are STARTING: not ready yet, as far as is known."""
    return {code: status for status, code in STATUS_CODES.items()}.get(code, ModemStatus.STARTING)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a field may hold; `low` and `high` bound an integer, or the length of text and bytes."""

    types: tuple[type, ...]
    low: int
    high: int
    is_optional: bool = False

    def problem(self, value: object) -> str | None:
        """Why `value` is not allowed, None if it is."""
        if value is None and self.is_optional:
            return None
        if type(value) not in self.types:
            return f"is {type(value).__name__}, needs {' or '.join(kind.__name__ for kind in self.types)}"
        if isinstance(value, float):
            return None if math.isfinite(value) else f"is {value}, needs a finite number"
        if isinstance(value, bool):
            return None
        measured, unit = value, ""
        if isinstance(value, str):
            measured, unit = len(value.encode("utf-8", "surrogateescape")), " bytes"
        elif isinstance(value, bytes):
            measured, unit = len(value), " bytes"
        assert isinstance(measured, int)
        if self.low <= measured <= self.high:
            return None
        return f"is {measured}{unit}, needs {self.low} to {self.high}"


def _int(high: int, low: int = 0) -> Any:
    return field(metadata={"rule": _Rule((int,), low, high)})


def _int_or_none(high: int, low: int = 0) -> Any:
    return field(default=None, metadata={"rule": _Rule((int,), low, high, is_optional=True)})


def _bool() -> Any:
    return field(metadata={"rule": _Rule((bool,), 0, 1)})


def _text(high: int) -> Any:
    return field(metadata={"rule": _Rule((str,), 0, high)})


def _text_or_none(high: int) -> Any:
    return field(default=None, metadata={"rule": _Rule((str,), 0, high, is_optional=True)})


def _bytes(high: int) -> Any:
    return field(metadata={"rule": _Rule((bytes,), 0, high)})


def _bytes_or_none(high: int) -> Any:
    return field(default=None, metadata={"rule": _Rule((bytes,), 0, high, is_optional=True)})


def _number() -> Any:
    return field(metadata={"rule": _Rule((int, float), -(1 << 63), (1 << 64) - 1)})


@dataclass(frozen=True, slots=True)
class Message:
    """Base of all: fields have keys 1, 2, ... in their order."""

    KIND: ClassVar[int] = -1

    def __post_init__(self) -> None:
        for name, rule in _rules(type(self)):
            problem = rule.problem(getattr(self, name))
            if problem is not None:
                raise LocalProtocolError(f"{type(self).__name__}.{name} {problem} (BRIDGE.md, clause 6)")

    def to_bytes(self) -> bytes:
        """The one encoding."""
        pairs: dict[int, object] = {0: self.KIND}
        for key, (name, _) in enumerate(_rules(type(self)), 1):
            value = getattr(self, name)
            if value is not None:
                pairs[key] = value
        packed: bytes = msgpack.packb(pairs)
        return packed


_RULES: dict[str, tuple[tuple[str, _Rule], ...]] = {}


def _rules(kind: type[Message]) -> tuple[tuple[str, _Rule], ...]:
    known = _RULES.get(kind.__name__)
    if known is None:
        known = tuple((item.name, item.metadata["rule"]) for item in fields(kind))
        _RULES[kind.__name__] = known
    return known


# ---- to the device


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """A host begins, or goes on with, a session."""

    KIND = 1
    version: int = _int(_U8, 1)
    session: int = _int(_U32, 1)
    name: str = _text(MAX_NAME_BYTES)


@dataclass(frozen=True, slots=True)
class Send(Message):
    """A packet for the air."""

    KIND = 2
    number: int = _int(_U32)
    packet: bytes = _bytes(MAX_PACKET_BYTES)


@dataclass(frozen=True, slots=True)
class Key(Message):
    """Hold the transmitter keyed for `hold_ms` from now."""

    KIND = 3
    hold_ms: int = _int(_U16, 1)


@dataclass(frozen=True, slots=True)
class Unkey(Message):
    """Hold it no longer."""

    KIND = 4


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Are you there?"""

    KIND = 5
    token: int = _int(_U32)


@dataclass(frozen=True, slots=True)
class GetStatistics(Message):
    """Asks for Statistics."""

    KIND = 6


@dataclass(frozen=True, slots=True)
class Bye(Message):
    """The host leaves."""

    KIND = 7


# ---- to the host


@dataclass(frozen=True, slots=True)
class Info(Message):
    """The device's account of itself and its channel (6.1)."""

    KIND = 33
    version: int = _int(_U8)
    session: int = _int(_U32)
    mtu_bytes: int = _int(MAX_PACKET_BYTES, 1)
    queue_packets: int = _int(_U8, 1)
    rate_cbps: int = _int(_U32)
    """Hundredths of a bit per second; 0: not known."""
    overhead_bytes: int = _int(_U16)
    fixed_ms: int = _int(_U32)
    turnaround_ms: int = _int(_U32)
    delay_ms: int = _int(_U32)
    flags: int = _int(_U8)
    name: str = _text(MAX_NAME_BYTES)


@dataclass(frozen=True, slots=True)
class Refused(Message):
    """This host cannot have the modem, and why."""

    KIND = 34
    reason: str = _text(MAX_TEXT_BYTES)


@dataclass(frozen=True, slots=True)
class Sent(Message):
    """The modem has packet `number` whole."""

    KIND = 35
    number: int = _int(_U32)


@dataclass(frozen=True, slots=True)
class Lost(Message):
    """Packet `number` will not be sent."""

    KIND = 36
    number: int = _int(_U32)
    cause: int = _int(_U8)
    reason: str | None = _text_or_none(MAX_TEXT_BYTES)


@dataclass(frozen=True, slots=True)
class Heard(Message):
    """A packet from the air; `soft`: 8 bytes for each of the packet's (6.4)."""

    KIND = 37
    packet: bytes = _bytes(MAX_PACKET_BYTES)
    snr_ddb: int | None = _int_or_none(0x7FFF, -0x8000)
    """Tenths of a decibel."""
    soft: bytes | None = _bytes_or_none(8 * MAX_PACKET_BYTES)

    def __post_init__(self) -> None:
        Message.__post_init__(self)
        if self.soft is not None and len(self.soft) != 8 * len(self.packet):
            raise LocalProtocolError(f"Heard.soft has {len(self.soft)} bytes, needs {8 * len(self.packet)} (6.4)")


@dataclass(frozen=True, slots=True)
class Status(Message):
    """The modem's state (6.2) and, in words, why."""

    KIND = 38
    status: int = _int(_U8)
    text: str | None = _text_or_none(MAX_TEXT_BYTES)


@dataclass(frozen=True, slots=True)
class Figure(Message):
    """Measured: a figure of the modem."""

    KIND = 39
    name: str = _text(MAX_NAME_BYTES)
    value: float = _number()


@dataclass(frozen=True, slots=True)
class LinesNow(Message):
    """Lines: those there are, and those that are on (6.5)."""

    KIND = 40
    present: int = _int(_U8)
    on: int = _int(_U8)


@dataclass(frozen=True, slots=True)
class Keyed(Message):
    """The key changed; `cause` as in 6.6."""

    KIND = 41
    is_on: bool = _bool()
    cause: int = _int(_U8)


@dataclass(frozen=True, slots=True)
class Statistics(Message):
    """Counts since the start (6.8)."""

    KIND = 42
    uptime_ms: int = _int(_U32)
    rx_frames: int | None = _int_or_none(_U32)
    rx_bad_frames: int | None = _int_or_none(_U32)
    rx_overrun_bytes: int | None = _int_or_none(_U32)
    rx_malformed: int | None = _int_or_none(_U32)
    sent_packets: int | None = _int_or_none(_U32)
    lost_packets: int | None = _int_or_none(_U32)
    heard_packets: int | None = _int_or_none(_U32)
    heard_dropped: int | None = _int_or_none(_U32)
    key_time_outs: int | None = _int_or_none(_U32)


@dataclass(frozen=True, slots=True)
class Pong(Message):
    """The answer to Ping."""

    KIND = 43
    token: int = _int(_U32)
    session: int = _int(_U32)
    status: int = _int(_U8)
    waiting_packets: int = _int(_U8)
    is_keyed: bool = _bool()


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed message of a kind that this version does not know."""

    kind: int


TO_DEVICE: tuple[type[Message], ...] = (Hello, Send, Key, Unkey, Ping, GetStatistics, Bye)
TO_HOST: tuple[type[Message], ...] = (
    Info,
    Refused,
    Sent,
    Lost,
    Heard,
    Status,
    Figure,
    LinesNow,
    Keyed,
    Statistics,
    Pong,
)
_KINDS = {kind.KIND: kind for kind in (*TO_DEVICE, *TO_HOST)}


class _Pairs(list[tuple[object, object]]):
    """A map as it was written: a dict would hide keys that come twice."""


def decode(data: bytes, kinds: tuple[type[Message], ...] = (*TO_DEVICE, *TO_HOST)) -> Message | Unknown:
    """The message that `data` is; kinds other than `kinds` (TO_DEVICE, TO_HOST) are unknown to this side.

    Raises RemoteProtocolError for what is malformed (3.3).
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError(f"a bridge message of {len(data)} bytes; at most {MAX_MESSAGE_BYTES}")
    values = _values(data)
    kind = values.get(0)
    if type(kind) is not int or kind < 0:
        raise RemoteProtocolError(f"bridge message without a kind: {values.get(0)!r}")
    made = _KINDS.get(kind)
    if made not in kinds:
        return Unknown(kind)
    arguments: dict[str, Any] = {}
    for key, (name, rule) in enumerate(_rules(made), 1):
        if key not in values:
            if not rule.is_optional:
                raise RemoteProtocolError(f"{made.__name__} without {name} (key {key})")
            continue
        value = values[key]
        problem = "is nil" if value is None else rule.problem(value)
        if problem is not None:
            raise RemoteProtocolError(f"{made.__name__}.{name} {problem}")
        arguments[name] = _shown(value, rule.high) if isinstance(value, str) else value
    try:
        return made(**arguments)
    except LocalProtocolError as error:
        raise RemoteProtocolError(str(error)) from error


def _values(data: bytes) -> dict[int, object]:
    try:
        pairs = msgpack.unpackb(
            data,
            strict_map_key=False,
            object_pairs_hook=_Pairs,
            unicode_errors="surrogateescape",
            max_ext_len=0,
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise RemoteProtocolError(f"not a bridge message: {error}") from error
    if not isinstance(pairs, _Pairs):
        raise RemoteProtocolError(f"not a bridge message: {type(pairs).__name__} in place of a map")
    values: dict[int, object] = {}
    last = -1
    for key, value in pairs:
        if type(key) is not int or not last < key <= MAX_KEY:
            raise RemoteProtocolError(f"bridge message with key {key!r} after {last}")
        if value is not None and type(value) not in (bool, int, float, str, bytes):
            raise RemoteProtocolError(f"bridge message with a {type(value).__name__} in it")
        values[key] = value
        last = key
    return values


def _shown(text: str, limit: int) -> str:
    return clip(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), limit)


def clip(text: str, limit: int = MAX_TEXT_BYTES) -> str:
    """The beginning of `text` that fits `limit` bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
