"""Numbers of packets: order, copies, gaps, whatever they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.traces.importing.numbering import SOON, Numbered, in_order, numbered
from gateway.traces.importing.report import ImportReport

NAN = float("nan")


def all_of(numbers: list[float], *, find_missing: bool = True) -> tuple[Numbered, ImportReport]:
    report, sequence = ImportReport(), np.array(numbers, float)
    alike = np.zeros(len(numbers), np.int64)
    at_s = np.arange(len(numbers), dtype=float)
    return numbered(sequence, at_s, alike, alike == 0, report, find_missing=find_missing), report


@pytest.mark.parametrize(
    ("numbers", "counts"),
    [
        ([1, 2, 3, 1, 2], [0, 0, 0, 1, 1]),
        ([254, 255, 0, 1], [0, 0, 1, 1]),
        ([1, 3, 2, 4, 6, 5], [0] * 6),
        ([2, 1, 3], [0] * 3),
        ([500, NAN, 501, 0], [0, 0, 0, 1]),
        ([1, *range(3, 3 + SOON - 1), 2, *range(40, 60)], [0] * (2 * SOON + 5)),
    ],
)
def test_where_numbers_begin_anew(numbers: list[float], counts: list[int]) -> None:
    order, count = in_order(np.array(numbers, float))
    assert count[order].tolist() == counts
    assert sorted(order.tolist()) == list(range(len(numbers)))


def test_nothing_is_missing_across_a_new_beginning() -> None:
    found, report = all_of([7, 9, 1, 2, 50_000])
    assert found.sequence.tolist() == [7, 8, 9, 1, 2, 50_000]
    assert found.at_s[1] == 0.5
    assert report.notes[:2] == [
        "numbers fell 1 times: taken as new beginnings",
        "numbers jumped by more than 10000 1 times: not taken as losses",
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.just(NAN), st.integers(0, 40).map(float)), min_size=1, max_size=60))
def test_every_row_is_there_once(numbers: list[float]) -> None:
    found, _ = all_of(numbers)
    assert sorted(found.row[~found.is_missing].tolist()) == list(range(len(numbers)))
    assert not np.any(found.is_copy & found.is_missing)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_what_is_lost_is_found_however_packets_overtake(seed: int, places: int) -> None:
    rng = np.random.default_rng(seed)
    lost = set(rng.choice(np.arange(1, 199), 20, replace=False).tolist())
    sent = [float(number) for number in range(200) if number not in lost]
    arrived = [sent[place] for place in np.argsort(np.arange(len(sent)) + rng.uniform(0, places, len(sent)))]
    found, report = all_of(arrived)
    ends = set(range(int(max(arrived)) + 1)) - set(range(int(min(arrived))))
    assert set(found.sequence[found.is_missing].astype(int).tolist()) == lost & ends
    assert not any("fell" in note for note in report.notes)
