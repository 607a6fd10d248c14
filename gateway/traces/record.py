"""What a trace holds, as values: a header, then a record for each packet or event.

Rule: values and their plain lists (docs/traces.md, clause 3); bytes are the business of `framing`. What a list lacks or
holds in a wrong type is not known (None), what it has beyond the known fields is from a later version and ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

FORMAT = "clarilink trace"
VERSION = 1


class Direction(StrEnum):
    """Seen from the station whose trace it is."""

    TX = "tx"
    RX = "rx"
    LINK = "link"
    """An event that concerns the link and no packet."""


class Outcome(StrEnum):
    """What became of a packet, as far as the one who wrote it can know."""

    SENT = "sent"
    """It left this station; nobody here knows more."""
    DELIVERED = "delivered"
    LOST = "lost"
    """It left its sender, or was to, and did not arrive."""
    REFUSED = "refused"
    """The link did not take it (`status`: why); it was never on the air."""
    COPY = "copy"
    """It arrived once more."""
    OPPORTUNITY = "opportunity"
    """`size` bytes might have left at this time (Mahimahi)."""
    EVENT = "event"
    """No packet: what `kind` and `status` say."""


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """One packet or event.

    `at_s` is when a packet was handed to the link (tx), arrived (rx), or, if lost on its way here, was sent; on the
    monotonic clock whose zero the header relates to the calendar. `wall_s` is the calendar's time then, seconds since
    1970. `sequence` counts packets of `over` where there is one, else of the direction. `digest` is the CRC-32 of the
    packet's bytes: by it two logs are matched. `delay_s` is from end to end. `kind` is that of the packet (voice,
    text...) or event (outage, status, modem figure), `status` free words.
    """

    at_s: float
    direction: Direction
    outcome: Outcome
    wall_s: float | None = None
    source: str = ""
    destination: str = ""
    sequence: int | None = None
    over: int | None = None
    size: int | None = None
    kind: str = ""
    digest: int | None = None
    delay_s: float | None = None
    rssi_dbm: float | None = None
    snr_db: float | None = None
    doppler_hz: float | None = None
    status: str = ""

    @property
    def sent_s(self) -> float:
        """When it was sent, where `at_s` or the delay tells; else when it arrived."""
        is_arrival = self.direction is Direction.RX and self.outcome in (Outcome.DELIVERED, Outcome.COPY)
        return self.at_s - self.delay_s if is_arrival and self.delay_s is not None else self.at_s


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """Who wrote a trace, and its clock: the monotonic time and the calendar's (seconds since 1970) of one moment."""

    station: str = ""
    monotonic_s: float = 0.0
    wall_s: float | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Free: link, profile, place, who was there."""
    version: int = VERSION


_NAMES = tuple(entry.name for entry in fields(TraceRecord))
COLUMNS = ("direction", "outcome", "at_s", *(name for name in _NAMES if name not in ("direction", "outcome", "at_s")))
"""Fields of a record in the order of its list."""
_DIRECTIONS = {item.value: item for item in Direction}
_OUTCOMES = {item.value: item for item in Outcome}
_TEXTS = frozenset(("source", "destination", "kind", "status"))
_WHOLE = frozenset(("sequence", "over", "size", "digest"))
MAX_TEXT = 1024
"""Characters of a text field that are kept."""


def record_to_list(record: TraceRecord) -> list[Any]:
    """The fields in the order of COLUMNS, without what is not known at the end."""
    row: list[Any] = [getattr(record, name) for name in COLUMNS]
    row[0], row[1] = record.direction.value, record.outcome.value
    while row[-1] is None or row[-1] == "":
        row.pop()
    return row


def record_from_list(row: Sequence[Any]) -> TraceRecord | None:
    """The record of a list; None for a direction, outcome or time that is none."""
    if len(row) < 3:
        return None
    first, second, at_s = row[:3]
    if not isinstance(first, str) or not isinstance(second, str) or not is_number(at_s):
        return None
    direction, outcome = _DIRECTIONS.get(first), _OUTCOMES.get(second)
    if direction is None or outcome is None:
        return None
    values = {
        name: known
        for name, value in zip(COLUMNS[3:], row[3:], strict=False)
        if (known := _known(name, value)) is not None
    }
    return TraceRecord(float(at_s), direction, outcome, **values)


def is_number(value: object) -> bool:
    """Whether it is a finite number that a clock or a measurement may show."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**63


def _known(name: str, value: object) -> Any:
    if name in _TEXTS:
        return value[:MAX_TEXT] if isinstance(value, str) else None
    if not is_number(value):
        return None
    if name in _WHOLE:
        return value if isinstance(value, int) else None
    return float(value)  # type: ignore[arg-type]


def header_to_map(header: TraceHeader) -> dict[str, Any]:
    """As it is written (docs/traces.md, clause 2)."""
    return {
        "format": FORMAT,
        "version": header.version,
        "station": header.station,
        "monotonic_s": header.monotonic_s,
        "wall_s": header.wall_s,
        "notes": dict(header.notes),
    }


def header_from_map(found: Mapping[Any, Any]) -> TraceHeader | None:
    """The header of a map; None if it is of no trace."""
    version = found.get("version")
    if found.get("format") != FORMAT or not isinstance(version, int) or isinstance(version, bool):
        return None
    station, notes = found.get("station"), found.get("notes")
    monotonic_s, wall_s = found.get("monotonic_s"), found.get("wall_s")
    return TraceHeader(
        station=station[:MAX_TEXT] if isinstance(station, str) else "",
        monotonic_s=float(monotonic_s) if is_number(monotonic_s) else 0.0,  # type: ignore[arg-type]
        wall_s=float(wall_s) if is_number(wall_s) else None,  # type: ignore[arg-type]
        notes={str(key): value for key, value in notes.items()} if isinstance(notes, dict) else {},
        version=version,
    )
