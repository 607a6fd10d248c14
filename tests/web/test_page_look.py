"""How the page looks in real Chromium: sizes, roles and names, keyboard, motion, themes and contrasts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.web.desk import Desk
from tests.web.page import PHONE, SIZES, TABLET, TABS, Open


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
    # In one call: between two the page may draw its own state again.
    motion = """() => {
      document.getElementById('state').dataset.state = 'tx';
      return getComputedStyle(document.querySelector('#state .big')).animationName;
    }"""
    assert visit(reduced_motion="reduce").evaluate(motion) == "none"
    assert visit(reduced_motion="no-preference").evaluate(motion) == "beat"


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
        # In one call: between two the page may draw its own state again.
        _, bad = page.evaluate(
            """([look, button]) => {
              document.getElementById('state').dataset.state = look;
              document.getElementById('talk').dataset.look = button;
              document.getElementById('talk-small').textContent = 'small';
              for (const id of ['break', 'latch']) document.getElementById(id).setAttribute('aria-pressed', 'true');
              document.getElementById('lost').hidden = false;
              document.getElementById('lost').textContent = 'Not connected';
              return contrasts();
            }""".replace("contrasts", f"({CONTRASTS})"),
            [look, button],
        )
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
