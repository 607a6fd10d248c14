"""Traces from their files: columns and directions, with what had to be skipped.

Rule: what was read once is kept while the file does not change, for a channel file may be looked at several times.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import TraceError
from gateway.traces.flights import Flights, flights_of
from gateway.traces.reader import TraceReader
from gateway.traces.record import TraceHeader
from gateway.traces.table import Table


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A whole trace."""

    path: Path
    header: TraceHeader
    table: Table
    flights: Mapping[str, Flights]
    damage: str | None
    """What was skipped, in words."""

    def direction(self, name: str = "") -> Flights:
        """The direction `name` (`from > to`, spaces do not matter); without it the only one, or the busiest.

        Raises TraceError where there is none of that name, or no packet of known fate at all.
        """
        usable = {key: one for key, one in self.flights.items() if len(one) or len(one.opportunity_s)}
        if not usable:
            raise TraceError(
                f"{self.path}: no packet whose fate is known; what one station sent, `trace join` completes with what "
                "the other received"
            )
        if not name:
            return max(usable.values(), key=lambda one: len(one) + len(one.opportunity_s))
        wanted = name.replace(" ", "")
        for key, one in usable.items():
            if key.replace(" ", "") == wanted:
                return one
        near = difflib.get_close_matches(name, usable, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(map(repr, usable))}"
        raise TraceError(f"{self.path}: no direction {name!r}; {hint}")


def load_trace(path: Path) -> Trace:
    """Read a trace in our format. Raises TraceError."""
    try:
        stat = path.stat()
    except OSError as error:
        raise TraceError(f"{path}: cannot read: {error.strerror or error}") from error
    return _load(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4)
def _load(path: Path, _changed: int, _size: int) -> Trace:
    reader = TraceReader(path)
    table = reader.table()
    return Trace(path, reader.header, table, flights_of(table, reader.header.station), reader.damage_line)
