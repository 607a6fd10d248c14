"""Consoles on real sockets, and real Chromium.

`CLARILINK_PICTURES=FOLDER` makes tests/web/test_page_*.py leave their pictures there (docs/pictures has some of them).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.chromium import chromium
from tests.web.desk import Consoles, Desk
from tests.web.page import PHONE, Open


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def consoles(desk: Desk, tmp_path: Path) -> Iterator[Consoles]:
    made = Consoles(desk, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """For one module: while Playwright runs, it has the thread's loop, which the next module may want."""
    yield from chromium()


@pytest.fixture
def picture() -> Callable[[Any, str], None]:
    """Keeps a picture of a page where CLARILINK_PICTURES says so."""
    folder = os.environ.get("CLARILINK_PICTURES")

    def keep(page: Any, name: str) -> None:
        if folder:
            page.screenshot(path=str(Path(folder) / f"{name}.png"))

    return keep


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
