"""Messages, overs and recordings on the page in real Chromium: what is asked is seen at the hub."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.control import requests as r
from gateway.control import snapshot as views
from gateway.control.requests import SendText
from gateway.control.snapshot import PttView
from tests.web.desk import Consoles, Desk, until
from tests.web.page import TABS, Open, comes_true, state
from tests.web.recordings import record_over


def test_texts_are_sent_to_the_group_and_to_one(visit: Open, desk: Desk) -> None:
    page = visit()
    assert page.locator("#unread").inner_text() == "2"
    page.click("#tab-messages")
    until(lambda: page.locator("#unread").is_hidden())
    page.get_by_label("Text", exact=True).fill("Good morning")
    page.get_by_role("button", name="Send", exact=True).click()
    until(lambda: desk.asked(SendText))
    comes_true(page, "document.getElementById('text').value === ''")
    page.get_by_label("To", exact=True).select_option(label="Dorado")
    page.get_by_label("Text", exact=True).fill("Only you")
    page.keyboard.press("Enter")
    until(lambda: len(desk.asked(SendText)) == 2)
    assert desk.asked(SendText) == [SendText("Good morning", None), SendText("Only you", 2)]


def test_what_others_write_is_text_and_no_markup(visit: Open, desk: Desk) -> None:
    page = visit()
    evil = "<img src=x onerror=alert(1)><b>bold</b>"
    desk.change(
        messages=(views.MessageView("text", "in", evil, 1.0, evil, None, "received"),),
        talker=views.TalkerView(evil, 7),
        ptt=PttView(mode="receiving"),
        names=((7, evil),),
    )
    desk.hub.tell(evil)
    state(page, "rx")
    for tab in TABS:
        page.click(f"#tab-{tab}")
    page.click("#tab-messages")
    assert page.locator("#messages .what").inner_text().endswith(evil)
    assert page.locator("main img, main .what b, #state img").count() == 0


def test_messages_overs_and_tests_reach_the_station(visit: Open, desk: Desk) -> None:
    page = visit()
    page.click("#tab-messages")
    page.get_by_role("button", name="Play the message from Castle base").click()
    page.get_by_role("button", name="Send the message to Dorado again").click()
    delete = page.get_by_role("button", name="Delete the message from Castle base")
    delete.click()
    until(lambda: len(desk.requests) == 2)
    delete.click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_role("button", name="Stop playing").click()
    page.click("#tab-heard")
    page.get_by_role("button", name="Replay the over of Castle base").click()
    page.click("#tab-station")
    for name in ("Test tone", "Microphone test", "Parrot"):
        page.get_by_role("button", name=name).click()
    page.click("#tab-talk")
    page.get_by_role("button", name="Mute the speaker").click()
    page.get_by_role("button", name="Louder").click()
    until(lambda: len(desk.requests) == 11)
    assert desk.requests == [
        r.PlayMessage("0badcafe"),
        r.RetryMessage("0badf00d"),
        r.DeleteMessage("0badcafe"),
        r.ToggleRecording(),
        r.StopPlaying(),
        r.ReplayOver(2),
        r.TestTone(),
        r.TestMicrophone(),
        r.SetParrot(True),
        r.SetMute(True),
        r.SetVolume(0.0),
    ]


def test_recordings_play_in_the_browser(visit: Open, consoles: Consoles, tmp_path: Path) -> None:
    record_over(tmp_path, 2.0)
    page = visit(consoles.start(recordings=tmp_path).address)
    page.click("#tab-heard")
    page.get_by_role("button", name=re.compile("Play the recording Said here")).click()
    comes_true(page, "document.getElementById('player').currentTime > 0.3")
    assert page.evaluate("document.getElementById('player').duration") == pytest.approx(2.0, abs=0.1)
    page.evaluate("document.getElementById('player').currentTime = 1.5")
    comes_true(page, "document.getElementById('player').ended")
