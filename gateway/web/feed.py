"""From the hub's threads into the console's loop: what is new, at most ten times a second.

Rule: the media thread only sets a flag; parts become JSON once, for all who look on. A change of the push-to-talk is
passed on at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from gateway.control.hub import ControlHub
from gateway.control.snapshot import Snapshot
from gateway.web.wire import Parts

INTERVAL_S = 0.1
ALONE_S = 1.0
"""How often there is a look at the station while no browser is connected."""


class Feed:
    """One per console; lives in its loop."""

    def __init__(self, hub: ControlHub) -> None:
        self._hub = hub
        self._parts = Parts()
        self._loop = asyncio.get_running_loop()
        self._is_new = asyncio.Event()
        self._turn = asyncio.Condition()
        self._is_told = False
        self._watchers = 0
        self._joined = asyncio.Event()
        self._last: Snapshot | None = None
        self.published_s = float("-inf")
        """When the station published last, by the loop's clock."""
        self._stop_listening: Callable[[], None] = hub.listen(self._told)
        self._is_new.set()
        self._look()

    @property
    def version(self) -> int:
        """Goes up with everything new."""
        return self._parts.version

    @property
    def age_s(self) -> float:
        """How long ago the station published; without end where it has not yet."""
        return self._loop.time() - self.published_s

    def since(self, version: int) -> str | None:
        """A JSON object of what changed after `version`; None: nothing."""
        return self._parts.since(version)

    async def wait(self, version: int, news: int) -> None:
        """Until there is more than `version` and the news line numbered `news`."""
        async with self._turn:
            await self._turn.wait_for(lambda: self._parts.version > version or bool(self._hub.news(news)))

    def join(self) -> None:
        """One more looks on; what is now is ready at once."""
        self._watchers += 1
        self._joined.set()
        self._look()

    def leave(self) -> None:
        """One less looks on."""
        self._watchers -= 1
        if not self._watchers:
            self._joined.clear()

    async def run(self) -> None:
        """Pass on what is new until cancelled."""
        passed_s = float("-inf")
        while True:
            if self._watchers:
                await self._news_of_hub(None)
                while not self._is_urgent() and (left_s := passed_s + INTERVAL_S - self._loop.time()) > 0:
                    await self._news_of_hub(left_s)
            else:
                # Nothing is made for nobody; the flag stays up, so that the media thread does not even call.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._joined.wait(), ALONE_S)
            passed_s = self._loop.time()
            self._look()
            async with self._turn:
                self._turn.notify_all()

    def _look(self) -> None:
        snapshot = self._hub.snapshot
        if snapshot is None:
            return
        if snapshot is not self._last:
            self.published_s, self._last = self._loop.time(), snapshot
        if self._watchers:
            self._parts.take(snapshot)

    async def _news_of_hub(self, patience_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_new.wait(), patience_s)
        self._is_new.clear()
        self._is_told = False

    def close(self) -> None:
        """Listen no more."""
        self._stop_listening()

    def _is_urgent(self) -> bool:
        """Whether the push-to-talk is not what was last passed on."""
        snapshot = self._hub.snapshot
        if snapshot is None or self._last is None:
            return snapshot is not self._last
        new, old = snapshot.ptt, self._last.ptt
        return (new.mode, new.held_by, new.refusal) != (old.mode, old.held_by, old.refusal)

    def _told(self) -> None:
        """Called from any thread, mostly from the media thread."""
        if not self._is_told:
            self._is_told = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the listening is about to
                self._loop.call_soon_threadsafe(self._is_new.set)
