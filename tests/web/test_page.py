"""The page in real Chromium: fingers, keys, themes and sizes; what comes of them is seen at the hub."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.control import requests as r
from gateway.control import snapshot as views
from gateway.control.requests import LEASE_S, HoldKey, PressKey, ReleaseKey, SendText
from gateway.control.snapshot import PttView
from gateway.operator_config import WebSection
from gateway.web.token import make_token
from tests.web.desk import Consoles, Desk, until
from tests.web.recordings import record_over

PHONE = {"width": 390, "height": 844}
TABLET = {"width": 1024, "height": 768}
SIZES = {
    "narrow": {"width": 320, "height": 568},
    "phone": PHONE,
    "landscape": {"width": 740, "height": 360},
    "tablet": TABLET,
    "portrait": {"width": 820, "height": 1180},
}
TABS = ("talk", "messages", "heard", "link", "station")

Open = Callable[..., Any]


@pytest.fixture
def visit(browser: Any, consoles: Consoles) -> Iterator[Open]:
    """Opens a console's page; a script that fails or anything that the page may not do fails the test."""
    contexts: list[Any] = []
    problems: list[str] = []

    def begin(
        address: str | None = None, theme: str | None = None, size: dict[str, int] | None = None, **options: Any
    ) -> Any:
        context = browser.new_context(viewport=size or PHONE, color_scheme=options.pop("scheme", "dark"), **options)
        contexts.append(context)
        context.set_default_timeout(40_000)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: "Content Security" in line.text and problems.append(line.text))
        if theme is not None:
            page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        page.goto(address or consoles.start().address)
        page.wait_for_selector("#state:not([data-state=lost])")
        return page

    yield begin
    for context in contexts:
        context.close()
    assert problems == []


def state(page: Any, look: str) -> None:
    page.wait_for_selector(f"#state[data-state={look}]")


def comes_true(page: Any, script: str) -> None:
    """Wait for what `script` says; Playwright's own waiting evaluates text in the page, which the page forbids."""
    until(lambda: page.evaluate(script))


def finger_down(page: Any, selector: str) -> Any:
    """A finger goes down on an element of the page, and stays; returns the session that lifts it."""
    box = page.locator(selector).bounding_box()
    session = page.context.new_cdp_session(page)
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    return session


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


@pytest.mark.parametrize(
    ("parts", "look", "title", "sub"),
    [
        ({"ptt": PttView("talking", held_by=("switch",), time_left_s=12.0)}, "tx", "On the air", "Keyed by the switch"),
        ({"ptt": PttView("talking", held_by=("web:0000",))}, "tx", "On the air", "Keyed by another phone or tablet"),
        ({"ptt": PttView("tail")}, "tx", "On the air", "Last words go out"),
        ({"ptt": PttView("locked_out", held_by=("keyboard",))}, "locked", "Locked out", "Let go of the key"),
        ({"ptt": PttView("keying", held_by=("switch",))}, "busy", "Wait", "The transmitter is coming up"),
        ({"ptt": PttView("busy_lockout"), "talker": views.TalkerView("Dorado", 2)}, "busy", "Busy: Dorado", "let go"),
        ({"ptt": PttView("waiting")}, "busy", "Waiting", "You begin when the channel is free"),
        ({"ptt": PttView(waits_for_floor=True)}, "busy", "Waiting", "You begin when the channel is free"),
        ({"ptt": PttView("talking", is_parrot=True)}, "parrot", "Parrot", "not on the air"),
        ({"ptt": PttView(is_recording=True)}, "rec", "Recording", "sent when you end it"),
        ({"link": views.LinkView(is_up=False, outage="modem unplugged")}, "nolink", "No link", "modem unplugged"),
        ({"keying": views.KeyingView("serial", False, "no such port")}, "nolink", "Cannot transmit", "no such port"),
        ({"ptt": PttView("something_new")}, "busy", "Something new", ""),
    ],
)
def test_every_state_has_word_icon_and_colour(
    visit: Open, desk: Desk, parts: dict[str, Any], look: str, title: str, sub: str
) -> None:
    page = visit()
    ready = page.locator("#state").evaluate("node => getComputedStyle(node).backgroundColor")
    icon = page.locator("#state-icon").get_attribute("href")
    desk.change(**parts)
    state(page, look)
    assert page.locator("#state-title").inner_text() == title
    assert sub in page.locator("#state-sub").inner_text()
    assert page.locator("#state-icon").get_attribute("href") != icon
    assert page.locator("#state").evaluate("node => getComputedStyle(node).backgroundColor") != ready
    assert title in page.locator("#spoken").inner_text(), "told to screen readers"


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


def test_charts_draw_what_is_known_and_leave_gaps(visit: Open, desk: Desk, picture: Callable[[Any, str], None]) -> None:
    page = visit(size=SIZES["portrait"])
    page.click("#tab-link")
    comes_true(page, "document.querySelector('#chart-loss .line-0').getAttribute('d').split('M').length > 5")
    label = page.get_by_role("img", name=re.compile("^Packets missing, last 1:00 h: lost 7.8 %, most 17 %"))
    assert label.count() == 1
    assert page.get_by_role("img", name=re.compile("^Delay, last")).count() == 1
    before = page.locator("#chart-level .line-0").get_attribute("d")
    for level in range(6):
        desk.change(audio=replace(desk.snapshot.audio, level_db=-40.0 + 5 * level))
        time.sleep(0.15)
    until(lambda: len(page.locator("#chart-level .line-0").get_attribute("d")) > len(before))
    picture(page, "web-charts")


def test_meter_clip_and_devices(visit: Open, desk: Desk) -> None:
    page = visit()
    assert page.get_by_role("meter", name="Microphone level").get_attribute("aria-valuenow") == "-23"
    assert page.locator("#clip").is_hidden()
    desk.change(audio=replace(desk.snapshot.audio, level_db=-3.0, is_clipping=True))
    page.wait_for_selector("#clip:visible")
    assert page.get_by_role("meter").get_attribute("aria-valuetext") == "-3 dB, too loud"
    gone = views.DeviceView("USB Audio Headset", "waiting", "pulled out")
    desk.change(audio=replace(desk.snapshot.audio, input=gone))
    comes_true(page, "document.getElementById('mic-text').textContent.includes('pulled out')")


def test_the_configuration_and_counters_can_be_looked_at(visit: Open) -> None:
    page = visit()
    page.click("#tab-station")
    page.get_by_text("Configuration", exact=True).click()
    comes_true(page, "document.getElementById('config').textContent.includes('Boreas')")
    page.get_by_text("Counters", exact=True).click()
    comes_true(page, "document.getElementById('counters').textContent.includes('rx.packets')")


def test_it_says_when_it_is_not_connected_and_comes_back(visit: Open, consoles: Consoles, desk: Desk) -> None:
    desk.obeys = True
    console = consoles.start()
    page = visit(console.address)
    page.keyboard.down("Space")
    state(page, "tx")
    console.stop()
    state(page, "lost")
    assert page.get_by_role("alert").inner_text().startswith("Not connected: not transmitting")
    assert "Not transmitting" in page.locator("#talk").inner_text()
    assert page.locator("#talk").get_attribute("aria-disabled") == "true"
    until(lambda: desk.asked(ReleaseKey))
    consoles.start(WebSection(bind=console.address.removeprefix("http://")))
    state(page, "ready")
    assert page.locator("#lost").is_hidden()
    time.sleep(0.5)
    assert len(desk.asked(PressKey)) == 1, "the key that is still held does not begin by itself"
    page.keyboard.up("Space")


def test_a_station_that_falls_silent_is_not_connected(visit: Open, desk: Desk) -> None:
    page = visit()
    desk.close()
    state(page, "lost")
    give_up = time.monotonic() + 12
    while time.monotonic() < give_up:  # the console itself still answers: that alone is no state to show
        assert page.locator("#state").get_attribute("data-state") == "lost"
        assert "the station is silent" in page.get_by_role("alert").inner_text()
        page.wait_for_timeout(50)
    desk.change(wall_s=desk.snapshot.wall_s + 20)
    state(page, "ready")


def test_the_token_is_asked_for_once(browser: Any, consoles: Consoles, tmp_path: Path) -> None:
    token = make_token(tmp_path / "web.token")
    console = consoles.start(WebSection(bind="127.0.0.1:0", token_file=tmp_path / "web.token"))
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    page.goto(console.address)
    page.get_by_label("Token of this station").fill("wrong")
    page.keyboard.press("Enter")
    comes_true(page, "document.getElementById('problem').textContent === 'wrong token'")
    page.get_by_label("Token of this station").fill(token)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_selector("#state[data-state=ready]")
    assert token not in page.evaluate("document.cookie + location.href + JSON.stringify({...localStorage})")
    again = context.new_page()
    again.goto(console.address)
    again.wait_for_selector("#state[data-state=ready]")
    again.click("#tab-station")
    again.get_by_role("button", name="Forget the token").click()
    again.get_by_label("Token of this station").wait_for()
    context.close()
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{console.address}/login#{token}")  # as a QR code has it
    page.wait_for_selector("#state[data-state=ready]")
    context.close()


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_screen_and_fingers_find_it(visit: Open, size: str) -> None:
    page = visit(size=SIZES[size], has_touch=True)
    talk = page.locator("#talk").bounding_box()
    assert min(talk["width"], talk["height"]) >= 88
    for tab in TABS:
        page.click(f"#tab-{tab}")
        for part in ("html", "main", "body"):
            wide = page.evaluate(f"[document.querySelector('{part}')].map(n => n.scrollWidth - n.clientWidth)[0]")
            assert wide <= 0, f"{part} of {tab} is {wide} px too wide"
        box = page.locator("#talk").bounding_box()
        assert min(box["width"], box["height"]) >= 88
        assert box["y"] + box["height"] <= SIZES[size]["height"]
        for button in page.locator("button:visible, a.square:visible, summary:visible, select:visible").all():
            found = button.bounding_box()
            assert min(found["width"], found["height"]) >= 44, button.evaluate("node => node.outerHTML")


def test_a_phone_gives_the_key_its_whole_lower_part(visit: Open) -> None:
    page = visit(has_touch=True)
    box = page.locator("#talk").bounding_box()
    assert box["width"] >= 0.9 * PHONE["width"]
    assert box["height"] >= 0.25 * PHONE["height"]
    assert box["y"] + box["height"] > 0.97 * PHONE["height"]


def test_everything_has_a_role_and_a_name(visit: Open) -> None:
    page = visit(size=TABLET)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, a, input, select, textarea, [role=meter], audio')]
            .filter(n => n.offsetParent && !(n.ariaLabel || n.labels?.length || n.textContent.trim()))
            .map(n => n.outerHTML)"""
        )
        assert nameless == []
        assert page.get_by_role("tab", selected=True).count() == 1
        assert page.get_by_role("tabpanel").count() == 1
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(n => n.id)")
    assert len(ids) == len(set(ids))
    broken = page.evaluate(
        """() => [...document.querySelectorAll('[aria-labelledby], [aria-controls], [aria-describedby], [for]')]
        .flatMap(n => ['aria-labelledby', 'aria-controls', 'aria-describedby', 'for'].map(a => n.getAttribute(a)))
        .filter(id => id && !document.getElementById(id))"""
    )
    assert broken == []
    assert page.locator("#spoken").get_attribute("aria-live") == "polite"


def test_the_keyboard_gets_everywhere_and_the_focus_is_seen(visit: Open) -> None:
    page = visit(size=TABLET)
    page.focus("#tab-talk")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-messages"
    assert page.locator("#panel-messages").is_visible()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.id") == "tab-station"
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.id")
        seen.add(name)
        if name in ("talk", "latch", "break", "tone"):
            style = page.evaluate(
                "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
                "(getComputedStyle(document.activeElement))"
            )
            assert style == ["solid", "3px"]
    assert {"tone", "mic-test", "parrot", "logout", "latch", "break", "talk"} <= seen


def test_who_wants_no_motion_gets_none(visit: Open) -> None:
    page = visit(reduced_motion="reduce")
    page.evaluate("document.getElementById('state').dataset.state = 'tx'")
    assert page.locator("#state .big").evaluate("node => getComputedStyle(node).animationName") == "none"
    moving = visit(reduced_motion="no-preference")
    moving.evaluate("document.getElementById('state').dataset.state = 'tx'")
    assert moving.locator("#state .big").evaluate("node => getComputedStyle(node).animationName") == "beat"


def test_themes_go_round_and_are_remembered(visit: Open, picture: Callable[[Any, str], None]) -> None:
    page = visit(scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    assert page.evaluate("document.documentElement.dataset.theme") == "auto"
    found = []
    for _ in range(3):
        page.click("#theme")
        found.append((page.evaluate("document.documentElement.dataset.theme"), page.evaluate(ground)))
    assert [name for name, _ in found] == ["dark", "light", "night"]
    assert found[0][1] != light
    assert found[1][1] == light
    assert found[2][1] == "rgb(0, 0, 0)"
    page.reload()
    page.wait_for_selector("#state[data-state=ready]")
    assert page.evaluate(ground) == "rgb(0, 0, 0)"
    picture(page, "web-night")


CONTRASTS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  let seen = 0;
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.offsetParent || node.matches('.unseen, option')) continue;
    seen += 1;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${ratio.toFixed(2)} ${node.tagName}#${node.id}.${node.className} ${node.textContent}`);
  }
  return [seen, bad];
}"""


@pytest.mark.parametrize("theme", ["dark", "light", "night"])
def test_text_can_be_read_in_every_theme_and_state(visit: Open, desk: Desk, theme: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5:1, computed from what is drawn."""
    page = visit(theme=theme, reduced_motion="reduce")
    for tab in TABS:
        page.click(f"#tab-{tab}")
        seen, bad = page.evaluate(CONTRASTS)
        assert seen > 10
        assert bad == [], tab
    looks = ("ready", "tx", "rx", "busy", "locked", "parrot", "nolink", "rec", "lost")
    buttons = ("idle", "tx", "busy", "locked", "off", "armed", "parrot", "rec", "wait")
    for look, button in zip(looks, buttons, strict=True):
        page.evaluate(
            """([look, button]) => {
              document.getElementById('state').dataset.state = look;
              document.getElementById('talk').dataset.look = button;
              document.getElementById('talk-small').textContent = 'small';
              for (const id of ['break', 'latch']) document.getElementById(id).setAttribute('aria-pressed', 'true');
              document.getElementById('lost').hidden = false;
              document.getElementById('lost').textContent = 'Not connected';
            }""",
            [look, button],
        )
        _, bad = page.evaluate(CONTRASTS)
        assert bad == [], look


def test_the_night_has_no_colour_but_red(visit: Open, desk: Desk) -> None:
    page = visit(theme="night")
    found = page.evaluate(
        """() => [...document.querySelectorAll('body, body *')].filter((n) => n.checkVisibility()).flatMap((n) =>
        ['color', 'backgroundColor', 'borderTopColor'].map((p) => getComputedStyle(n)[p]))"""
    )
    for colour in set(found):
        red, green, blue = (float(part) for part in re.findall(r"[\d.]+", colour)[:3])
        assert green <= red * 0.6, colour
        assert blue <= red * 0.6, colour


def test_pictures_of_a_tablet(visit: Open, picture: Callable[[Any, str], None]) -> None:
    page = visit(size=TABLET, scheme="light")
    assert page.locator("#talk").bounding_box()["height"] > 400
    picture(page, "web-tablet")


def test_it_can_be_put_on_a_home_screen(visit: Open) -> None:
    page = visit()
    manifest = page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then((a) => a.json())")
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        assert (
            page.evaluate("(src) => fetch(src).then((a) => a.headers.get('Content-Type'))", icon["src"]) == icon["type"]
        )
