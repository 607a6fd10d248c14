"""The talk button of the page in real Chromium: fingers, keys and latches; what comes of them is seen at the hub."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.control import requests as r
from gateway.control import snapshot as views
from gateway.control.requests import LEASE_S, HoldKey, PressKey, ReleaseKey
from gateway.control.snapshot import PttView
from tests.web.desk import Consoles, Desk, until
from tests.web.page import TABLET, Open, finger_down, state


def test_hold_to_talk_with_a_finger(visit: Open, desk: Desk, picture: Callable[[Any, str], None]) -> None:
    desk.obeys = True
    page = visit(has_touch=True, is_mobile=True)
    picture(page, "web-phone")
    finger = finger_down(page, "#talk")
    state(page, "tx")
    until(lambda: len(desk.asked(HoldKey)) >= 3)
    assert page.locator("#talk").inner_text().startswith("Speak")
    assert page.locator("#state-title").inner_text() == "On the air"
    assert page.locator("#countdown").inner_text() == "3:00 min left"
    picture(page, "web-phone-on-the-air")
    # A finger that slides off on a moving deck still talks.
    finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": 200, "y": 100}]})
    before = len(desk.asked(HoldKey))
    until(lambda: len(desk.asked(HoldKey)) > before + 1)
    assert not desk.asked(ReleaseKey)
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    state(page, "ready")
    (press,) = desk.asked(PressKey)
    assert (press.break_in, press.lease_s) == (False, LEASE_S)
    assert desk.asked(ReleaseKey) == [ReleaseKey(press.holder)]
    assert set(desk.asked(HoldKey)) == {HoldKey(press.holder)}
    assert page.evaluate("getSelection().toString()") == ""


def test_a_touch_that_the_system_takes_away_lets_go(visit: Open, desk: Desk) -> None:
    page = visit(has_touch=True, is_mobile=True)
    finger = finger_down(page, "#talk")
    until(lambda: desk.asked(PressKey))
    finger.send("Input.dispatchTouchEvent", {"type": "touchCancel", "touchPoints": []})
    until(lambda: desk.asked(ReleaseKey))


@pytest.mark.parametrize(
    "loses_sight",
    [
        "dispatchEvent(new Event('blur'))",
        "dispatchEvent(new Event('pagehide'))",
        "Object.defineProperty(document, 'visibilityState', {value: 'hidden'});"
        "document.dispatchEvent(new Event('visibilitychange'))",
    ],
    ids=["blur", "pagehide", "hidden"],
)
def test_a_page_that_loses_sight_of_its_operator_lets_go(visit: Open, desk: Desk, loses_sight: str) -> None:
    page = visit()
    page.hover("#talk")
    page.mouse.down()
    until(lambda: desk.asked(PressKey))
    page.evaluate(loses_sight)
    until(lambda: desk.asked(ReleaseKey))
    held = len(desk.asked(HoldKey))
    time.sleep(0.8)  # two and a half renewals would have come
    assert len(desk.asked(HoldKey)) <= held + 1
    assert len(desk.asked(PressKey)) == 1


def test_a_tab_that_is_closed_lets_go(visit: Open, desk: Desk) -> None:
    page = visit()
    page.hover("#talk")
    page.mouse.down()
    until(lambda: desk.asked(HoldKey))
    page.close()
    until(lambda: desk.asked(ReleaseKey), 10)


def test_a_browser_that_dies_is_released_by_the_closed_socket(browser: Any, consoles: Consoles, desk: Desk) -> None:
    """The renderer is killed: no script runs any more, the socket breaks."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(consoles.start().address)
    page.wait_for_selector("#state:not([data-state=lost])")
    page.keyboard.down("Space")
    until(lambda: desk.asked(HoldKey))
    context.close()
    until(lambda: desk.asked(ReleaseKey))
    held = len(desk.asked(HoldKey))
    time.sleep(0.5)
    assert len(desk.asked(HoldKey)) == held


def test_the_space_bar_talks_and_types(visit: Open, desk: Desk) -> None:
    desk.obeys = True
    page = visit(size=TABLET)
    page.keyboard.down("Space")
    state(page, "tx")
    until(lambda: len(desk.asked(HoldKey)) >= 2)
    page.keyboard.up("Space")
    state(page, "ready")
    page.click("#tab-messages")
    page.keyboard.down("Space")  # after a click on something else it still talks
    state(page, "tx")
    page.keyboard.up("Space")
    state(page, "ready")
    page.focus("#text")
    page.keyboard.type("a b")
    assert page.input_value("#text") == "a b"
    assert len(desk.asked(PressKey)) == 2
    page.focus("#talk")
    page.keyboard.down("Space")
    state(page, "tx")
    page.keyboard.press("Escape")
    state(page, "ready")
    page.keyboard.up("Space")
    time.sleep(0.4)
    assert len(desk.asked(PressKey)) == len(desk.asked(ReleaseKey)) == 3


def test_latching_is_kept_by_the_page_and_ends_with_the_over(visit: Open, desk: Desk) -> None:
    desk.obeys = True
    page = visit()
    page.click("#latch")
    assert "Tap to talk" in page.locator("#talk").inner_text()
    page.click("#talk")
    state(page, "tx")
    until(lambda: len(desk.asked(HoldKey)) >= 3)
    page.click("#talk")
    state(page, "ready")
    page.click("#talk")
    state(page, "tx")
    # The station ends the over by its time-out: the latch lets go, and nothing begins by itself.
    desk.obeys = False  # else the lock-out ends with the release before the page could be looked at
    desk.change(ptt=replace(desk.snapshot.ptt, mode="locked_out", time_left_s=None, refusal="locked out"))
    state(page, "locked")
    until(lambda: len(desk.asked(ReleaseKey)) == 2)
    time.sleep(0.5)
    assert len(desk.asked(PressKey)) == 2
    assert not desk.asked(r.ToggleKey)


def test_a_screen_reader_s_click_latches(visit: Open, desk: Desk) -> None:
    page = visit()
    page.evaluate("document.getElementById('talk').click()")
    until(lambda: len(desk.asked(HoldKey)) >= 1)
    page.evaluate("document.getElementById('talk').click()")
    until(lambda: desk.asked(ReleaseKey))


def test_breaking_in_takes_two_deliberate_steps(visit: Open, desk: Desk, picture: Callable[[Any, str], None]) -> None:
    page = visit()
    desk.change(ptt=PttView(mode="receiving"), talker=views.TalkerView("Dorado", 2, 4, 5.0))
    state(page, "rx")
    assert page.locator("#state-title").inner_text() == "Receiving Dorado"
    page.keyboard.press("Space")
    until(lambda: desk.asked(ReleaseKey))
    page.get_by_role("button", name="Break in").click()
    assert not [press for press in desk.asked(PressKey) if press.break_in], "arming alone does nothing"
    assert "Hold to break in" in page.locator("#talk").inner_text()
    picture(page, "web-break-in")
    page.keyboard.press("Space")
    until(lambda: len(desk.asked(ReleaseKey)) == 2)
    assert [press.break_in for press in desk.asked(PressKey)] == [False, True]
    page.keyboard.press("Space")
    until(lambda: len(desk.asked(ReleaseKey)) == 3)
    assert [press.break_in for press in desk.asked(PressKey)] == [False, True, False], "armed for one press only"


def test_a_refusal_is_told_while_the_key_is_down_and_not_for_ever(visit: Open, desk: Desk) -> None:
    page = visit()
    page.keyboard.down("Space")
    until(lambda: desk.asked(PressKey))
    desk.change(ptt=replace(desk.snapshot.ptt, refusal="busy"))
    state(page, "busy")
    assert "Somebody else is talking" in page.locator("#talk").inner_text()
    page.keyboard.up("Space")
    state(page, "ready")
