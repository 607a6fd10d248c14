"""What is done with messages at the control socket: bytes and a client's address in, bytes out (CONTROL.md). No I/O.

Rule: every message is answered or counted, never an exception; one client's flood or slowness is his own loss.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.control.hub import ControlHub
from gateway.control.requests import LEASE_S, PressKey, request_of
from gateway.control.snapshot import plain
from gateway.errors import RequestError
from gateway.service.messages import MAX_REQUEST_BYTES, check_version, pack, ref_of, unpack

RATE_PER_S = 50.0
BURST = 100.0
MAX_CLIENTS = 256
"""Clients remembered; of more, the one longest silent is forgotten."""
MAX_WATCHERS = 32
LONGEST_EVERY_S = 3600.0

Send = Callable[[bytes, bytes], bool]
"""(client, message) -> whether it could be handed on; raises ClientGone."""


class ClientGone(Exception):
    """Nobody is there any more under a client's address."""


@dataclass(slots=True)
class _Client:
    allowance: float = BURST
    seen_s: float = 0.0
    is_told: bool = False
    """That it asks too much."""


@dataclass(frozen=True, slots=True)
class _Watcher:
    every_s: float
    due_s: float
    news_after: int
    snapshot_number: int = -1


class Desk:
    """One per control socket, used by its thread alone; `counts` are messages refused, by reason."""

    def __init__(self, hub: ControlHub) -> None:
        self._hub = hub
        self._clients: OrderedDict[bytes, _Client] = OrderedDict()
        self._watchers: dict[bytes, _Watcher] = {}
        self.counts: Counter[str] = Counter()

    @property
    def watchers(self) -> int:
        """Clients that are sent events."""
        return len(self._watchers)

    def receive(self, client: bytes, data: bytes, now_s: float) -> bytes | None:
        """The answer to a message; None: the client asks too much and was told so already."""
        known = self._client(client, now_s)
        if known.allowance < 1:
            self.counts["too_many"] += 1
            was_told, known.is_told = known.is_told, True
            refusal = f"too many requests; needed: at most {RATE_PER_S:.0f} a second"
            return None if was_told else pack({"ref": None, "ok": False, "error": refusal})
        known.allowance -= 1
        known.is_told = False
        ref: int | str | None = None
        try:
            if len(data) > MAX_REQUEST_BYTES:
                raise RequestError(f"{len(data)} bytes; needed: at most {MAX_REQUEST_BYTES}")
            message = unpack(data)
            ref = ref_of(message)
            check_version(message)
            answer = self._do(client, {k: v for k, v in message.items() if k not in ("v", "ref")}, now_s)
        except RequestError as error:
            self.counts["refused"] += 1
            return pack({"ref": ref, "ok": False, "error": str(error)})
        return pack({"ref": ref, "ok": True, **answer})

    def refuse_parts(self) -> None:
        """A message was no message of one part."""
        self.counts["malformed"] += 1

    def send_events(self, send: Send, now_s: float) -> float | None:
        """Give every watcher what is new and due; returns when the next is due, None: when something happens."""
        snapshot = self._hub.snapshot
        packed: bytes | None = None
        next_s: float | None = None
        for client, watcher in tuple(self._watchers.items()):
            try:
                watcher = self._send_news(client, watcher, send)
                if snapshot is not None and snapshot.number != watcher.snapshot_number:
                    if now_s >= watcher.due_s:
                        if packed is None:
                            packed = pack({"event": "snapshot", "snapshot": snapshot.as_dict()})
                        if not send(client, packed):
                            self.counts["slow_watcher"] += 1
                        # Either way: what was not taken is old when it could be.
                        watcher = replace(watcher, snapshot_number=snapshot.number, due_s=now_s + watcher.every_s)
                    else:
                        next_s = watcher.due_s if next_s is None else min(next_s, watcher.due_s)
            except ClientGone:
                self.forget(client)
            else:
                self._watchers[client] = watcher
        return next_s

    def say_goodbye(self, send: Send) -> None:
        """The station ends: watchers learn it from us rather than from silence."""
        for client in tuple(self._watchers):
            try:
                send(client, pack({"event": "end"}))
            except ClientGone:
                self.forget(client)

    def forget(self, client: bytes) -> None:
        """The client has gone."""
        self._watchers.pop(client, None)
        self._clients.pop(client, None)

    def _client(self, client: bytes, now_s: float) -> _Client:
        known = self._clients.pop(client, None)
        if known is None:
            known = _Client(seen_s=now_s)
            while len(self._clients) >= MAX_CLIENTS:
                self._clients.popitem(last=False)
        known.allowance = min(BURST, known.allowance + RATE_PER_S * max(0.0, now_s - known.seen_s))
        known.seen_s = now_s
        self._clients[client] = known
        return known

    def _do(self, client: bytes, message: dict[str, Any], now_s: float) -> dict[str, Any]:
        match message.get("op"):
            case "snapshot":
                _only(message, ())
                snapshot = self._hub.snapshot
                return {"snapshot": None if snapshot is None else snapshot.as_dict(), "refused": dict(self.counts)}
            case "news":
                _only(message, ("after",))
                return {"news": plain(tuple(self._hub.news(_count(message, "after", 0))))}
            case "history":
                _only(message, ("after_wall_s",))
                after = _seconds(message, "after_wall_s", 0.0, 0.0, 1e12)
                return {"history": plain(tuple(self._hub.history(after)))}
            case "watch":
                _only(message, ("every_s", "news_after"))
                return self._watch(client, message, now_s)
            case "unwatch":
                _only(message, ())
                self._watchers.pop(client, None)
                return {}
        request = request_of(message)
        if isinstance(request, PressKey) and request.lease_s is None:
            # Whoever holds a key from here may die or hang: to latch it, `toggle` says so.
            request = replace(request, lease_s=LEASE_S)
        before, last = self._hub.snapshot, self._hub.last_news
        if not self._hub.offer(request):
            raise RequestError("the station does not keep up with what it is asked")
        return {"number": 0 if before is None else before.number, "news": last}

    def _watch(self, client: bytes, message: Mapping[str, Any], now_s: float) -> dict[str, Any]:
        every_s = _seconds(message, "every_s", 0.0, 0.0, LONGEST_EVERY_S)
        last = self._hub.last_news
        news_after = _count(message, "news_after", last)
        if client not in self._watchers and len(self._watchers) >= MAX_WATCHERS:
            raise RequestError(f"{MAX_WATCHERS} others watch already")
        self._watchers[client] = _Watcher(every_s, now_s, news_after)
        return {"news": last}

    def _send_news(self, client: bytes, watcher: _Watcher, send: Send) -> _Watcher:
        for line in self._hub.news(watcher.news_after):
            if not send(client, pack({"event": "news", "news": plain(line)})):
                return watcher  # again later
            watcher = replace(watcher, news_after=line.number)
        return watcher


def _only(message: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in message:
        if key != "op" and key not in known:
            raise RequestError(f"{message['op']}: unknown key {key[:40]!r}; known: {', '.join(known) or 'none'}")


def _count(message: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = message.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RequestError(f"{message['op']}.{key}: needed: a whole number from 0")
    return value


def _seconds(message: Mapping[str, Any], key: str, otherwise: float, least: float, most: float) -> float:
    value = message.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise RequestError(f"{message['op']}.{key}: needed: a number from {least:g} to {most:g}")
    return float(value)
