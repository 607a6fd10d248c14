"""The screen driven as an operator would: keys in, requests in the hub; snapshots in, words on the screen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from textual.pilot import Pilot

from gateway.clock import ManualClock
from gateway.console.screen_app import ScreenApp, heights_for
from gateway.console.spans import PLAIN, Glyphs
from gateway.console.views import View
from gateway.console.widgets import Lines
from gateway.control.hub import ControlHub, HistoryPoint
from gateway.control.requests import (
    DeleteMessage,
    PlayMessage,
    Request,
    RetryMessage,
    SendText,
    SetVolume,
    StopPlaying,
    ToggleKey,
    ToggleRecording,
)
from gateway.control.snapshot import PttView, Snapshot
from gateway.telling import Level
from tests.console.snapshots import AT_WORK, HEARING, TALKING, WALL_S, snapshots

PATIENCE_TURNS = 400
Drive = Callable[["Desk"], Awaitable[None]]


class Desk:
    """A screen, its hub and a clock that moves when told."""

    def __init__(self, app: ScreenApp, hub: ControlHub, clock: ManualClock, pilot: Pilot[None]) -> None:
        self.app, self.hub, self.clock, self.pilot = app, hub, clock, pilot

    async def press(self, *keys: str) -> list[Request]:
        """What the station is asked for then."""
        for key in keys:
            await self.pilot.press(key)
        return self.hub.take()

    def publish(self, shot: Snapshot) -> None:
        self.hub.publish(shot)
        self.app.draw()

    @property
    def words(self) -> str:
        """What is seen, part by part."""
        parts = [
            part for part in self.app.query(Lines) if part.display and (part.parent is None or part.parent.display)
        ]
        return "\n".join(part.words for part in parts)

    async def until(self, is_so: Callable[[], bool]) -> None:
        for _ in range(PATIENCE_TURNS):
            if is_so():
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"did not come:\n{self.words}")


def drive(
    what: Drive,
    shot: Snapshot | None = AT_WORK,
    size: tuple[int, int] = (80, 24),
    environ: dict[str, str] | None = None,
    glyphs: Glyphs = PLAIN,
) -> ScreenApp:
    async def run() -> ScreenApp:
        clock = ManualClock(100.0)
        hub = ControlHub(clock, lambda: WALL_S)
        if shot is not None:
            hub.publish(shot)
        app = ScreenApp(hub, threading.Event(), lambda: True, clock=clock, glyphs=glyphs, environ=environ or {})
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            app.draw()
            await what(Desk(app, hub, clock, pilot))
        return app

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("key", "request_"),
    [
        ("space", ToggleKey("keyboard")),
        ("b", ToggleKey("keyboard", break_in=True)),
        ("B", ToggleKey("keyboard", break_in=True)),
        ("m", ToggleRecording()),
        ("l", PlayMessage()),
        ("plus", SetVolume(3.0)),
        ("minus", SetVolume(-3.0)),
        ("escape", StopPlaying()),
    ],
)
def test_keys_reach_the_station(key: str, request_: Request) -> None:
    async def what(desk: Desk) -> None:
        assert await desk.press(key) == [request_]

    drive(what)


def test_states_are_drawn_as_they_come() -> None:
    async def what(desk: Desk) -> None:
        assert "YOU MAY TALK" in desk.words
        desk.publish(TALKING)
        assert "YOU ARE ON THE AIR" in desk.words
        assert "2:45 left" in desk.words
        desk.publish(HEARING)
        assert "HEARD NOW: bravo to group 7" in desk.words
        desk.publish(replace(HEARING, ptt=PttView("receiving", 12.0, refusal="busy")))
        assert "REFUSED: bravo is talking" in desk.words
        desk.clock.sleep(5.0)
        desk.publish(replace(HEARING, ptt=PttView("receiving", 17.0, refusal="busy")))
        assert "REFUSED" not in desk.words

    drive(what)


def test_the_station_wakes_the_screen() -> None:
    async def what(desk: Desk) -> None:
        threading.Thread(target=desk.hub.publish, args=(TALKING,)).start()
        await desk.until(lambda: "YOU ARE ON THE AIR" in desk.words)

    drive(what)


def test_a_station_that_fell_silent_is_told_of() -> None:
    async def what(desk: Desk) -> None:
        desk.clock.sleep(7.0)
        desk.app.draw()
        assert "THE STATION DOES NOT ANSWER" in desk.words
        desk.publish(replace(AT_WORK, number=2))
        assert "YOU MAY TALK" in desk.words

    drive(what)


def test_peaks_are_held_for_a_moment() -> None:
    async def what(desk: Desk) -> None:
        quiet = replace(AT_WORK, audio=replace(AT_WORK.audio, level_db=-50.0, peak_db=-50.0))
        desk.publish(replace(AT_WORK, audio=replace(AT_WORK.audio, level_db=-50.0, peak_db=-6.0)))
        desk.publish(quiet)
        assert "|" in desk.words
        desk.clock.sleep(2.0)
        desk.publish(replace(quiet, number=3))
        assert "|" not in desk.words

    drive(what)


def test_news_is_shown_and_warnings_are_marked() -> None:
    async def what(desk: Desk) -> None:
        desk.hub.tell("speaker is gone", Level.WARNING)
        await desk.until(lambda: "! speaker is gone" in desk.words)

    drive(what)


def test_views_by_key() -> None:
    async def what(desk: Desk) -> None:
        desk.hub.remember(HistoryPoint(WALL_S, -30.0, lost=0.1, delay_ms=1300.0))
        for key, said in (
            ("2", "MESSAGES 1 of 4"),
            ("3", "lost now 10 %"),
            ("4", "rx.packets"),
            ("f1", "break in: talk over others"),
            ("1", "LAST HEARD"),
            ("question_mark", "KEYS"),
        ):
            assert await desk.press(key) == []
            assert said in desk.words
        await desk.press("escape")
        assert desk.app.view is View.MAIN
        await desk.press("z")
        assert "nothing is on that key" in desk.words

    drive(what)


def test_a_text_is_written_addressed_and_sent() -> None:
    async def what(desk: Desk) -> None:
        assert await desk.press("t") == []
        assert "text to group (Tab)> " in desk.words
        assert await desk.press("tab") == []
        assert "text to bravo (Tab)> " in desk.words
        assert await desk.press(*"b q1", "space", "m", "backspace") == []
        assert await desk.press("enter") == [SendText("b q1", 2)]
        assert "text to" not in desk.words
        assert await desk.press("space") == [ToggleKey("keyboard")]
        # The next one goes to the same station, unless it says for whom.
        await desk.press("t")
        assert "text to bravo" in desk.words
        assert await desk.press("at", *"all hello", "enter") == [SendText("hello")]

    drive(what)


def test_a_text_can_be_dropped_and_a_wrong_name_loses_nothing() -> None:
    async def what(desk: Desk) -> None:
        assert await desk.press("t", *"hello", "escape", "t", "enter") == []
        assert await desk.press("t", "at", *"delta hello", "enter") == []
        assert "nobody is called delta" in desk.words
        assert await desk.press(*[*["left"] * 6, *["backspace"] * 5], *"bravo", "enter") == [SendText("hello", 2)]

    drive(what)


def test_what_follows_enter_at_once_is_a_key_again() -> None:
    async def what(desk: Desk) -> None:
        from textual import events

        await desk.press("t", *"hi")
        for key, character in (("enter", "\r"), ("space", " ")):
            desk.app.post_message(events.Key(key, character))
        asked: list[Request] = []
        for _ in range(PATIENCE_TURNS):
            asked += desk.hub.take()
            if len(asked) == 2:
                break
            await desk.pilot.pause(0.02)
        assert asked == [SendText("hi"), ToggleKey("keyboard")]

    drive(what)


def test_messages_are_chosen_and_handled_by_a_menu() -> None:
    async def what(desk: Desk) -> None:
        await desk.press("2", "enter")
        assert "Esc back" in desk.words
        assert await desk.press("p") == []  # a text cannot be played
        assert await desk.press("down", "enter", "p") == [PlayMessage("a1b2")]
        assert await desk.press("enter", "r") == []
        assert await desk.press("down", "down", "down", "enter", "r") == [RetryMessage("e5f6")]
        assert await desk.press("enter", "escape", "d") == []
        assert await desk.press("up", "enter", "d") == [DeleteMessage("c3d4")]
        assert await desk.press("enter", "space") == [ToggleKey("keyboard")]

    drive(what)


def test_the_chosen_message_stays_chosen_when_another_comes() -> None:
    async def what(desk: Desk) -> None:
        await desk.press("2", "down")
        newer = replace(AT_WORK.messages[0], wall_s=WALL_S, text="new")
        desk.publish(replace(AT_WORK, messages=(newer, *AT_WORK.messages)))
        assert await desk.press("enter", "p") == [PlayMessage("a1b2")]

    drive(what)


def test_a_message_that_changes_under_the_menu_is_handled_as_it_is() -> None:
    async def what(desk: Desk) -> None:
        await desk.press("2", "down", "enter")
        desk.publish(replace(AT_WORK, messages=()))
        assert await desk.press("p") == [PlayMessage("a1b2")]
        assert "none yet" in desk.words

    drive(what)


def test_night_colours_and_none(tmp_path: Path) -> None:
    async def what(desk: Desk) -> None:
        day = desk.app.export_screenshot()
        assert "#cc0000" in day
        await desk.press("n")
        night = desk.app.export_screenshot()
        assert "#ffff00" not in night
        assert "#ff0000" in night
        (tmp_path / "night.svg").write_text(night, encoding="utf-8")
        await desk.press("n")
        assert desk.app.palette.name == "dark"

    drive(what, TALKING)

    async def colourless(desk: Desk) -> None:
        await desk.press("n")
        assert "NO_COLOR" in desk.words
        assert "YOU ARE ON THE AIR" in desk.words
        assert "#cc0000" not in desk.app.export_screenshot()

    drive(colourless, TALKING, environ={"NO_COLOR": "1"})


@pytest.mark.parametrize("key", ["q", "Q", "ctrl+c", "ctrl+d", "ctrl+q"])
@pytest.mark.parametrize("is_writing", [False, True])
def test_quitting(key: str, is_writing: bool) -> None:
    async def what(desk: Desk) -> None:
        if is_writing:
            await desk.press("t")
        await desk.press(key)
        is_text = is_writing and key in ("q", "Q")
        if not is_text:
            await desk.until(lambda: not desk.app.is_running)
        assert desk.app.is_running is is_text

    drive(what)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 20), (40, 10), (20, 4), (1, 1), (250, 80)])
def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    async def what(desk: Desk) -> None:
        for key in ("1", "2", "3", "4", "question_mark", "t", "x", "escape"):
            await desk.press(key)
        desk.publish(TALKING)
        if size[1] >= 10:
            assert "ON THE AIR" in desk.words

    drive(what, size=size)


def test_a_resized_terminal_is_drawn_anew() -> None:
    async def what(desk: Desk) -> None:
        await desk.pilot.resize_terminal(120, 40)
        await desk.until(lambda: "CHARTS" in desk.words)
        await desk.pilot.resize_terminal(60, 12)
        await desk.until(lambda: "CHARTS" not in desk.words)

    drive(what)


@given(shot=snapshots())
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_snapshot_is_drawn(shot: Snapshot) -> None:
    async def what(desk: Desk) -> None:
        for key in ("2", "enter", "escape", "3", "4"):
            await desk.press(key)
            desk.publish(shot)

    drive(what, shot)


def test_before_the_station_has_said_anything() -> None:
    async def what(desk: Desk) -> None:
        assert "starting" in desk.words
        await desk.press("x", "2", "enter", "t", "tab", "escape", "plus")
        desk.publish(AT_WORK)
        assert "MESSAGES" in desk.words

    drive(what, None)


def test_parts_never_ask_for_more_lines_than_there_are() -> None:
    for height in range(1, 100):
        heights = heights_for(height)
        assert min(heights.values()) >= 0
        assert sum(heights.values()) == height
    assert heights_for(24) == {"header": 1, "banner": 7, "body": 12, "news": 3, "footer": 1}


def test_nothing_is_sent_to_the_terminal_for_lines_that_stay() -> None:
    async def what(desk: Desk) -> None:
        body = desk.app.query_one("#body", Lines)
        drawn: list[object] = []
        body.refresh = lambda *regions, **_: drawn.extend(regions) or body  # type: ignore[method-assign,assignment]
        desk.publish(replace(AT_WORK, number=5))
        assert drawn == []
        desk.publish(replace(AT_WORK, number=6, audio=replace(AT_WORK.audio, is_muted=True)))
        assert len(drawn) == 1

    drive(what)
