"""Consoles on real sockets, and real Chromium.

`CLARILINK_PICTURES=FOLDER` makes tests/web/test_page.py leave its pictures there (docs/pictures has some of them).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.desk import Consoles, Desk

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Real Chromium; where there is none the tests say so, in CI they fail."""
    why = None if CHROMIUM.exists() else f"{CHROMIUM} is not there (apt install chromium)"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        why = "playwright is not installed (pip install playwright)"
    if why is not None:
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_OPTIONS)
        yield started
        started.close()


@pytest.fixture
def picture() -> Callable[[Any, str], None]:
    """Keeps a picture of a page where CLARILINK_PICTURES says so."""
    folder = os.environ.get("CLARILINK_PICTURES")

    def keep(page: Any, name: str) -> None:
        if folder:
            page.screenshot(path=str(Path(folder) / f"{name}.png"))

    return keep
