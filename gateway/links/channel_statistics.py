"""Figures of a channel process for people: a table that stays in its place on a terminal, log lines elsewhere.

Rule: the busiest paths only while packets are waiting, all of them when it is over; nothing waits for the reader.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import IO, Any, Protocol

import structlog

from gateway.links.channel_control import path_row
from gateway.links.channel_core import ChannelCore

MOST_LINES = 20
HEAD = f"{'path':<26}{'channel':<20}{'sent':>8}{'heard':>8}{'lost':>7}{'':>2}{'by':<22}{'queue s':>8}{'delay ms':>14}"


class Board(Protocol):
    """What shows the figures."""

    def show(self, core: ChannelCore, now_s: float) -> None:
        """As they are now; quick."""

    def close(self, core: ChannelCore, now_s: float) -> None:
        """At the end."""


class LogBoard:
    """A log line for each busy path, and one for the net."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("clarilink.channel")

    def show(self, core: ChannelCore, now_s: float) -> None:
        self._lines("channel statistics", core, core.network.busiest(MOST_LINES), now_s)

    def close(self, core: ChannelCore, now_s: float) -> None:
        self._lines("channel stopped", core, core.network.pairs, now_s)

    def _lines(self, event: str, core: ChannelCore, pairs: Sequence[tuple[str, str]], now_s: float) -> None:
        for pair in pairs:
            row = path_row(pair, core.network.figures(pair, now_s))
            shown = {key: value for key, value in row.items() if value and key not in ("from", "to")}
            self._log.info(event, path=">".join(pair), **shown)
        late_s = core.late_s
        self._log.info(
            event,
            stations=core.stations,
            paths=len(core.network.pairs),
            collisions=core.network.collisions,
            dropped=dict(core.dropped),
            late_ms_p99=round(1000 * late_s[len(late_s) * 99 // 100], 2) if late_s else None,
        )


class TableBoard:
    """The table, drawn over itself on `terminal`."""

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal
        self._drawn = 0

    def show(self, core: ChannelCore, now_s: float) -> None:
        size = shutil.get_terminal_size((120, 40))
        room = max(1, min(MOST_LINES, size.lines - 5))
        pairs = core.network.pairs
        self._draw(table(core, pairs if len(pairs) <= room else core.network.busiest(room), now_s), size.columns)

    def close(self, core: ChannelCore, now_s: float) -> None:
        self._draw(table(core, core.network.pairs, now_s), 200)

    def _draw(self, lines: list[str], columns: int) -> None:
        up = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        self._terminal.write(up + "".join(f"{line[: columns - 1]}\n" for line in lines))
        self._terminal.flush()
        self._drawn = len(lines)


def table(core: ChannelCore, pairs: Sequence[tuple[str, str]], now_s: float) -> list[str]:
    """The figures of `pairs` under a line about the net."""
    late_s = core.late_s
    late = f", {1000 * late_s[len(late_s) * 99 // 100]:.1f} ms late (p99)" if late_s else ""
    dropped = sum(core.dropped.values())
    top = (
        f"{core.config.default.name}: {len(core.stations)} stations, {len(core.network.pairs)} paths, "
        f"{core.network.collisions} collisions, {dropped} messages dropped{late}"
    )
    rows = [path_line(path_row(pair, core.network.figures(pair, now_s))) for pair in pairs]
    left = len(core.network.pairs) - len(pairs)
    return [top, HEAD, *rows, *([f"and {left} other paths"] if left else [])]


def path_line(row: dict[str, Any]) -> str:
    """One path's row of the table."""
    delay, lost = row["delay_ms"], row["lost"]
    path = f"{row['from']}>{row['to']}" + (" (cut)" if row["is_cut"] else "")
    causes = " ".join(f"{cause} {count}" for cause, count in lost.items())
    times = "-" if delay is None else f"{delay['p50']:.0f}..{delay['p95']:.0f}"
    return (
        f"{path:<26}{row['channel']:<20}{row['sent']:>8}{row['delivered']:>8}{sum(lost.values()):>7}{'':>2}"
        f"{causes:<22}{row['queue_s']:>8.1f}{times:>14}"
    )


def board_for(stream: IO[str]) -> Board:
    """A table where `stream` is a terminal, log lines elsewhere."""
    return TableBoard(stream) if stream.isatty() else LogBoard()
