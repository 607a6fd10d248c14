"""From the hub into the loop: few, soon, and never waited for."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from gateway.clock import SystemClock
from gateway.control.hub import ControlHub
from gateway.control.snapshot import PttView
from gateway.web import feed as feeds
from gateway.web.feed import Feed
from tests.web.desk import rich_snapshot


def test_many_publications_are_few_turns_and_the_last_one_is_seen() -> None:
    hub = ControlHub(SystemClock())

    async def look() -> None:
        feed = Feed(hub)
        feed.join()
        running = asyncio.create_task(feed.run())
        began = time.monotonic()

        def publish() -> None:
            for n in range(500):
                hub.publish(replace(rich_snapshot(), names=((n, "x"),)))
                time.sleep(0.001)

        thread = threading.Thread(target=publish)
        thread.start()
        turns, version = 0, 0
        while '"names":[[499,' not in (feed.since(version) or ""):
            version = feed.version
            await asyncio.wait_for(feed.wait(version, 0), 20)
            turns += 1
        thread.join()
        assert turns <= (time.monotonic() - began) / feeds.INTERVAL_S + 2
        running.cancel()
        feed.close()

    asyncio.run(look())


def test_a_change_of_the_push_to_talk_does_not_wait_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = ControlHub(SystemClock())
    monkeypatch.setattr(feeds, "INTERVAL_S", 3600.0)

    async def look() -> None:
        hub.publish(rich_snapshot())
        feed = Feed(hub)
        feed.join()
        running = asyncio.create_task(feed.run())
        await asyncio.wait_for(feed.wait(0, 0), 20)
        version = feed.version
        hub.publish(replace(rich_snapshot(), names=()))
        await asyncio.sleep(0.2)
        assert feed.version == version, "no hurry for that"
        hub.publish(replace(rich_snapshot(), names=(), ptt=PttView(mode="talking")))
        await asyncio.wait_for(feed.wait(version, 0), 20)
        assert '"mode":"talking"' in (feed.since(version) or "")
        running.cancel()
        feed.close()

    asyncio.run(look())


def test_news_wakes_who_waits() -> None:
    hub = ControlHub(SystemClock())

    async def look() -> None:
        feed = Feed(hub)
        feed.join()
        running = asyncio.create_task(feed.run())
        waiting = asyncio.create_task(feed.wait(0, 0))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        hub.tell("something")
        await asyncio.wait_for(waiting, 20)
        running.cancel()
        feed.close()

    asyncio.run(look())


def test_for_nobody_nothing_is_made_but_who_comes_gets_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = ControlHub(SystemClock())
    monkeypatch.setattr(feeds, "ALONE_S", 0.02)

    async def look() -> None:
        feed = Feed(hub)
        running = asyncio.create_task(feed.run())
        hub.publish(rich_snapshot())
        while feed.published_s == float("-inf"):
            await asyncio.sleep(0.01)
        assert feed.since(0) is None
        feed.join()
        assert '"name":"Boreas"' in (feed.since(0) or "")
        feed.leave()
        version = feed.version
        hub.publish(replace(rich_snapshot(), names=()))
        await asyncio.sleep(0.1)
        assert feed.version == version
        feed.join()
        assert '"names":[]' in (feed.since(version) or "")
        hub.publish(replace(rich_snapshot(), names=((9, "nine"),)))
        await asyncio.wait_for(feed.wait(feed.version, 0), 20)
        assert "nine" in (feed.since(version) or "")
        running.cancel()
        feed.close()

    asyncio.run(look())


def test_after_the_loop_has_ended_publishing_harms_nobody() -> None:
    hub = ControlHub(SystemClock())

    async def look() -> None:
        Feed(hub)

    asyncio.run(look())
    hub.publish(rich_snapshot())
    hub.tell("still here")
