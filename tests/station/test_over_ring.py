"""The last minutes of what was heard: bounded, and numbered as consoles show them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.snapshot import OverView
from gateway.station.over_ring import OverRing


def hear(ring: OverRing, name: str, frames: int, level: float = 0.1) -> None:
    ring.begins("somebody", 1000.0)
    ring.talker(name)
    for _ in range(frames):
        ring.hear(np.full(1280, level, np.float32))
    ring.ends()


def view(side: str, name: str) -> OverView:
    return OverView(side, name, 1, 1000.0, 1.0)


def test_one_is_the_newest() -> None:
    ring = OverRing()
    hear(ring, "alpha", 2, 0.1)
    hear(ring, "bravo", 3, 0.2)
    newest, older = ring.over(1), ring.over(2)
    assert newest is not None
    assert older is not None
    assert (newest.name, newest.duration_s, older.name) == ("bravo", 0.24, "alpha")
    assert np.allclose(np.concatenate(list(newest.sound())), 0.2, atol=1e-4)
    assert ring.over(3) is None
    assert ring.over(0) is None


def test_numbers_pass_over_what_was_said_what_was_not_played_and_what_is_from_before_the_start() -> None:
    ring = OverRing()
    hear(ring, "alpha", 2)
    hear(ring, "muted", 0)
    hear(ring, "bravo", 2)
    views = [view("said", "me"), view("heard", "bravo"), view("heard", "muted"), view("heard", "alpha")]
    before = [view("heard", "older"), view("said", "me")]
    assert [one.index for one in ring.numbered([*views, *before])] == [0, 1, 0, 2, 0, 0]


def test_an_over_that_is_still_heard_has_no_number_yet() -> None:
    ring = OverRing()
    hear(ring, "alpha", 1)
    ring.begins("bravo", 1000.0)
    ring.hear(np.zeros(1280, np.float32))
    assert [one.index for one in ring.numbered([view("heard", "alpha")])] == [1]


@given(st.lists(st.integers(0, 30), max_size=80))
def test_no_more_is_kept_than_may_be_and_the_newest_stays(lengths: list[int]) -> None:
    ring = OverRing(kept_samples=20 * 1280)
    for place, frames in enumerate(lengths):
        hear(ring, str(place), frames)
        assert ring.samples <= 20 * 1280
        if frames:
            newest = ring.over(1)
            assert newest is not None
            assert newest.name == str(place)
            assert newest.samples == min(frames, 20) * 1280
