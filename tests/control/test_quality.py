"""Shares of packets in words, at their thresholds."""

from __future__ import annotations

import pytest

from gateway.control.quality import reception_view
from gateway.control.snapshot import Quality


@pytest.mark.parametrize(
    ("lost", "late", "quality", "words"),
    [
        (0, 0, Quality.GOOD, "good: 0 % lost"),
        (3, 0, Quality.GOOD, "good: 3 % lost, 1.5 in a row"),
        (4, 0, Quality.FAIR, "fair: 4 % lost, 2.0 in a row"),
        (0, 10, Quality.FAIR, "fair: 0 % lost, 10 % late"),
        (20, 5, Quality.POOR, "poor: 20 % lost, 10.0 in a row, 5 % late"),
        (26, 0, Quality.BAD, "bad: 26 % lost, 13.0 in a row"),
    ],
)
def test_words(lost: int, late: int, quality: Quality, words: str) -> None:
    view = reception_view(expected=100, lost=lost, late=late, bursts=2 if lost else 0, frames=600, concealed=60)
    assert (view.quality, view.words) == (quality, words)
    assert (view.lost, view.late, view.concealed) == (lost / 100, late / 100, 0.1)


def test_nothing_heard_is_unknown() -> None:
    view = reception_view(expected=0, lost=0, late=0, bursts=0, frames=0, concealed=0)
    assert view.quality is Quality.UNKNOWN
    assert view.words == ""
