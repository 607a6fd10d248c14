"""The page in a browser: sizes of screens, and how tests wait for it and touch it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.web.desk import until

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
