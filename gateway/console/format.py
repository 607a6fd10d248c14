"""Figures as an operator reads them: times, ages, levels, shares, bars and charts. Pure."""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Sequence

from gateway.console.spans import Glyphs

FLOOR_DB = -60.0
"""Left end of a level bar."""


def duration(seconds: float) -> str:
    """0:07, 12:34, 1:02:03."""
    if not math.isfinite(seconds):
        return "-"
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def ago(seconds: float) -> str:
    """now, 12 s, 5 min, 3 h, 4 d."""
    if not math.isfinite(seconds):
        return "-"
    if seconds < 5:
        return "now"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} d"


def clock_time(wall_s: float, *, with_seconds: bool = False) -> str:
    """Local time of day."""
    try:
        when = datetime.datetime.fromtimestamp(wall_s)
    except (OverflowError, ValueError, OSError):
        return "--:--"
    return when.strftime("%H:%M:%S" if with_seconds else "%H:%M")


def percent(share: float) -> str:
    """8 %, 0.4 %."""
    if not math.isfinite(share):
        return "-"
    value = 100 * share
    return f"{value:.0f} %" if value == 0 or value >= 0.95 else f"{value:.1f} %"


def decibels(value: float) -> str:
    """-12 dB; quieter than anything is "silent"."""
    return "silent" if not value > -90 else f"{value:.0f} dB"


def level_bar(level_db: float, peak_db: float, width: int, glyphs: Glyphs) -> str:
    """A bar from -60 to 0 dB of full scale with a mark at the peak."""

    def cells(value: float) -> int:
        share = (value - FLOOR_DB) / -FLOOR_DB if math.isfinite(value) else 0.0
        return round(width * min(1.0, max(0.0, share)))

    filled, peak = cells(level_db), cells(peak_db)
    bar = [glyphs.block if n < filled else glyphs.rest for n in range(width)]
    if peak > filled and width:
        bar[peak - 1] = "|"
    return "".join(bar)


def binned(values: Sequence[float | None], width: int) -> list[float | None]:
    """At most `width` values, the largest of each stretch: a chart must not hide the worst."""
    if width <= 0:
        return []
    if len(values) <= width:
        return list(values)
    edges = [n * len(values) // width for n in range(width + 1)]
    stretches = ([value for value in values[a:b] if value is not None] for a, b in itertools.pairwise(edges))
    return [max(stretch) if stretch else None for stretch in stretches]


def chart(values: Sequence[float | None], width: int, height: int, top: float, glyphs: Glyphs) -> list[str]:
    """Bars from 0 to `top` in `height` lines; nothing where nothing is known, a foot where it is 0."""
    steps = glyphs.steps
    columns = []
    for value in binned(values, width):
        if value is None or not math.isfinite(value):
            columns.append([" "] * height)
            continue
        share = min(1.0, max(0.0, value / top)) if top > 0 else 0.0
        units = max(1, round(share * height * len(steps)))
        # From the bottom up: full cells, one that is part full, empty ones.
        cells = [
            steps[-1]
            if units >= (n + 1) * len(steps)
            else " "
            if units <= n * len(steps)
            else steps[units - n * len(steps) - 1]
            for n in range(height)
        ]
        columns.append(cells[::-1])
    return ["".join(column[row] for column in columns) for row in range(height)]
