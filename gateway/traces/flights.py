"""One direction's packets and what became of each: what a trace says about a path.

Rule: values only. Packets whose fate nobody recorded ("sent") are counted, not guessed; losses of a trace that only a
receiver wrote are found from gaps in the numbers of an over, and marked as found so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.traces.table import Table

NEW_OVER_S = 30.0
"""Two packets of the same over are not further apart (SPEC.md 7: an over ends by itself long before)."""
MAX_GAP = 10_000
"""A longer gap in the numbers is a restart, not a loss."""
BACK = 16
"""Numbers falling by more begin a new over of the same id."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Flights:
    """Packets of one direction in order of sending; all arrays (packets,), NaN where not known.

    `sent_s` is on the trace's monotonic clock; where only the arrival is known, it is that. `copy_of` (copies,) are
    indices of packets that arrived once more, `copy_later_s` (copies,) after the first time. `opportunity_s` and
    `opportunity_bytes` (opportunities,) are times at which that much may leave (Mahimahi).
    """

    name: str
    sent_s: Floats
    is_lost: NDArray[np.bool_]
    delay_s: Floats
    size: Floats
    sequence: Floats
    snr_db: Floats
    doppler_hz: Floats
    copy_of: NDArray[np.int64]
    copy_later_s: Floats
    opportunity_s: Floats
    opportunity_bytes: Floats
    inferred: int = 0
    """Losses found from gaps in the numbers."""
    fate_unknown: int = 0
    """Packets sent of which nothing more is known."""
    refused: int = 0
    """Packets that the link did not take."""

    def __len__(self) -> int:
        return len(self.sent_s)

    @property
    def n_lost(self) -> int:
        """Packets that did not arrive."""
        return int(np.count_nonzero(self.is_lost))

    @property
    def known_delays_s(self) -> Floats:
        """(delivered with a known delay,)."""
        return self.delay_s[~self.is_lost & ~np.isnan(self.delay_s)]


def flights_of(table: Table, station: str = "") -> Mapping[str, Flights]:
    """The directions of a trace by name, `from > to`; `station` names the one who wrote it where records do not."""
    found: dict[str, Flights] = {}
    is_packet = ~table.is_word("outcome", "event")
    is_tx, is_rx = table.is_word("direction", "tx"), table.is_word("direction", "rx")
    words = table.words
    for is_way, (from_, to) in ((is_tx, (station or "here", "all")), (is_rx, ("others", station or "here"))):
        ways = np.flatnonzero(is_packet & is_way)
        pairs = table.codes["source"][ways].astype(np.int64) << 32 | table.codes["destination"][ways]
        named: dict[str, list[int]] = {}  # a station may be named in some records and not in others
        for pair in dict.fromkeys(pairs.tolist()):
            name = f"{words[pair >> 32] or from_} > {words[pair & 0xFFFFFFFF] or to}"
            named.setdefault(name, []).append(pair)
        for name, same in named.items():
            found[name] = _one_way(name, table.take(ways[np.isin(pairs, same)]))
    return found


def _one_way(name: str, table: Table) -> Flights:
    outcomes = {word: table.is_word("outcome", word) for word in ("delivered", "lost", "copy", "sent", "refused")}
    is_arrival = table.is_word("direction", "rx") & (outcomes["delivered"] | outcomes["copy"])
    delays = table.numbers["delay_s"]
    sent = table.numbers["at_s"] - np.where(is_arrival & ~np.isnan(delays), delays, 0.0)
    rows = np.flatnonzero(outcomes["delivered"] | outcomes["lost"])
    rows = rows[np.argsort(sent[rows], kind="stable")]
    is_lost = outcomes["lost"][rows]
    columns = {key: table.numbers[key][rows] for key in ("delay_s", "size", "sequence", "over", "snr_db", "doppler_hz")}
    sent_s, inferred = sent[rows], 0
    if len(rows) and not is_lost.any() and is_arrival[rows].all():
        missing_s, missing = _gaps(sent_s, columns["over"], columns["sequence"])
        inferred = len(missing)
        if inferred:
            at = np.searchsorted(sent_s, missing_s, side="right")
            sent_s = np.insert(sent_s, at, missing_s)
            is_lost = np.insert(is_lost, at, True)
            columns = {
                key: np.insert(column, at, missing if key == "sequence" else np.nan) for key, column in columns.items()
            }
    copy_of, copy_later_s = _copies(table, np.flatnonzero(outcomes["copy"]), sent, rows) if not inferred else _NO_COPIES
    is_opportunity = table.is_word("outcome", "opportunity")
    return Flights(
        name,
        sent_s,
        is_lost,
        np.where(is_lost, np.nan, columns["delay_s"]),
        columns["size"],
        columns["sequence"],
        columns["snr_db"],
        columns["doppler_hz"],
        copy_of,
        copy_later_s,
        table.numbers["at_s"][is_opportunity],
        table.numbers["size"][is_opportunity],
        inferred,
        int(np.count_nonzero(outcomes["sent"])),
        int(np.count_nonzero(outcomes["refused"])),
    )


_NO_COPIES = (np.empty(0, np.int64), np.empty(0))


def _copies(
    table: Table, copies: NDArray[np.int64], sent: Floats, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats]:
    """Index of the packet that each copy is one of, and how much later it came."""
    if not len(copies):
        return _NO_COPIES
    keys = [table.numbers[name] for name in ("over", "sequence", "digest")]
    places: dict[tuple[float, ...], list[int]] = {}
    for place, row in enumerate(rows.tolist()):
        places.setdefault(tuple(np.nan_to_num(key[row], nan=-1.0) for key in keys), []).append(place)
    of, later = [], []
    delays = np.nan_to_num(table.numbers["delay_s"])
    arrivals = np.where(table.is_word("direction", "rx"), table.numbers["at_s"], sent + delays)
    for row in copies.tolist():
        candidates = places.get(tuple(np.nan_to_num(key[row], nan=-1.0) for key in keys), [])
        before = [place for place in candidates if sent[rows[place]] <= sent[row] + 1e-9]
        if before:
            first = rows[before[-1]]
            of.append(before[-1])
            later.append(max(0.0, float(arrivals[row] - arrivals[first])))
    return np.array(of, np.int64), np.array(later, float)


def _gaps(sent_s: Floats, over: Floats, sequence: Floats) -> tuple[Floats, Floats]:
    """Times (interpolated) and numbers of the packets missing within overs."""
    known = np.flatnonzero(~np.isnan(over) & ~np.isnan(sequence))
    if len(known) < 2:
        return np.empty(0), np.empty(0)
    at, ids, numbers = sent_s[known], over[known], sequence[known]
    begins = (np.diff(ids) != 0) | (np.diff(numbers) < -BACK) | (np.diff(at) > NEW_OVER_S)
    times, missing = [np.empty(0)], [np.empty(0)]
    for run in np.split(np.arange(len(known)), np.flatnonzero(begins) + 1):
        seen, first = np.unique(numbers[run], return_index=True)
        span = seen[-1] - seen[0] + 1
        if len(seen) < span <= MAX_GAP + len(seen):
            lost = np.setdiff1d(np.arange(seen[0], seen[-1]), seen)
            missing.append(lost)
            times.append(np.interp(lost, seen, np.maximum.accumulate(at[run][first])))
    all_times, all_missing = np.concatenate(times), np.concatenate(missing)
    order = np.argsort(all_times, kind="stable")
    return all_times[order], all_missing[order]
