"""The web console's addresses: the page, what it asks for, and the guard before all of it.

Rule: `_guard` sees every request first, whatever its address; what is behind it only answers. Everything the page needs
is in the package and held in memory, so that no name from outside becomes a file name (recordings: gateway.web.shelf).
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.clock import Clock
from gateway.control.hub import ControlHub
from gateway.metrics import Metrics
from gateway.operator_config import WebSection, is_loopback
from gateway.web.feed import Feed
from gateway.web.guard import SESSION_S, Doors, Sessions, Throttle
from gateway.web.shelf import RecordingList
from gateway.web.viewer import MAX_MESSAGE_BYTES, Viewer
from gateway.web.wire import json_text, shown_config

COOKIE = "clarilink_session"
MOST_VIEWERS = 32
PING_S = 5.0
"""A browser that does not answer a ping for half of this is gone."""
SILENT_AFTER_S = 5.0
"""A station that has published nothing for this long is not well."""
MAX_FORM_BYTES = 4096

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": a form would then be sent with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
OPEN = frozenset({"/login", "/healthz"})
"""What needs no token, apart from /static/."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """The application; `app` is what a server serves. Lives in the console's loop."""

    def __init__(
        self,
        section: WebSection,
        hub: ControlHub,
        *,
        station: str,
        token: str | None,
        recordings: Path | None,
        config: Callable[[], dict[str, Any]],
        say: Callable[[str], None],
        metrics: Metrics,
        clock: Clock,
        wall: Callable[[], float],
    ) -> None:
        self._hub, self._station, self._config = hub, station, config
        self._say, self._metrics, self._clock = say, metrics, clock
        self._doors = Doors(loopback=is_loopback(section.bind), origins=section.origins)
        self._sessions = None if token is None else Sessions(token, wall)
        self._is_secure = section.certificate is not None
        self._throttle = Throttle()
        self._recordings = RecordingList(recordings)
        self._viewers: dict[str, Viewer] = {}
        self._files = _packaged()
        self.feed = Feed(hub)
        self.app = web.Application(middlewares=[self._guard], client_max_size=MAX_FORM_BYTES)
        self.app.on_response_prepare.append(_add_headers)
        self.app.add_routes(
            [
                web.get("/", self._page),
                web.get("/static/{name}", self._file),
                web.get("/login", self._login_page),
                web.post("/login", self._login),
                web.post("/logout", self._logout),
                web.get("/healthz", self._health),
                web.get("/ws", self._socket),
                web.get("/api/snapshot", self._snapshot),
                web.get("/api/history", self._history),
                web.get("/api/config", self._shown_config),
                web.get("/api/recordings", self._recording_list),
                web.get("/api/recordings/{name}", self._recording),
            ]
        )

    async def close(self) -> None:
        """End all sockets; every key goes up."""
        self.feed.close()
        await asyncio.gather(*(viewer.close() for viewer in list(self._viewers.values())))

    # The guard.

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host")
        if not self._doors.knows_host(host):
            return self._refuse("host", 403, "this console does not answer to that name; see [web] origins")
        is_asking = request.method not in ("GET", "HEAD") or request.path == "/ws"
        if is_asking and not self._doors.knows_origin(request.headers.get("Origin"), host):
            return self._refuse("origin", 403, "this page may not use this console; see [web] origins")
        if self._sessions is not None and request.path not in OPEN and not request.path.startswith("/static/"):
            refusal = self._check(request, self._sessions)
            if refusal is not None:
                return refusal
        return await handler(request)

    def _check(self, request: web.Request, sessions: Sessions) -> web.Response | None:
        """What keeps a request out that needs a token; None: nothing does."""
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._try(request, sessions, given)
        if sessions.is_session(request.cookies.get(COOKIE)):
            # A browser says where a page comes from; a cookie without that is not used by a page.
            if request.path == "/ws" and "Origin" not in request.headers:
                return self._refuse("origin", 403, "a socket needs an Origin header or a bearer token")
            return None
        if request.path == "/":
            return web.Response(status=303, headers={"Location": "/login"})
        return self._refuse("no_token", 401, "token needed", {"WWW-Authenticate": "Bearer"})

    def _try(self, request: web.Request, sessions: Sessions, given: str) -> web.Response | None:
        """Look at a token; None if it is right."""
        now_s = self._clock.now()
        wait_s = self._throttle.wait_s(request.remote, now_s)
        if wait_s > 0:
            after = {"Retry-After": str(math.ceil(wait_s))}
            return self._refuse("throttled", 429, f"too many wrong tokens; wait {math.ceil(wait_s)} s", after)
        if sessions.is_token(given):
            self._throttle.right(request.remote)
            return None
        self._throttle.wrong(request.remote, now_s)
        self._say(f"web console: wrong token from {request.remote}")
        return self._refuse("wrong_token", 401, "wrong token", {"WWW-Authenticate": "Bearer"})

    def _refuse(self, why: str, status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
        self._metrics.count(f"web.refused.{why}")
        return web.Response(status=status, text=json_text({"error": text}), headers=headers, content_type=_JSON)

    # The page.

    async def _page(self, request: web.Request) -> web.Response:
        return self._packaged(request, "index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return self._packaged(request, request.match_info["name"])

    def _packaged(self, request: web.Request, name: str) -> web.Response:
        found = self._files.get(name)
        if found is None:
            raise web.HTTPNotFound
        content, kind, tag = found
        headers = {"Content-Type": kind, "ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=content, headers=headers)

    async def _login_page(self, request: web.Request) -> web.Response:
        if self._sessions is None or self._sessions.is_session(request.cookies.get(COOKIE)):
            return web.Response(status=303, headers={"Location": "/"})
        return self._packaged(request, "login.html")

    async def _login(self, request: web.Request) -> web.Response:
        if self._sessions is None:
            return web.Response(status=303, headers={"Location": "/"})
        given = (await request.post()).get("token")
        refusal = self._try(request, self._sessions, given if isinstance(given, str) else "")
        if refusal is not None:
            return refusal
        response = web.Response(status=204)
        response.set_cookie(
            COOKIE,
            self._sessions.begin(),
            max_age=int(SESSION_S),
            httponly=True,
            samesite="Strict",
            secure=self._is_secure,
        )
        return response

    async def _logout(self, request: web.Request) -> web.Response:
        if self._sessions is not None:
            self._sessions.end(request.cookies.get(COOKIE, ""))
        response = web.Response(status=204)
        response.del_cookie(COOKIE, samesite="Strict", httponly=True, secure=self._is_secure)
        return response

    # What the page asks for.

    async def _health(self, request: web.Request) -> web.Response:
        if self.feed.age_s > SILENT_AFTER_S:
            return web.Response(status=503, text="the station is silent\n")
        return web.Response(text="ok\n")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._viewers) >= MOST_VIEWERS:
            return self._refuse("full", 503, f"{MOST_VIEWERS} browsers are connected already")
        socket = web.WebSocketResponse(
            heartbeat=PING_S, max_msg_size=MAX_MESSAGE_BYTES, compress=False, writer_limit=4096, timeout=2.0
        )
        await socket.prepare(request)
        while (holder := f"web:{secrets.token_hex(2)}") in self._viewers:
            pass
        viewer = Viewer(socket, holder, self._station, self._hub, self.feed, self._clock)
        self._viewers[holder] = viewer
        self._metrics.gauge("web.viewers", len(self._viewers))
        try:
            await viewer.run(self._metrics)
        finally:
            del self._viewers[holder]
            self._metrics.gauge("web.viewers", len(self._viewers))
        return socket

    async def _snapshot(self, request: web.Request) -> web.Response:
        snapshot = self._hub.snapshot
        if snapshot is None:
            return web.Response(status=503, text=json_text({"error": "the station has not begun"}), content_type=_JSON)
        return _data(snapshot)

    async def _history(self, request: web.Request) -> web.Response:
        try:
            after_s = float(request.query.get("after", "-inf"))
        except ValueError:
            return self._refuse("query", 400, "after: needed: seconds since 1970")
        return _data(self._hub.history(after_s))

    async def _shown_config(self, request: web.Request) -> web.Response:
        return _data(shown_config(self._config()))

    async def _recording_list(self, request: web.Request) -> web.Response:
        return _data(await asyncio.to_thread(self._recordings.listed))

    async def _recording(self, request: web.Request) -> web.StreamResponse:
        path = self._recordings.path(request.match_info["name"])
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Content-Type": "audio/wav"})


_JSON = "application/json"


def _data(value: object) -> web.Response:
    return web.Response(text=json_text(value), content_type=_JSON)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers[name] = value
    # A recording may be sought in, which some players do from their cache; still not one that others share.
    response.headers.setdefault("Cache-Control", "no-store")


def _packaged() -> dict[str, tuple[bytes, str, str]]:
    """The page's files by name: content, type, and a tag that changes with the content."""
    found = {}
    for item in resources.files("gateway.web").joinpath("static").iterdir():
        kind = TYPES.get(Path(item.name).suffix)
        if kind is not None:
            content = item.read_bytes()
            found[item.name] = (content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found
