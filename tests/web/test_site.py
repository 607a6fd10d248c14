"""The web console's addresses and its guard, over real sockets: each rule by what happens to who breaks it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.control.hub import ControlHub
from gateway.operator_config import WebSection
from gateway.web.guard import FREE_TRIES
from gateway.web.server import WebConsole
from gateway.web.site import COOKIE, MOST_VIEWERS
from gateway.web.token import make_token
from gateway.web.wire import HIDDEN
from tests.web.desk import WALL_S, Consoles, Desk, until
from tests.web.recordings import record_over

Session = aiohttp.ClientSession


def visit(console: WebConsole, what: Callable[[Session], Awaitable[None]], **options: Any) -> None:
    """Run `what` with an HTTP client at a console; cookies are kept, also for an address that is a number."""

    async def run() -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(console.address, cookie_jar=jar, **options) as session:
            await what(session)

    asyncio.run(run())


async def status(session: Session, path: str, method: str = "GET", **options: Any) -> int:
    async with session.request(method, path, allow_redirects=False, **options) as answer:
        await answer.read()
        return answer.status


@pytest.fixture
def guarded(consoles: Consoles, tmp_path: Path) -> tuple[WebConsole, str]:
    """A console with a token, and the token."""
    token = make_token(tmp_path / "web.token")
    return consoles.start(WebSection(bind="127.0.0.1:0", token_file=tmp_path / "web.token")), token


def test_the_page_and_all_it_names_come_from_here(consoles: Consoles) -> None:
    async def look(session: Session) -> None:
        async with session.get("/") as answer:
            page = await answer.text()
            assert answer.status == 200
        for name in ("style.css", "main.js", "icon.svg", "manifest.webmanifest"):
            assert f"/static/{name}" in page
            assert await status(session, f"/static/{name}") == 200
        assert await status(session, "/static/nothing.js") == 404
        assert await status(session, "/static/..%2fserver.py") == 404
        assert await status(session, "/static/server.py") == 404
        assert await status(session, "/nothing") == 404
        assert "://" not in page.replace("http://www.w3.org/", ""), "nothing is asked for elsewhere"

    visit(consoles.start(), look)


def test_a_page_that_is_known_is_not_sent_again(consoles: Consoles) -> None:
    async def look(session: Session) -> None:
        async with session.get("/static/style.css") as answer:
            tag = answer.headers["ETag"]
        assert await status(session, "/static/style.css", headers={"If-None-Match": tag}) == 304
        assert await status(session, "/static/style.css", headers={"If-None-Match": '"other"'}) == 200

    visit(consoles.start(), look)


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/api/snapshot", "/nothing", "/healthz", "/api/recordings/x"])
def test_every_answer_says_what_a_browser_may_do_with_it(consoles: Consoles, path: str) -> None:
    async def look(session: Session) -> None:
        async with session.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["Cache-Control"] in (
                ("no-cache",) if path in ("/", "/static/main.js") else ("no-store",)
            )

    visit(consoles.start(), look)


def test_the_page_needs_no_inline_script_or_style(consoles: Consoles) -> None:
    async def look(session: Session) -> None:
        for path in ("/", "/static/login.html"):
            async with session.get(path) as answer:
                page = await answer.text()
            assert " style=" not in page
            assert "<style" not in page
            assert "javascript:" not in page
            assert re.search(r"<[^>]*\son\w+=", page) is None
            assert page.count("<script") == page.count('<script type="module" src="/static/')

    visit(consoles.start(), look)


def test_what_the_page_asks_for(consoles: Consoles, desk: Desk) -> None:
    async def look(session: Session) -> None:
        async with session.get("/api/snapshot") as answer:
            assert (await answer.json())["station"]["name"] == "Boreas"
        async with session.get("/api/history") as answer:
            assert len(await answer.json()) == 60
        async with session.get("/api/history", params={"after": str(WALL_S - 120)}) as answer:
            assert [point["wall_s"] for point in await answer.json()] == [WALL_S - 60]
        assert await status(session, "/api/history?after=yesterday") == 400
        async with session.get("/healthz") as answer:
            assert await answer.text() == "ok\n"
        async with session.get("/api/recordings") as answer:
            assert await answer.json() == []

    visit(consoles.start(), look)


def test_a_station_that_says_nothing_is_not_well(consoles: Consoles) -> None:
    consoles.hub = ControlHub(SystemClock())

    async def look(session: Session) -> None:
        assert await status(session, "/healthz") == 503
        assert await status(session, "/api/snapshot") == 503

    visit(consoles.start(), look)


def test_recordings_can_be_listed_heard_and_sought_in(consoles: Consoles, tmp_path: Path) -> None:
    record_over(tmp_path / "shelf", 2.0)

    async def look(session: Session) -> None:
        async with session.get("/api/recordings") as answer:
            (found,) = await answer.json()
        address = f"/api/recordings/{found['name']}"
        async with session.get(address) as answer:
            whole = await answer.read()
            assert answer.content_type == "audio/wav"
            assert answer.headers["Accept-Ranges"] == "bytes"
            assert len(whole) == 44 + 2 * 32_000
        async with session.get(address, headers={"Range": "bytes=1000-1999"}) as answer:
            assert answer.status == 206
            assert answer.headers["Content-Range"] == f"bytes 1000-1999/{len(whole)}"
            assert await answer.read() == whole[1000:2000]
        assert await status(session, address, headers={"Range": "bytes=999999-"}) == 416
        for name in ("index.jsonl", "..%2f..%2fetc%2fpasswd", "20260101T000000-0009-said.wav"):
            assert await status(session, f"/api/recordings/{name}") == 404

    visit(consoles.start(recordings=tmp_path / "shelf"), look)


def test_the_configuration_is_shown_without_its_secrets(consoles: Consoles) -> None:
    config = {"link": {"settings": {"password": "hunter2", "number": "0088"}}, "security": {"key_file": Path("a.key")}}

    async def look(session: Session) -> None:
        async with session.get("/api/config") as answer:
            text = await answer.text()
        assert "hunter2" not in text
        assert json.loads(text) == {
            "link": {"settings": {"password": HIDDEN, "number": "0088"}},
            "security": {"key_file": "a.key"},
        }

    visit(consoles.start(config=lambda: config), look)


@pytest.mark.parametrize("path", ["/", "/api/snapshot", "/ws", "/healthz", "/static/main.js"])
def test_a_name_that_leads_here_from_elsewhere_gets_nothing(consoles: Consoles, path: str) -> None:
    async def look(session: Session) -> None:
        assert await status(session, path, headers={"Host": "evil.example:8300"}) == 403
        assert await status(session, path, headers={"Host": "localhost:1"}) != 403

    visit(consoles.start(), look)
    assert consoles.metrics.counter("web.refused.host") == 1


async def connect(session: Session, **headers: str) -> int:
    """The status of a WebSocket handshake; 101 where it comes about."""
    try:
        async with session.ws_connect("/ws", headers=headers) as socket:
            await socket.receive()
            return 101
    except aiohttp.WSServerHandshakeError as error:
        return error.status


def test_a_page_of_somebody_else_s_gets_no_socket(consoles: Consoles) -> None:
    console = consoles.start(WebSection(bind="127.0.0.1:0", origins=("https://radio.example",)))

    async def look(session: Session) -> None:
        assert await connect(session, Origin="https://evil.example") == 403
        assert await connect(session, Origin="null") == 403
        assert await connect(session, Origin=console.address.replace("127.0.0.1", "localhost")) == 403
        assert await connect(session, Origin=console.address) == 101
        assert await connect(session, Origin="https://radio.example") == 101
        assert await connect(session) == 101, "a program on this machine is no page"

    visit(console, look)
    assert consoles.metrics.counter("web.refused.origin") == 3


def test_without_the_token_there_is_a_login_page_and_no_more(guarded: tuple[WebConsole, str]) -> None:
    async def look(session: Session) -> None:
        for path in (
            "/api/snapshot",
            "/api/history",
            "/api/config",
            "/api/recordings",
            "/api/recordings/x",
            "/ws",
            "/x",
        ):
            assert await status(session, path) == 401
        assert await status(session, "/logout", "POST") == 401
        async with session.get("/", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/login")
        for path in ("/login", "/static/style.css", "/static/login.js", "/healthz"):
            assert await status(session, path) == 200
        async with session.get("/healthz") as answer:
            assert await answer.text() == "ok\n", "tells nothing but that it is well"

    visit(guarded[0], look)


def test_the_token_gives_a_session_that_scripts_cannot_read(guarded: tuple[WebConsole, str]) -> None:
    console, token = guarded

    async def look(session: Session) -> None:
        async with session.post("/login", data={"token": token}, headers={"Origin": console.address}) as answer:
            assert answer.status == 204
            cookie = answer.headers["Set-Cookie"]
            assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
            assert token not in cookie
        assert await status(session, "/api/snapshot") == 200
        assert await status(session, "/") == 200
        assert await status(session, "/login") == 303
        assert await connect(session, Origin=console.address) == 101
        assert await connect(session, Origin="https://evil.example") == 403
        assert await connect(session) == 403, "a browser says where its page comes from"
        kept = answer.cookies[COOKIE].value
        assert await status(session, "/logout", "POST", headers={"Origin": "https://evil.example"}) == 403
        assert await status(session, "/logout", "POST", headers={"Origin": console.address}) == 204
        assert await status(session, "/api/snapshot") == 401
        assert await status(session, "/api/snapshot", headers={"Cookie": f"{COOKIE}={kept}"}) == 401, "ended here, too"

    visit(console, look)


def test_a_page_of_somebody_else_s_cannot_log_in(guarded: tuple[WebConsole, str]) -> None:
    console, token = guarded

    async def look(session: Session) -> None:
        evil = {"Origin": "https://evil.example"}
        assert await status(session, "/login", "POST", data={"token": token}, headers=evil) == 403

    visit(console, look)


def test_programs_give_the_token_with_each_request(guarded: tuple[WebConsole, str]) -> None:
    console, token = guarded

    async def look(session: Session) -> None:
        right, wrong = {"Authorization": f"Bearer {token}"}, {"Authorization": f"Bearer {token}x"}
        assert await status(session, "/api/snapshot", headers=right) == 200
        assert await status(session, "/api/snapshot", headers=wrong) == 401
        assert await status(session, "/api/snapshot", headers={"Authorization": f"Basic {token}"}) == 401
        assert await connect(session, **right) == 101
        assert await connect(session, **wrong) == 401

    visit(console, look)


def test_guessing_is_counted_told_and_slowed_down(guarded: tuple[WebConsole, str], consoles: Consoles) -> None:
    console, token = guarded

    async def look(session: Session) -> None:
        for _ in range(FREE_TRIES):
            assert await status(session, "/login", "POST", data={"token": "guess"}) == 401
        async with session.post("/login", data={"token": token}) as answer:
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) >= 1
        assert await status(session, "/api/snapshot", headers={"Authorization": f"Bearer {token}"}) == 429

    visit(console, look)
    assert consoles.metrics.counter("web.refused.wrong_token") == FREE_TRIES
    assert consoles.metrics.counter("web.refused.throttled") == 2
    assert consoles.said == ["web console: wrong token from 127.0.0.1"] * FREE_TRIES
    assert not any(token in line for line in consoles.said)


def test_a_session_outlives_the_console(guarded: tuple[WebConsole, str], consoles: Consoles, tmp_path: Path) -> None:
    """A station that restarts does not ask the phone on the bridge for its token again."""
    cookies: dict[str, str] = {}

    async def log_in(session: Session) -> None:
        async with session.post("/login", data={"token": guarded[1]}) as answer:
            cookies[COOKIE] = answer.cookies[COOKIE].value

    async def come_back(session: Session) -> None:
        assert await status(session, "/api/snapshot", headers={"Cookie": f"{COOKIE}={cookies[COOKIE]}"}) == 200

    visit(guarded[0], log_in)
    guarded[0].stop()
    visit(consoles.start(WebSection(bind="127.0.0.1:0", token_file=tmp_path / "web.token")), come_back)


def test_a_form_has_a_size(guarded: tuple[WebConsole, str]) -> None:
    async def look(session: Session) -> None:
        assert await status(session, "/login", "POST", data={"token": "x" * 20_000}) == 413

    visit(guarded[0], look)


def test_only_so_many_browsers_at_once(consoles: Consoles) -> None:
    console = consoles.start()

    async def look(session: Session) -> None:
        sockets = [await session.ws_connect("/ws") for _ in range(MOST_VIEWERS)]
        assert await connect(session) == 503
        await sockets.pop().close()
        await asyncio.to_thread(until, lambda: consoles.metrics.snapshot()["web.viewers"] == MOST_VIEWERS - 1)
        assert await connect(session) == 101
        for socket in sockets:
            await socket.close()

    visit(console, look)
    until(lambda: consoles.metrics.snapshot()["web.viewers"] == 0)
