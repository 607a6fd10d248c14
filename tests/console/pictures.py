"""Pictures of the screen for the documentation, from made-up snapshots: python -m tests.console.pictures FOLDER"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gateway.clock import ManualClock
from gateway.console.screen_app import ScreenApp
from gateway.console.spans import RICH
from gateway.control.hub import ControlHub, HistoryPoint
from gateway.control.snapshot import Snapshot
from gateway.telling import Level
from tests.console.snapshots import AT_WORK, HEARING, TALKING, WALL_S

PICTURES: dict[str, tuple[Snapshot, tuple[str, ...]]] = {
    "console-ready": (AT_WORK, ()),
    "console-talking": (TALKING, ()),
    "console-night": (HEARING, ("n",)),
    "console-link": (AT_WORK, ("3",)),
}


async def _draw(title: str, shot: Snapshot, keys: Sequence[str]) -> str:
    clock = ManualClock()
    hub = ControlHub(clock, lambda: WALL_S)
    for n in range(120):
        lost = None if n < 20 else 0.12 * abs((n % 30) - 15) / 15
        hub.remember(HistoryPoint(WALL_S + 10 * n, -30.0, lost, 0.01, 0.05, 1200.0 + 3 * n, 12.0))
    hub.tell("alpha is ready")
    hub.tell("overs now wait 200 ms before they play")
    hub.tell("sound output USB headset is missing: looking for it", Level.WARNING)
    hub.publish(shot)
    app = ScreenApp(hub, threading.Event(), lambda: True, clock=clock, glyphs=RICH, environ={})
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        app.draw()
        await pilot.pause()
        # The library's pictures ask a server for their letters; ours take what the reader has.
        return re.sub(r"@font-face \{.*?\}\s*", "", app.export_screenshot(title=title), flags=re.DOTALL)


def draw_all(folder: Path) -> list[Path]:
    """Every picture as SVG in `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, (shot, keys) in PICTURES.items():
        shot = replace(shot, wall_s=WALL_S)
        path = folder / f"{name}.svg"
        path.write_text(asyncio.run(_draw("clarilink", shot, keys)), encoding="utf-8")
        drawn.append(path)
    return drawn


if __name__ == "__main__":
    print(*draw_all(Path(sys.argv[1])), sep="\n")
