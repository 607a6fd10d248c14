"""One browser's WebSocket: what is new goes out, requests come in.

Rules: a browser's keys are its own (the console names the holder, and each press has a lease); when the socket ends,
however it ends, the key goes up. Who sends too much is not listened to, but letting go of the key always counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from gateway.clock import Clock
from gateway.control.hub import ControlHub
from gateway.control.requests import LEASE_S, HoldKey, PressKey, ReleaseKey, ToggleKey, request_of
from gateway.errors import RequestError
from gateway.metrics import Metrics
from gateway.web.feed import Feed
from gateway.web.guard import Allowance
from gateway.web.wire import json_text

MAX_MESSAGE_BYTES = 4096
REQUESTS_A_SECOND = 20.0
REQUESTS_AT_ONCE = 40.0
REFUSED_A_SECOND = 5.0
REFUSED_AT_ONCE = 200.0
"""Who is refused more often than this for coming too fast is thrown out."""
HOLD_S = 0.3
"""How often a browser is to say that its key is still down."""
SEND_PATIENCE_S = 10.0

OWN_FIELDS = ("holder", "lease_s")
"""What the console itself puts into a request about the key."""


class Viewer:
    """A connected browser; `run` ends when the socket does."""

    def __init__(
        self, socket: web.WebSocketResponse, holder: str, station: str, hub: ControlHub, feed: Feed, clock: Clock
    ) -> None:
        self._socket, self._holder, self._station = socket, holder, station
        self._hub, self._feed, self._clock = hub, feed, clock
        self._allowance = Allowance(REQUESTS_A_SECOND, REQUESTS_AT_ONCE, clock.now())
        self._patience = Allowance(REFUSED_A_SECOND, REFUSED_AT_ONCE, clock.now())
        self._is_down = False
        self._has_lost_patience = False

    async def run(self, metrics: Metrics) -> None:
        """Serve until the socket ends."""
        self._feed.join()
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._socket:
                metrics.count("web.messages")
                answer = self._take(message)
                if "error" in answer:
                    metrics.count("web.messages_refused")
                if self._has_lost_patience:
                    await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many messages")
                elif answer:
                    await self._send(json_text(answer))
        except (ConnectionError, TimeoutError):
            pass  # it is gone, which is what the rest is about
        finally:
            self.let_go()
            self._feed.leave()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer

    def let_go(self) -> None:
        """The key of this browser goes up."""
        if self._is_down:
            self._is_down = False
            self._hub.post(ReleaseKey(self._holder))

    async def close(self) -> None:
        """End the socket: the station stops."""
        self.let_go()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._socket.close(code=WSCloseCode.GOING_AWAY), 1.0)

    async def _write(self) -> None:
        """Everything first, then what changed, for as long as the browser reads."""
        hello = {
            "holder": self._holder,
            "station": self._station,
            "hold_ms": round(1000 * HOLD_S),
            "age_s": min(self._feed.age_s, 1e6),
        }
        try:
            await self._send(json_text({"hello": hello}))
            seen, news = 0, 0
            while True:
                version, is_first = self._feed.version, seen == 0
                changed = self._feed.since(seen)
                if changed is not None:
                    await self._send(f'{{"{"snapshot" if is_first else "changed"}":{changed}}}')
                    seen = version
                lines = self._hub.news(news)
                if lines:
                    news = lines[-1].number
                    await self._send(json_text({"news": lines}))
                await self._feed.wait(version, news)
        except (ConnectionError, TimeoutError):
            # Too slow or gone: a browser that comes back gets everything anew.
            await self._abort()

    async def _send(self, text: str) -> None:
        await asyncio.wait_for(self._socket.send_str(text), SEND_PATIENCE_S)

    async def _abort(self) -> None:
        self.let_go()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._socket.close(code=WSCloseCode.TRY_AGAIN_LATER), 1.0)

    def _take(self, message: WSMessage) -> dict[str, Any]:
        """Do what a message asks; the answer, {} for none."""
        data: Any = None
        if message.type is WSMsgType.TEXT:
            with contextlib.suppress(ValueError, RecursionError):
                data = json.loads(message.data)
        if isinstance(data, dict) and data.get("op") == "release":
            self.let_go()
            return {}
        if not self._allowance.take(self._clock.now()):
            self._has_lost_patience = not self._patience.take(self._clock.now())
            return {"error": "too many messages; slower, please"}
        number = data.pop("n", None) if isinstance(data, dict) else None
        answer = {"n": number} if isinstance(number, int) and abs(number) < 2**53 else {}
        try:
            self._ask(data)
        except RequestError as error:
            return {"error": str(error), **answer}
        return {"done": True, **answer} if answer else {}

    def _ask(self, data: Any) -> None:
        if not isinstance(data, dict):
            raise RequestError("a request is an object in JSON with the key op")
        op = data.get("op")
        if op == "toggle":
            raise RequestError("toggle: a key that latches by itself has no lease; needed: press, then hold")
        if op in ("press", "hold"):
            for name in OWN_FIELDS:
                if name in data:
                    raise RequestError(f"{op}: {name} is given by the station")
            data = {**data, "holder": self._holder}
        request = request_of(data)
        match request:
            case PressKey(_, break_in):
                self._is_down = True
                self._hub.post(PressKey(self._holder, break_in, LEASE_S))
            case HoldKey():
                if self._is_down:
                    self._hub.post(request)
            case ReleaseKey() | ToggleKey():
                raise AssertionError("dealt with above")
            case _:
                self._hub.post(request)
