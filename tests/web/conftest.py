"""Consoles on real sockets, and real Chromium.

`CLARILINK_PICTURES=FOLDER` makes tests/web/test_page.py leave its pictures there (docs/pictures has some of them).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.chromium import chromium
from tests.web.desk import Consoles, Desk


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
