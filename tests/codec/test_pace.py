"""How many steps a live search takes: what fits, fewer on a busy machine, none on a slow one, and back again."""

from __future__ import annotations

import pytest

from gateway.codec.pace import FEWEST_STEPS, SHARE, SearchPace
from gateway.codec.search import SearchSettings

LIVE = SearchSettings.live(6)
SEGMENT, WINDOW, PACKET_S = LIVE.segment_frames, LIVE.window_frames, 0.48


def pace_after(real_time_share: float) -> SearchPace:
    """Where all six steps take this share of a packet's duration."""
    pace = SearchPace(lambda: 0.0, LIVE.steps)
    pace.took(LIVE.steps, WINDOW, real_time_share * PACKET_S)
    return pace


def test_the_first_search_is_whole() -> None:
    assert SearchPace(lambda: 0.0, LIVE.steps).steps(SEGMENT, WINDOW) == LIVE.steps


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9, 1.0, 1.6, 5.0])
def test_what_is_taken_fits_its_share(share: float) -> None:
    pace = pace_after(share)
    steps = pace.steps(SEGMENT, WINDOW)
    assert steps == 0 or steps >= FEWEST_STEPS
    if steps:
        factor = pace.real_time_factor(steps, SEGMENT, WINDOW)
        assert factor is not None
        assert factor <= SHARE + 1e-9
        assert steps == LIVE.steps or (pace.real_time_factor(steps + 1, SEGMENT, WINDOW) or 0) > SHARE


def test_a_slow_machine_does_without_and_a_fast_one_takes_all() -> None:
    assert pace_after(2.0).steps(SEGMENT, WINDOW) == 0
    assert pace_after(0.4).steps(SEGMENT, WINDOW) == LIVE.steps
    assert FEWEST_STEPS <= pace_after(0.8).steps(SEGMENT, WINDOW) < LIVE.steps


def test_a_machine_that_was_busy_is_tried_again() -> None:
    pace = pace_after(1.3)
    packets = 0
    while pace.steps(SEGMENT, WINDOW) == 0:
        pace.skipped()
        packets += 1
        assert packets < 60
    assert packets > 3


def test_one_slow_search_does_not_end_it() -> None:
    pace = pace_after(0.3)
    pace.took(LIVE.steps, WINDOW, 0.6 * PACKET_S)
    assert pace.steps(SEGMENT, WINDOW) >= FEWEST_STEPS
    for _ in range(20):
        pace.took(LIVE.steps, WINDOW, 0.3 * PACKET_S)
    assert pace.steps(SEGMENT, WINDOW) == LIVE.steps


def test_longer_segments_have_more_time() -> None:
    pace = pace_after(0.8)
    longer = SearchSettings.live(12)
    assert pace.steps(longer.segment_frames, longer.window_frames) >= pace.steps(SEGMENT, WINDOW)


def test_nothing_is_known_before_the_first_search() -> None:
    assert SearchPace(lambda: 0.0, 6).real_time_factor(6, SEGMENT, WINDOW) is None
