"""What numbers of packets tell: which came out of order, which twice, and which never.

Rule: packets that overtake each other are no losses and no restart; where numbers begin anew, nothing is missing
between; each sender and direction counts for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.traces.flights import BACK, MAX_GAP, Floats
from gateway.traces.importing.report import ImportReport

SOON = 16
"""Rows within which numbers are where they were before an overtaken packet."""
MOST_REPEATED = 0.5
"""Numbers of which more are repeated do not number packets."""
_HUGE = 1e300

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """(records,) each: the row it is (or, of a missing one, the row before it), its number and time, whether it is
    missing from the table, and whether it is one more copy of a packet that had come."""

    row: Indices
    sequence: Floats
    at_s: Floats
    is_missing: Mask
    is_copy: Mask


def in_order(sequence: Floats) -> tuple[Indices, Indices]:
    """Rows of one sender in the order of their numbers, and (rows,) in that order: which count of them it is, from 0;
    numbers that fall and stay low begin a new one. Rows without a number stay behind the one before them."""
    known = ~np.isnan(sequence)
    places = np.maximum.accumulate(np.where(known, np.arange(len(sequence)), -1))
    filled = np.where(places >= 0, sequence[np.maximum(places, 0)], -_HUGE)
    begins, first = np.zeros(len(sequence), np.int64), 0
    for fall in np.flatnonzero(np.diff(filled) < 0).tolist():
        before, after = filled[fall], filled[fall + 1]
        soon = filled[fall + 1 : fall + 1 + SOON]
        is_back = bool(np.any((soon > before) & (soon <= before + MAX_GAP)))
        is_end = fall + 1 + SOON >= len(filled) and before - after <= BACK and after > filled[first]
        is_end = is_end and after not in filled[first : fall + 1]
        if not is_back and not is_end:
            first = fall + 1
            begins[first] = 1
    count = np.cumsum(begins)
    return np.lexsort((np.arange(len(filled)), filled, count)), count


def numbered(
    sequence: Floats, at_s: Floats, groups: Indices, is_delivered: Mask, report: ImportReport, *, find_missing: bool
) -> Numbered:
    """All rows, those of each group by number; `find_missing` adds the packets whose numbers are missing."""
    parts, restarts, huge, gaps = list[Numbered](), 0, 0, 0
    for rows in _each(groups):
        order, count = in_order(sequence[rows])
        rows, count = rows[order], count[order]
        restarts += int(count[-1])
        again = _again(sequence[rows], count, is_delivered[rows])
        part = Numbered(rows, sequence[rows], at_s[rows], np.zeros(len(rows), bool), again)
        if find_missing:
            part, found, jumps = _filled(part, count, report)
            gaps, huge = gaps + found, huge + jumps
        parts.append(part)
    whole = Numbered(*(np.concatenate([getattr(part, name) for part in parts]) for name in Numbered.__slots__))
    if len(parts) > 1:
        order = np.argsort(whole.at_s, kind="stable")
        whole = Numbered(*(getattr(whole, name)[order] for name in Numbered.__slots__))
    _tell(whole, report, restarts, huge, gaps)
    return whole


def _each(groups: Indices) -> Iterator[Indices]:
    for group in np.unique(groups).tolist():
        yield np.flatnonzero(groups == group)


def _again(sequence: Floats, count: Indices, is_delivered: Mask) -> Mask:
    """Rows that tell the arrival of a packet that an earlier row has told."""
    told = np.flatnonzero(is_delivered & ~np.isnan(sequence))
    same = (np.diff(sequence[told]) == 0) & (np.diff(count[told]) == 0)
    again = np.zeros(len(sequence), bool)
    if np.count_nonzero(same) <= MOST_REPEATED * len(told):
        again[told[1:][same]] = True
    return again


def _filled(part: Numbered, count: Indices, report: ImportReport) -> tuple[Numbered, int, int]:
    """With the missing ones, in how many gaps they are, and how many jumps are too long to be one."""
    sequence, at_s = part.sequence, part.at_s
    steps = np.where(np.diff(count) == 0, np.diff(sequence), 0)
    gaps = np.flatnonzero((steps > 1) & (steps <= MAX_GAP))
    huge = int(np.count_nonzero(steps > MAX_GAP))
    if not len(gaps):
        return part, 0, huge
    missing = (steps[gaps] - 1).astype(np.int64)
    before = np.repeat(gaps, missing)
    place = np.concatenate([np.arange(1, n + 1) for n in missing.tolist()])
    share = place / np.repeat(steps[gaps], missing)
    # A row that could not be read is no packet lost.
    is_gone = ~np.isin(sequence[before] + place, np.array(sorted(report.skipped_numbers), float))
    before, place, share = before[is_gone], place[is_gone], share[is_gone]
    at = before + 1
    found = len(gaps) if len(at) else 0
    return (
        Numbered(
            np.insert(part.row, at, part.row[before]),
            np.insert(sequence, at, sequence[before] + place),
            np.insert(at_s, at, at_s[before] + share * (at_s[at] - at_s[before])),
            np.insert(part.is_missing, at, True),
            np.insert(part.is_copy, at, False),
        ),
        found,
        huge,
    )


def _tell(whole: Numbered, report: ImportReport, restarts: int, huge: int, gaps: int) -> None:
    if restarts:
        report.notes.append(f"numbers fell {restarts} times: taken as new beginnings")
    if huge:
        report.notes.append(f"numbers jumped by more than {MAX_GAP} {huge} times: not taken as losses")
    if whole.is_copy.any():
        report.notes.append(f"{np.count_nonzero(whole.is_copy)} rows tell a packet once more: taken as copies")
    if gaps:
        total = np.count_nonzero(whole.is_missing)
        report.notes.append(f"{total} numbers are missing and taken as packets lost (in {gaps} gaps)")
