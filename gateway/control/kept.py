"""What a station remembers over a restart, and its JSON: who was heard, texts, overs, levels of speaker and talker.

Rule: pure; reading takes what it understands and leaves out the rest: an old or damaged file must not stop a station.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.control.snapshot import HeardView, MessageView, OverView, Snapshot, plain

FORMAT = 1
T = TypeVar("T", HeardView, MessageView, OverView)


@dataclass(frozen=True, slots=True)
class Kept:
    """Lists are newest first."""

    last_heard: tuple[HeardView, ...] = ()
    texts: tuple[MessageView, ...] = ()
    overs: tuple[OverView, ...] = ()
    volume_db: float = 0.0
    is_muted: bool = False
    talker_db: float | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> Kept:
        """What of a snapshot is to be kept: messages in the spool (they have an id) keep themselves."""
        texts = tuple(message for message in snapshot.messages if message.id is None)
        audio = snapshot.audio
        return cls(snapshot.last_heard, texts, snapshot.overs, audio.volume_db, audio.is_muted, audio.talker_db)

    def to_json(self) -> str:
        """One line."""
        return json.dumps({"format": FORMAT, **plain(self)}, ensure_ascii=False)


def kept_of(text: str) -> Kept | None:
    """What `Kept.to_json` wrote, as far as it can be understood; None where nothing can be."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return None
    volume_db: Any = found.get("volume_db")
    talker_db: Any = found.get("talker_db")
    return Kept(
        _views(HeardView, found.get("last_heard")),
        _views(MessageView, found.get("texts")),
        _views(OverView, found.get("overs")),
        float(volume_db) if _is(volume_db, float) and -40 <= volume_db <= 20 else 0.0,
        found.get("is_muted") is True,
        float(talker_db) if _is(talker_db, float) and -100 <= talker_db <= 0 else None,
    )


def _views(kind: type[T], items: object) -> tuple[T, ...]:
    if not isinstance(items, list):
        return ()
    views = (_view(kind, item) for item in items)
    return tuple(view for view in views if view is not None)


def _view(kind: type[T], item: object) -> T | None:
    if not isinstance(item, Mapping):
        return None
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name not in item:
            if field.default is dataclasses.MISSING:
                return None
            continue
        if not _is(item[field.name], hints[field.name]):
            return None
        values[field.name] = item[field.name]
    return kind(**values)


def _is(value: Any, hint: Any) -> bool:
    """Whether `value` is of a plain type (str, int, float, bool) or one of a union of those and None."""
    if isinstance(hint, types.UnionType):
        return any(_is(value, one) for one in typing.get_args(hint))
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
    return isinstance(value, hint)
