"""Pictures for the documentation say what they are to show, and need nobody's server."""

from __future__ import annotations

import re
from pathlib import Path

from tests.console.pictures import PICTURES, draw_all

ROOT = Path(__file__).parents[2]


def words(svg: str) -> str:
    return re.sub(r"&#160;|\s", " ", re.sub(r"<[^>]+>", "", svg))


def test_pictures(tmp_path: Path) -> None:
    drawn = {path.stem: path.read_text(encoding="utf-8") for path in draw_all(tmp_path)}
    assert set(drawn) == set(PICTURES)
    assert "YOU ARE ON THE AIR" in words(drawn["console-talking"])
    assert "CHARTS" in words(drawn["console-link"])
    assert all("url(http" not in svg for svg in drawn.values())


def test_the_pictures_in_the_documentation_are_there() -> None:
    for name in PICTURES:
        assert "NONE: anybody can hear" in words(
            (ROOT / "docs/pictures" / f"{name}.svg").read_text(encoding="utf-8")
        ) or (name == "console-link")
