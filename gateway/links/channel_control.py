"""What can be asked of a running channel process, and changed in it: JSON in, JSON out (CONTROL.md).

Rule: whatever comes in is answered, with a text that says what was wrong where something was; no answer takes longer
than a few milliseconds, for packets wait meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import structlog

from gateway.channel.impairments import ChannelSpec
from gateway.channel.network import PathFigures
from gateway.channel.selection import Selection, select
from gateway.channel.spec_file import figures_change
from gateway.errors import ConfigError
from gateway.links.channel_core import ChannelCore

MAX_REQUEST_BYTES = 16_384
PAGE = 64
"""Paths in one answer at most."""

Answer = dict[str, Any]
_ALL_FIGURES = frozenset(field.name for field in fields(ChannelSpec)) | {"preset"}


class _Refusal(Exception):
    """A request that cannot be met, and why."""


def answer(core: ChannelCore, request: bytes, now_s: float, refused: Mapping[str, int]) -> bytes:
    """The reply to a request; `refused` are newcomers not let in, by reason."""
    try:
        done = _do(core, _parse(request), now_s, refused)
    except (_Refusal, ConfigError, ValueError) as error:
        return _packed({"ok": False, "error": str(error)})
    except Exception as error:  # of a model: its fault must not end the net
        structlog.get_logger("clarilink.channel").exception("control request failed")
        return _packed({"ok": False, "error": f"failed inside: {error!r}"})
    return _packed({"ok": True, **done})


def _packed(reply: Answer) -> bytes:
    return json.dumps(reply).encode()


def _parse(request: bytes) -> Mapping[str, Any]:
    try:
        asked = json.loads(request)
    except (ValueError, RecursionError):
        raise _Refusal("needs one JSON object in UTF-8") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("do"), str):
        raise _Refusal(f"needs a JSON object with a `do`: {', '.join(sorted(_KEYS))}")
    known = _KEYS.get(asked["do"])
    if known is None:
        raise _Refusal(f"do: got {asked['do']!r}; there are {', '.join(sorted(_KEYS))}")
    for key in asked.keys() - known - {"do"}:
        raise _Refusal(f"{key}: unknown key; {asked['do']} has {', '.join(sorted(known)) or 'none'}")
    return asked


def _do(core: ChannelCore, asked: Mapping[str, Any], now_s: float, refused: Mapping[str, int]) -> Answer:
    match asked["do"]:
        case "status":
            return _status(core, now_s, refused)
        case "paths":
            return _paths(core, asked, now_s)
        case "set":
            return _set(core, asked, now_s)
        case "cut":
            return {"paths": core.network.cut(_selection(asked))}
        case "restore":
            return {"paths": core.network.restore(_selection(asked))}
        case _:
            return {"paths": core.network.reset(_selection(asked))}


_KEYS: Mapping[str, frozenset[str]] = {
    "status": frozenset(),
    "paths": frozenset({"path", "offset"}),
    "set": frozenset({"path", "figures"}),
    "cut": frozenset({"path"}),
    "restore": frozenset({"path"}),
    "reset": frozenset({"path"}),
}


def _selection(asked: Mapping[str, Any], otherwise: str | None = None) -> Selection:
    text = asked.get("path", otherwise)
    if not isinstance(text, str):
        raise _Refusal("path: needs a text: `*`, a station's name, `alpha>bravo` or `alpha<>bravo`")
    return select(text)


def _status(core: ChannelCore, now_s: float, refused: Mapping[str, int]) -> Answer:
    late_s = core.late_s
    return {
        "channel": core.config.default.name,
        "running_s": round(now_s - core.start_s, 3),
        "stations": [{"name": n, "silent_s": round(core.silent_s(n, now_s), 3)} for n in core.stations],
        "paths": len(core.network.pairs),
        "collisions": core.network.collisions,
        "dropped": {**core.dropped, **refused},
        "late_ms": {f"p{share}": _ms(late_s, share) for share in (50, 99, 100)} if late_s else None,
    }


def _ms(ascending_s: list[float], percent: int) -> float:
    return round(1000 * ascending_s[min(len(ascending_s) - 1, len(ascending_s) * percent // 100)], 3)


def _paths(core: ChannelCore, asked: Mapping[str, Any], now_s: float) -> Answer:
    offset = asked.get("offset", 0)
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        raise _Refusal("offset: needs a number of paths to pass over, 0 or more")
    selection = _selection(asked, "*")
    found = [pair for pair in core.network.pairs if selection.fits(*pair)]
    page = found[offset : offset + PAGE]
    return {
        "of": len(found),
        "next": offset + PAGE if offset + PAGE < len(found) else None,
        "paths": [path_row(pair, core.network.figures(pair, now_s)) for pair in page],
    }


def path_row(pair: tuple[str, str], figures: PathFigures) -> Answer:
    """One direction's figures by stable names; `lost` by cause, `delivered` without the collided."""
    stats = figures.stats
    plain = {"lost": stats.lost, "outage": stats.outage_lost, "cut": stats.cut_lost, "queue": stats.queue_drops}
    causes = {**plain, "oversize": stats.oversize, "collision": figures.collided, **figures.causes}
    delays_s = sorted(figures.delays_s)
    return {
        "from": pair[0],
        "to": pair[1],
        "channel": figures.channel,
        "is_cut": figures.is_cut,
        "sent": stats.sent,
        "delivered": stats.delivered - figures.collided,
        "lost": {cause: count for cause, count in causes.items() if count},
        "queue_s": round(figures.queue_s, 3),
        "delay_ms": {f"p{share}": _ms(delays_s, share) for share in (50, 95)} if delays_s else None,
        **{k: v for k, v in asdict(stats).items() if k in ("duplicated", "reordered", "bit_errors", "bytes_delivered")},
    }


def _set(core: ChannelCore, asked: Mapping[str, Any], now_s: float) -> Answer:
    figures = asked.get("figures")
    if not isinstance(figures, dict):
        raise _Refusal('figures: needs an object of figures as in a channel file, such as {"loss": 0.2}')
    change: Callable[..., Any] = figures_change(figures)
    names = _ALL_FIGURES if figures.get("preset") is not None else figures.keys()
    return {"paths": core.network.change(_selection(asked), change, names, now_s)}
