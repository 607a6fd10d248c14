"""The screen itself: snapshots to widgets, keys to requests.

Rule: it holds no state of the station. What a key did shows when the station says so in a snapshot; what is kept here
is what the screen alone knows: the view, what is chosen, colours, held peaks, and how long ago things were seen.

Cheap by design: at most ten draws a second (four while nobody talks), only lines that changed are sent.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.driver import Driver
from textual.events import Key, Paste, Resize
from textual.timer import Timer

from gateway.clock import Clock, SystemClock
from gateway.console import panels, views
from gateway.console.banner import HEIGHT, Banner, banner_lines, banner_of
from gateway.console.palette import DARK, MONO, NIGHT
from gateway.console.prompt import addressee_name, next_addressee, text_request
from gateway.console.screen_keys import ConsoleKeys
from gateway.console.spans import Glyphs, Line, Role, fitted, line
from gateway.console.terminal import glyphs_for, is_hung_up
from gateway.console.views import Look, View
from gateway.console.widgets import Lines, TextLine
from gateway.control.hub import ControlHub
from gateway.control.requests import (
    MAX_TEXT_CHARACTERS,
    DeleteMessage,
    PlayMessage,
    RetryMessage,
    SetVolume,
)
from gateway.control.snapshot import MessageView, Snapshot
from gateway.errors import RequestError

BUSY_DRAW_S = 0.1
QUIET_DRAW_S = 0.25
LOOK_S = 0.25
"""How often stop, the station's life and the terminal are looked at."""
SILENT_AFTER_S = 3.0
REFUSED_SHOWN_S = 3.0
HINT_SHOWN_S = 4.0
PEAK_HELD_S = 1.5
WRITING_KEYS = " Enter sends   Esc drops   Tab or @name: for whom   Ctrl-C quits"


class ScreenApp(App[None], inherit_bindings=False):
    """One per run of the console."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; background: #000000; color: #dddddd; overflow: hidden; }
    #body { height: 1fr; }
    #writing { height: 1; display: none; background: #000000; }
    #addressee { width: auto; }
    TextLine, TextLine:focus { border: none; padding: 0; height: 1; width: 1fr; background: #000000; color: #ffffff; }
    TextLine > .input--cursor { background: #ffffff; color: #000000; text-style: none; }
    .night TextLine, .night TextLine:focus { color: #ff0000; }
    .night TextLine > .input--cursor { background: #ff0000; color: #000000; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+d,ctrl+q", "leave", show=False, priority=True),
        Binding("f1", "help", show=False, priority=True),
        Binding("ctrl+z", "stay", show=False, priority=True),
    ]

    def __init__(
        self,
        hub: ControlHub,
        stop: threading.Event,
        is_alive: Callable[[], bool],
        lost: threading.Event | None = None,
        driver: type[Driver] | None = None,
        *,
        clock: Clock | None = None,
        glyphs: Glyphs | None = None,
        environ: dict[str, str] | None = None,
    ) -> None:
        environ = dict(os.environ) if environ is None else environ
        # Without colour the terminal's own are used throughout, not grey for black.
        super().__init__(driver_class=driver, ansi_color="NO_COLOR" in environ)
        self.hub = hub
        self.failure: BaseException | None = None
        self._stop, self._is_alive, self._lost = stop, is_alive, lost or threading.Event()
        self._watches_terminal = lost is not None
        self._clock = clock or SystemClock()
        self._glyphs = glyphs or glyphs_for(environ)
        self._is_mono = "NO_COLOR" in environ
        self.palette = MONO if self._is_mono else DARK
        self.view = View.MAIN
        self._console_keys = ConsoleKeys()
        self._has_news = threading.Event()
        self._drawn: Snapshot | None = None
        self._drawn_s = self._published_s = self._clock.now()
        self._published: Snapshot | None = None
        self._pending: Timer | None = None
        self._refusal: tuple[str | None, float] = (None, float("-inf"))
        self._hint: tuple[str, float] = ("", float("-inf"))
        self._peak: tuple[float, float] = (-100.0, float("-inf"))
        self._chosen = self._scrolled = 0
        self._chosen_key: tuple[Any, ...] | None = None
        self._menu: MessageView | None = None
        self._to: int | None = None
        self._ends_listening: Callable[[], None] = lambda: None

    # Life.

    def compose(self) -> ComposeResult:
        for name in ("header", "banner", "body", "news", "footer"):
            yield Lines(id=name)
        with Horizontal(id="writing"):
            yield Lines(id="addressee")
            yield TextLine(self.text_key, MAX_TEXT_CHARACTERS + 20)

    def on_mount(self) -> None:
        line_of_text = self.query_one(TextLine)
        line_of_text.cursor_blink = False
        line_of_text.disabled = True
        self._paint()
        # Timers begun on behalf of the station's thread, which knows of no app, could not end otherwise.
        self._context_of_app = copy_context()
        self._ends_listening = self.hub.listen(self._heard_from_station)
        self.set_interval(LOOK_S, self._look)
        self.draw()

    def on_unmount(self) -> None:
        self._ends_listening()

    def on_resize(self, _: Resize) -> None:
        self.call_after_refresh(self.draw)

    def _handle_exception(self, error: Exception) -> None:
        # The first: others may come of it, while the screen is being taken down.
        self.failure = self.failure or error
        super()._handle_exception(error)

    def _heard_from_station(self) -> None:
        """From the station's thread: only hand on, and only once until it was seen."""
        if not self._has_news.is_set():
            self._has_news.set()
            loop = self._loop
            if loop is not None and not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(self._plan, context=self._context_of_app)
                except RuntimeError:
                    return  # closing

    def _plan(self) -> None:
        """Draw at once if the push-to-talk moved, else as soon as the last draw is long enough ago."""
        self._has_news.clear()
        shot, drawn = self.hub.snapshot, self._drawn
        pace_s = BUSY_DRAW_S if _is_lively(shot) or _is_lively(drawn) else QUIET_DRAW_S
        if shot is not None and drawn is not None and _keys_of(shot) != _keys_of(drawn):
            pace_s = 0.0
        wait_s = self._drawn_s + pace_s - self._clock.now()
        if wait_s <= 0:
            self.draw()
        elif self._pending is None:
            self._pending = self.set_timer(wait_s, self.draw)

    def _look(self) -> None:
        if self._lost.is_set() or (self._watches_terminal and is_hung_up(0)):
            self._lost.set()
            self.exit()
        elif self._stop.is_set() or not self._is_alive():
            self.exit()
        elif self._clock.now() - self._drawn_s >= 1.0:
            self.draw()

    # Drawing.

    def draw(self) -> None:
        """What the hub has now, in the lines that changed."""
        if self._pending is not None:
            self._pending.stop()
            self._pending = None
        now_s = self._drawn_s = self._clock.now()
        shot = self.hub.snapshot
        width, height = self.size
        if width < 1 or height < 1:
            return
        heights = heights_for(height)
        if self._is_writing:
            heights["body"] = max(0, heights["body"] - 1)
        for name, rows in heights.items():
            part = self._part(name)
            if name != "body":
                part.styles.height = rows
                part.display = rows > 0
        if shot is None:
            shown = fitted(line((" starting ...", Role.BAR)), width, Role.BAR)
            self._part("header").show([shown])
            self._draw_news(width, heights["news"])
            return
        self._notice(shot, now_s)
        look = self._look_of(shot, width, heights["body"], now_s)
        self._part("header").show([panels.header(shot, width, self._glyphs)])
        self._part("banner").show(banner_lines(self.banner(shot, now_s), width, heights["banner"], self._glyphs))
        self._part("body").show(self._body(shot, look))
        self._draw_news(width, heights["news"])
        hint, hinted_s = self._hint
        hint = hint if now_s - hinted_s < HINT_SHOWN_S else ""
        if self._menu is not None and not hint:
            hint = views.menu_of(self._menu)
        if self._is_writing and not hint:
            self._part("footer").show([fitted(line((WRITING_KEYS, Role.BAR)), width, Role.BAR)])
        else:
            self._part("footer").show([views.footer(self.view, width, hint)])
        self._drawn = shot

    def banner(self, shot: Snapshot, now_s: float) -> Banner:
        """What matters most, now."""
        silent_s = now_s - self._published_s
        return banner_of(
            shot,
            refused_now=shot.ptt.refusal is not None and now_s - self._refusal[1] < REFUSED_SHOWN_S,
            silent_s=silent_s if silent_s >= SILENT_AFTER_S else None,
        )

    def _notice(self, shot: Snapshot, now_s: float) -> None:
        """Remember when things were first seen."""
        if shot is not self._published:
            self._published, self._published_s = shot, now_s
        if shot.ptt.refusal != self._refusal[0]:
            self._refusal = (shot.ptt.refusal, now_s)
        if shot.audio.peak_db >= self._peak[0] or now_s - self._peak[1] > PEAK_HELD_S:
            self._peak = (shot.audio.peak_db, now_s)

    def _look_of(self, shot: Snapshot, width: int, height: int, now_s: float) -> Look:
        messages = views.newest_first(shot)
        keys = [_key_of(message) for message in messages]
        if self._chosen_key in keys:
            self._chosen = keys.index(self._chosen_key)
        self._chosen = min(self._chosen, max(0, len(messages) - 1))
        return Look(width, height, self._glyphs, self._peak[0], self._chosen, self._scrolled)

    def _body(self, shot: Snapshot, look: Look) -> list[Line]:
        match self.view:
            case View.MAIN:
                history = self.hub.history() if look.width >= views.THREE_COLUMNS_FROM else ()
                return views.main_view(shot, look, history)
            case View.MESSAGES:
                return views.messages_view(shot, look)
            case View.LINK:
                return views.link_view(shot, look, self.hub.history())
            case View.DEVICES:
                return views.devices_view(shot, look)
            case View.HELP:
                return views.help_view(look)

    def _draw_news(self, width: int, height: int) -> None:
        if height:
            self._part("news").show(panels.news(self.hub.news()[-height:], width, height, self._glyphs))

    def _part(self, name: str) -> Lines:
        return self.query_one(f"#{name}", Lines)

    def _paint(self) -> None:
        for part in self.query(Lines):
            part.painted(self.palette)
        self.screen.set_class(self.palette is NIGHT, "night")

    def hint(self, words: str) -> None:
        """A line at the bottom for a moment."""
        self._hint = (self._glyphs.shown(words), self._clock.now())
        self.draw()

    # Keys.

    def on_key(self, event: Key) -> None:
        """A key that the text line did not take."""
        text = self.query_one(TextLine)
        if self._is_writing:
            # Keys that were on their way before the line opened (typed ahead, or over a slow network) are its own.
            if event is not text.last_key:
                text.post_message(Key(event.key, event.character))
            return
        event.stop()
        key = (event.character or "").lower() if event.is_printable else event.key
        if self._menu is not None:
            self._menu_key(self._menu, key)
        elif not (self._asking_key(key) or self._view_key(key)):
            self.hint("nothing is on that key; F1 shows the keys")

    def _asking_key(self, key: str) -> bool:
        """A key that asks the station for something."""
        requests = self._console_keys.requests(key, self.view, self.hub.snapshot, self._clock.now())
        for request in requests or ():
            self.hub.post(request)
            if isinstance(request, SetVolume):
                self.hint(f"volume {request.volume_db:+.0f} dB")
        return requests is not None

    def on_paste(self, event: Paste) -> None:
        """Pasted text is no row of commands."""
        event.stop()

    def _view_key(self, key: str) -> bool:
        match key:
            case "1" | "2" | "3" | "4":
                self.show_view(View(key))
            case "?":
                self.action_help()
            case "t":
                self._open_text()
            case "q":
                self.action_leave()
            case "escape":
                self.show_view(View.MAIN)
            case "n":
                self.action_colours()
            case "up" | "down" | "pageup" | "pagedown":
                self._move({"up": -1, "down": 1, "pageup": -8, "pagedown": 8}[key])
            case "enter":
                self._open_menu()
            case _:
                return False
        return True

    def _move(self, step: int) -> None:
        if self.view is View.MESSAGES and self.hub.snapshot is not None:
            messages = views.newest_first(self.hub.snapshot)
            if messages:
                self._chosen = min(len(messages) - 1, max(0, self._chosen + step))
                self._chosen_key = _key_of(messages[self._chosen])
        else:
            self._scrolled = min(max(0, self._scrolled + step), 1000)
        self.draw()

    def _open_menu(self) -> None:
        shot = self.hub.snapshot
        messages = views.newest_first(shot) if shot is not None else ()
        if self.view is View.MESSAGES and self._chosen < len(messages):
            self._menu = messages[self._chosen]
            self._chosen_key = _key_of(self._menu)
        self.draw()

    def _menu_key(self, message: MessageView, key: str) -> None:
        self._menu = None
        match key:
            case "p" | "enter" if message.id is not None and message.kind != "text":
                self.hub.post(PlayMessage(message.id))
            case "r" if message.id is not None and views.can_retry(message):
                self.hub.post(RetryMessage(message.id))
            case "d" if message.id is not None:
                self.hub.post(DeleteMessage(message.id))
                self._chosen_key = None
            case " ":
                self._asking_key(key)
        self.draw()

    def show_view(self, view: View) -> None:
        """In the middle from now on."""
        self.view, self._scrolled, self._menu = view, 0, None
        self.draw()

    def action_help(self) -> None:
        if not self._is_writing:
            self.show_view(View.MAIN if self.view is View.HELP else View.HELP)

    def action_colours(self) -> None:
        if self._is_mono:
            self.hint("no colours: NO_COLOR is set")
            return
        self.palette = DARK if self.palette is NIGHT else NIGHT
        self._paint()

    def action_leave(self) -> None:
        self.exit()

    def action_stay(self) -> None:
        """A stopped process cannot unkey: there is no going to the background."""
        self.hint("the station cannot go to the background; q quits")

    # The text line.

    @property
    def _is_writing(self) -> bool:
        return not self.query_one(TextLine).disabled

    def _open_text(self) -> None:
        text = self.query_one(TextLine)
        text.value, text.disabled = "", False
        self.query_one("#writing").display = True
        self._show_addressee()
        text.focus()
        self.draw()

    def _show_addressee(self) -> None:
        names = self.hub.snapshot.names if self.hub.snapshot is not None else ()
        label = f" text to {self._glyphs.shown(addressee_name(self._to, names))}{' (Tab)' if names else ''}> "
        part = self._part("addressee")
        part.styles.width = min(len(label), max(8, self.size.width // 2))
        part.show([line((label, Role.BAR))])

    def _next_addressee(self, step: int) -> None:
        names = self.hub.snapshot.names if self.hub.snapshot is not None else ()
        self._to = next_addressee(self._to, names, step)
        self._show_addressee()

    def _close_text(self) -> None:
        text = self.query_one(TextLine)
        text.disabled = True
        self.query_one("#writing").display = False
        self.screen.set_focus(None)
        self.draw()

    def text_key(self, event: Key, typed: str) -> bool:
        """A key on its way to the text line; whether it was none of the line's."""
        if not self._is_writing:
            self.on_key(event)
            return True
        match event.key:
            case "enter":
                self._send_text(typed)
            case "escape":
                self._close_text()
            case "tab":
                self._next_addressee(1)
            case "shift+tab":
                self._next_addressee(-1)
            case _:
                return False
        return True

    def _send_text(self, typed: str) -> None:
        names: Sequence[tuple[int, str]] = self.hub.snapshot.names if self.hub.snapshot is not None else ()
        try:
            request = text_request(typed, self._to, names)
        except RequestError as error:
            # The line stays, so that nothing typed is lost.
            self.hint(str(error))
            return
        if request is not None:
            self.hub.post(request)
            self._to = request.to
        self._close_text()


def heights_for(height: int) -> dict[str, int]:
    """Lines of each part of the screen."""
    banner = HEIGHT if height >= 18 else 3 if height >= 9 else 1
    news = 6 if height >= 34 else 3 if height >= 24 else 2 if height >= 20 else 1 if height >= 12 else 0
    header = 1 if height >= 5 else 0
    footer = 1 if height >= 3 else 0
    body = max(0, height - header - banner - news - footer)
    return {"header": header, "banner": banner, "body": body, "news": news, "footer": footer}


def _is_lively(shot: Snapshot | None) -> bool:
    return shot is not None and (shot.ptt.mode != "idle" or shot.talker is not None)


def _keys_of(shot: Snapshot) -> tuple[Any, ...]:
    return shot.ptt.mode, shot.ptt.refusal, shot.ptt.is_recording, shot.talker is None


def _key_of(message: MessageView) -> tuple[Any, ...]:
    """What stays the same while a message is under way."""
    return (message.id,) if message.id is not None else (message.kind, message.direction, message.peer, message.wall_s)
