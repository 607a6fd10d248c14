"""What the page shows of the station in real Chromium: states, charts, devices, and the loss of its connection."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.control import snapshot as views
from gateway.control.requests import PressKey, ReleaseKey
from gateway.control.snapshot import PttView
from gateway.operator_config import WebSection
from gateway.web.token import make_token
from tests.web.desk import Consoles, Desk, until
from tests.web.page import PHONE, SIZES, Open, comes_true, state


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
