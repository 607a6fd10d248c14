"""One press, however long a key is held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.console.latch import REPEAT_S, SETTLE_S, Latch


@given(st.floats(0.15, 0.66), st.floats(0.02, 0.1), st.integers(0, 400), st.floats(0, 1e6))
def test_a_key_that_is_held_is_one_press(first_s: float, then_s: float, count: int, began_s: float) -> None:
    latch = Latch()
    times = [began_s] + [began_s + first_s + n * then_s for n in range(count)]
    assert [latch.press(now_s) for now_s in times] == [True] + [False] * count
    assert latch.press(times[-1] + max(SETTLE_S, REPEAT_S) + 0.01)


def test_presses_of_a_hand_all_count() -> None:
    latch = Latch()
    assert all(latch.press(0.8 * n) for n in range(10))
