"""When a station with a hanging sound driver ends itself; time by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.service.restart import HUNG_S, REST_S, RestartWatch


def first_due(watch: RestartWatch, begin_s: float, end_s: float, *, hangs: bool, in_use: bool) -> float | None:
    """The first time, looked at every tenth of a second, at which it is due."""
    for tenth in range(round(10 * begin_s), round(10 * end_s)):
        if watch.is_due(tenth / 10, hangs=hangs, in_use=in_use):
            return tenth / 10
    return None


def test_a_driver_that_hangs_while_nobody_needs_the_station() -> None:
    assert first_due(RestartWatch(), 0, 60, hangs=True, in_use=False) == HUNG_S
    assert first_due(RestartWatch(), 0, 600, hangs=False, in_use=False) is None


def test_it_waits_for_the_end_of_what_goes_on_and_somewhat_longer() -> None:
    watch = RestartWatch()
    assert first_due(watch, 0, 300, hangs=True, in_use=True) is None
    assert first_due(watch, 300, 305, hangs=True, in_use=False) is None
    assert first_due(watch, 305, 400, hangs=True, in_use=True) is None
    assert first_due(watch, 400, 500, hangs=True, in_use=False) == 400 + REST_S


def test_a_hang_that_passes_is_forgotten() -> None:
    watch = RestartWatch()
    assert first_due(watch, 0, HUNG_S - 1, hangs=True, in_use=False) is None
    assert not watch.is_due(HUNG_S - 1, hangs=False, in_use=False)
    assert first_due(watch, HUNG_S, 100, hangs=True, in_use=False) == 2 * HUNG_S


@given(st.lists(st.tuples(st.floats(0.0, 9.0), st.booleans(), st.booleans()), max_size=60))
def test_never_in_use_and_never_without_a_hang(looks: list[tuple[float, bool, bool]]) -> None:
    watch, now_s = RestartWatch(), 0.0
    for step_s, hangs, in_use in looks:
        now_s += step_s
        assert not watch.is_due(now_s, hangs=hangs, in_use=in_use) or (hangs and not in_use)
