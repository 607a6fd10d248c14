"""What an operator may ask of a station, from whichever console, and as the mapping that travels.

Rule: values only. A request from outside is checked here, field by field: what comes out of `request_of` is sound.

A key that is held from afar (a phone) has a lease: it counts as released `lease_s` after it was last pressed or held,
so that a console that dies or loses its network cannot keep a transmitter on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import RequestError

MAX_TEXT_CHARACTERS = 200
MAX_HOLDER_CHARACTERS = 40
LEASE_S = 1.0
LONGEST_LEASE_S = 10.0


@dataclass(frozen=True, slots=True)
class PressKey:
    """The key of `holder` goes down; `break_in` talks over others. `lease_s` None: a local key that reports release."""

    holder: str
    break_in: bool = False
    lease_s: float | None = None


@dataclass(frozen=True, slots=True)
class HoldKey:
    """The key of `holder` is still down: its lease begins anew. Nothing if it is not down."""

    holder: str


@dataclass(frozen=True, slots=True)
class ReleaseKey:
    """The key of `holder` goes up."""

    holder: str


@dataclass(frozen=True, slots=True)
class ToggleKey:
    """A latching key: ends any press, whoever holds it, else begins one."""

    holder: str
    break_in: bool = False


@dataclass(frozen=True, slots=True)
class SendText:
    """A text message for station `to`; None: the own group."""

    text: str
    to: int | None = None


@dataclass(frozen=True, slots=True)
class ToggleRecording:
    """Begin or end the recording of a voice message."""


@dataclass(frozen=True, slots=True)
class PlayMessage:
    """Let a voice message be heard: `id` (hex) as MessageView has it, None: the last that came."""

    id: str | None = None


@dataclass(frozen=True, slots=True)
class RetryMessage:
    """Send a message that was given up again."""

    id: str


@dataclass(frozen=True, slots=True)
class DeleteMessage:
    """Drop a message from the spool."""

    id: str


@dataclass(frozen=True, slots=True)
class ReplayOver:
    """Let an over that was heard be heard again; 1 is the newest."""

    index: int = 1


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """Be silent: messages, replays and test tones end."""


@dataclass(frozen=True, slots=True)
class SetParrot:
    """Overs come back to the speaker, through the codec, in place of going on the air."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class SetVolume:
    """The speaker's level, dB, 0 is as received."""

    volume_db: float


@dataclass(frozen=True, slots=True)
class SetMute:
    """The speaker is silent, tones too."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class TestTone:
    """A second of tone to the speaker."""

    __test__ = False


@dataclass(frozen=True, slots=True)
class TestMicrophone:
    """Three seconds of the microphone, then played back, with its level told."""

    __test__ = False


Request = (
    PressKey
    | HoldKey
    | ReleaseKey
    | ToggleKey
    | SendText
    | ToggleRecording
    | PlayMessage
    | RetryMessage
    | DeleteMessage
    | ReplayOver
    | StopPlaying
    | SetParrot
    | SetVolume
    | SetMute
    | TestTone
    | TestMicrophone
)

OPERATIONS: Mapping[str, type[Request]] = {
    "press": PressKey,
    "hold": HoldKey,
    "release": ReleaseKey,
    "toggle": ToggleKey,
    "text": SendText,
    "record": ToggleRecording,
    "play": PlayMessage,
    "retry": RetryMessage,
    "delete": DeleteMessage,
    "replay": ReplayOver,
    "stop": StopPlaying,
    "parrot": SetParrot,
    "volume": SetVolume,
    "mute": SetMute,
    "tone": TestTone,
    "microphone": TestMicrophone,
}
_NAMES = {kind: name for name, kind in OPERATIONS.items()}


def mapping_of(request: Request) -> dict[str, Any]:
    """`request` as it travels: {"op": ..., field: value ...}."""
    return {"op": _NAMES[type(request)], **dataclasses.asdict(request)}


def request_of(data: object) -> Request:
    """The request that `data`, from outside, makes. Raises RequestError naming what was wrong."""
    if not isinstance(data, Mapping):
        raise RequestError("a request is a mapping with the key op")
    op = data.get("op")
    kind = OPERATIONS.get(op) if isinstance(op, str) else None
    if kind is None:
        raise RequestError(f"op: got {_short(op)}; needed: one of {', '.join(OPERATIONS)}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in data:
        if name != "op" and name not in fields:
            raise RequestError(f"{op}: unknown key {_short(name)}; known: {', '.join(fields) or 'none'}")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _CHECKS[name](f"{op}.{name}", data[name])
        if values.get(name) is None and field.default is dataclasses.MISSING:
            raise RequestError(f"{op}: {name} is missing")
    made: Request = kind(**values)
    return made


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _bool(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"{where}: got {_short(value)}; needed: true or false")
    return value


def _number(where: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise RequestError(f"{where}: got {_short(value)}; needed: a number from {least:g} to {most:g}")
    return float(value)


def _text(where: str, value: object, most: int) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{where}: got {_short(value)}; needed: text")
    clean = clean_text(value)
    if not clean or len(clean) > most:
        raise RequestError(f"{where}: {len(clean)} characters; needed: 1 to {most}")
    return clean


def _id(where: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= 16 or set(value) - set("0123456789abcdef"):
        raise RequestError(f"{where}: got {_short(value)}; needed: a message id in hex")
    return value


def _station(where: str, value: object) -> int | None:
    return None if value is None else int(_whole(where, value, 0xFFFF))


def _whole(where: str, value: object, most: int, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RequestError(f"{where}: got {_short(value)}; needed: a whole number from {least} to {most}")
    return value


_CHECKS: Mapping[str, Any] = {
    "holder": lambda where, value: _text(where, value, MAX_HOLDER_CHARACTERS),
    "break_in": _bool,
    "is_on": _bool,
    "lease_s": lambda where, value: None if value is None else _number(where, value, 0.1, LONGEST_LEASE_S),
    "text": lambda where, value: _text(where, value, MAX_TEXT_CHARACTERS),
    "to": _station,
    "id": _id,
    "index": lambda where, value: _whole(where, value, 100, 1),
    "volume_db": lambda where, value: _number(where, value, -40, 20),
}


def clean_text(text: str) -> str:
    """Without control characters, which the air protocol does not carry."""
    return "".join(character for character in text if character.isprintable()).strip()
