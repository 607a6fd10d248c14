"""A browser's socket: what it is sent, what it may ask, and that its key goes up when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import ClientWebSocketResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.control import requests as r
from gateway.control.requests import LEASE_S, HoldKey, PressKey, ReleaseKey, SendText
from gateway.control.snapshot import PttView
from gateway.web.server import WebConsole
from gateway.web.viewer import MAX_MESSAGE_BYTES
from tests.patience import PATIENCE_S
from tests.web.desk import Consoles, Desk, until

Socket = ClientWebSocketResponse


class Browser:
    """A socket and what came out of it."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.holder = ""
        self.state: dict[str, Any] = {}
        self.news: list[str] = []
        self.answers: list[dict[str, Any]] = []

    async def read(self) -> dict[str, Any]:
        message = await self.socket.receive_json(timeout=PATIENCE_S)
        match message:
            case {"hello": hello}:
                self.holder = hello["holder"]
            case {"snapshot": parts} | {"changed": parts}:
                self.state |= parts
            case {"news": lines}:
                self.news += [line["text"] for line in lines]
            case _:
                self.answers.append(message)
        return dict(message)

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            await self.read()

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for what is said to it."""
        before = len(self.answers)
        await self.socket.send_json({"n": before, **request})
        await self.until(lambda: len(self.answers) > before)
        return self.answers[-1]


def browse(console: WebConsole, count: int, what: Callable[..., Awaitable[None]]) -> None:
    """Run `what` with `count` connected browsers."""

    async def run() -> None:
        async with aiohttp.ClientSession(console.address) as session:
            browsers = [Browser(await session.ws_connect("/ws")) for _ in range(count)]
            for browser in browsers:
                await browser.until(lambda browser=browser: browser.state)
            await what(*browsers)
            for browser in browsers:
                await browser.socket.close()

    asyncio.run(run())


def test_first_everything_then_what_changed_and_news(consoles: Consoles, desk: Desk) -> None:
    async def look(browser: Browser) -> None:
        assert browser.holder.startswith("web:")
        assert len(browser.holder) == 8
        assert browser.state["station"]["name"] == "Boreas"
        await browser.until(lambda: len(browser.news) == 3)
        desk.change(ptt=PttView(mode="receiving"))
        while "ptt" not in (message := await browser.read()).get("changed", {}):
            pass
        assert set(message["changed"]) <= {"ptt", "wall_s"}
        desk.hub.tell("link lost")
        await browser.until(lambda: browser.news[-1] == "link lost")
        assert len(browser.news) == 4

    browse(consoles.start(), 1, look)


def test_a_press_has_the_holder_and_the_lease_of_the_console(consoles: Consoles, desk: Desk) -> None:
    async def look(browser: Browser) -> None:
        for op in ({"op": "press"}, {"op": "hold"}, {"op": "release"}, {"op": "press", "break_in": True}):
            await browser.socket.send_json(op)
        await asyncio.to_thread(until, lambda: len(desk.requests) == 4)
        holder = browser.holder
        assert desk.requests == [
            PressKey(holder, False, LEASE_S),
            HoldKey(holder),
            ReleaseKey(holder),
            PressKey(holder, True, LEASE_S),
        ]

    browse(consoles.start(), 1, look)
    until(lambda: isinstance(desk.requests[-1], ReleaseKey))


def test_a_key_that_is_up_is_neither_held_nor_released(consoles: Consoles, desk: Desk) -> None:
    async def look(browser: Browser) -> None:
        assert await browser.ask(op="hold") == {"done": True, "n": 0}
        await browser.socket.send_json({"op": "release"})
        assert await browser.ask(op="tone") == {"done": True, "n": 1}
        await asyncio.to_thread(until, lambda: desk.requests)
        assert desk.requests == [r.TestTone()]

    browse(consoles.start(), 1, look)
    assert desk.requests == [r.TestTone()]


def test_nobody_names_a_holder_or_a_lease_or_latches_from_afar(consoles: Consoles, desk: Desk) -> None:
    async def look(browser: Browser, other: Browser) -> None:
        for request in (
            {"op": "press", "holder": other.holder},
            {"op": "hold", "holder": other.holder},
            {"op": "press", "lease_s": 10.0},
            {"op": "press", "lease_s": None},
            {"op": "toggle"},
            {"op": "toggle", "holder": browser.holder},
        ):
            assert "error" in await browser.ask(**request), request
        await other.socket.send_json({"op": "press"})
        await asyncio.to_thread(until, lambda: desk.requests)
        await browser.socket.send_json({"op": "release", "holder": other.holder})
        await browser.ask(op="stop")
        await asyncio.to_thread(until, lambda: len(desk.requests) == 2)
        assert desk.requests == [PressKey(other.holder, False, LEASE_S), r.StopPlaying()]

    browse(consoles.start(), 2, look)


def test_the_key_goes_up_when_the_socket_closes_or_breaks(consoles: Consoles, desk: Desk) -> None:
    async def close(browser: Browser) -> None:
        await browser.socket.send_json({"op": "press"})
        await asyncio.to_thread(until, lambda: desk.requests)
        await browser.socket.close()
        await asyncio.to_thread(until, lambda: desk.asked(ReleaseKey))

    async def break_off(browser: Browser) -> None:
        await browser.socket.send_json({"op": "press"})
        await asyncio.to_thread(until, lambda: len(desk.asked(PressKey)) == 2)
        assert browser.socket._response.connection is not None
        browser.socket._response.connection.transport.abort()
        await asyncio.to_thread(until, lambda: len(desk.asked(ReleaseKey)) == 2)

    console = consoles.start()
    browse(console, 1, close)
    browse(console, 1, break_off)


def test_the_key_goes_up_when_the_console_stops(consoles: Consoles, desk: Desk) -> None:
    console = consoles.start()

    async def look(browser: Browser) -> None:
        await browser.socket.send_json({"op": "press"})
        await asyncio.to_thread(until, lambda: desk.requests)
        stopping = asyncio.create_task(asyncio.to_thread(console.stop))
        while browser.socket.close_code is None:
            await browser.socket.receive(timeout=PATIENCE_S)
        await stopping
        assert browser.socket.close_code == 1001
        await asyncio.to_thread(until, lambda: desk.asked(ReleaseKey))

    browse(console, 1, look)


def test_wrong_requests_are_answered_in_words_and_numbers(consoles: Consoles, desk: Desk) -> None:
    async def look(browser: Browser) -> None:
        answer = await browser.ask(op="volume", volume_db=99)
        assert answer == {"error": "volume.volume_db: got 99; needed: a number from -40 to 20", "n": 0}
        answer = await browser.ask(op="text", text="hello", to=2)
        assert answer == {"done": True, "n": 1}
        await browser.socket.send_str("{")
        await browser.until(lambda: len(browser.answers) == 3)
        assert "needed" not in browser.answers[-1]
        assert "n" not in browser.answers[-1]

    browse(consoles.start(), 1, look)
    until(lambda: desk.requests == [SendText("hello", 2)])


def test_many_see_the_same_and_one_talks(consoles: Consoles, desk: Desk) -> None:
    desk.obeys = True

    async def look(*browsers: Browser) -> None:
        first, *others = browsers
        assert len({browser.holder for browser in browsers}) == len(browsers)
        await first.socket.send_json({"op": "press"})
        for browser in browsers:
            await browser.until(lambda browser=browser: browser.state["ptt"]["mode"] == "talking")
            assert browser.state["ptt"]["held_by"] == [first.holder]
        await others[0].socket.send_json({"op": "release"})
        await others[1].socket.close()
        await first.socket.send_json({"op": "hold"})
        await asyncio.to_thread(until, lambda: desk.asked(HoldKey))
        assert not desk.asked(ReleaseKey), "only who holds the key lets go of it"
        await first.socket.send_json({"op": "release"})
        for browser in (first, *others[2:]):
            await browser.until(lambda browser=browser: browser.state["ptt"]["mode"] == "idle")
        states = [browser.state | {"wall_s": 0} for browser in (first, *others[2:])]
        assert all(state == states[0] for state in states)

    browse(consoles.start(), 20, look)


def test_who_sends_too_much_is_told_and_can_still_let_go(consoles: Consoles, desk: Desk) -> None:
    async def look(browser: Browser) -> None:
        await browser.socket.send_json({"op": "press"})
        for _ in range(150):
            await browser.socket.send_json({"op": "hold"})
        await browser.until(lambda: browser.answers)
        assert "too many" in browser.answers[0]["error"]
        await browser.socket.send_json({"op": "release"})
        await asyncio.to_thread(until, lambda: desk.asked(ReleaseKey))

    browse(consoles.start(), 1, look)
    assert len(desk.asked(HoldKey)) < 150


def test_who_does_not_stop_is_thrown_out(consoles: Consoles, desk: Desk) -> None:
    async def look(browser: Browser) -> None:
        async def read() -> None:
            while browser.socket.close_code is None:
                await browser.socket.receive(timeout=PATIENCE_S)

        reading = asyncio.create_task(read())
        with contextlib.suppress(ConnectionError):
            while not reading.done():
                for _ in range(50):
                    await browser.socket.send_str("{}")
                await asyncio.sleep(0)
        await reading
        assert browser.socket.close_code == 1008

    browse(consoles.start(), 1, look)


def test_a_message_has_a_size(consoles: Consoles, desk: Desk) -> None:
    async def look(browser: Browser) -> None:
        await browser.socket.send_json({"op": "press"})
        await browser.socket.send_str("x" * (MAX_MESSAGE_BYTES + 1))
        while browser.socket.close_code is None:
            await browser.socket.receive(timeout=PATIENCE_S)
        assert browser.socket.close_code == 1009
        await asyncio.to_thread(until, lambda: desk.asked(ReleaseKey))

    browse(consoles.start(), 1, look)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["op", "n", "holder", "break_in", "lease_s", "text", "to", "id", "index", "volume_db", "is_on"]
)
NEAR = st.builds(
    lambda op, rest: json.dumps({"op": op, **rest}),
    st.sampled_from([*r.OPERATIONS, "", None, 3]),
    st.dictionaries(FIELDS.filter(lambda name: name != "op"), JSON, max_size=3),
)
MESSAGES = st.one_of(
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace").decode()),
    st.binary(max_size=60),
    JSON.map(json.dumps),
    NEAR,
    st.sampled_from(["[" * 4000, "9" * 4000, '{"op":' * 600, '"\\ud800"', '{"op":"text","text":"\\ud800\\udfff"}']),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(MESSAGES, min_size=1, max_size=20))
def test_garbage_gets_an_answer_and_nothing_else(consoles: Consoles, desk: Desk, messages: list[str | bytes]) -> None:
    """Whatever is sent, the socket stays and the next request is understood; what comes through is sound."""
    console = consoles._running[0] if consoles._running else consoles.start()
    desk.requests.clear()

    async def look(browser: Browser) -> None:
        for message in messages:
            if isinstance(message, bytes):
                await browser.socket.send_bytes(message)
            else:
                await browser.socket.send_str(message)
        await browser.socket.send_json({"op": "parrot", "is_on": True, "n": 424242})
        await browser.until(lambda: browser.answers and browser.answers[-1].get("n") == 424242)
        assert browser.answers[-1] == {"done": True, "n": 424242}

    browse(console, 1, look)
    assert not any("stopped" in line for line in consoles.said)
    for request in desk.asked():
        assert isinstance(request, PressKey | HoldKey | ReleaseKey) or r.request_of(r.mapping_of(request)) == request
        if isinstance(request, PressKey):
            assert request.lease_s == LEASE_S
            assert request.holder.startswith("web:")
