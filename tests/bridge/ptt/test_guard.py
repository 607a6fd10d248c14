from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ptt.guard import Guard


def test_a_program_that_beats_keeps_its_key_until_the_limit() -> None:
    guard = Guard(10.0, 3.0)
    assert guard.next_deadline() is None
    assert guard.key(0.0)
    for at in range(1, 10):
        guard.beat(float(at))
        assert guard.due(float(at)) is None
    assert guard.next_deadline() == 10.0
    assert guard.due(10.0) == "on for 10.0 s, the limit is 10 s"
    assert guard.due(11.0) is None, "told once"
    assert not guard.is_on


def test_a_program_that_hangs_loses_its_key_until_it_lets_go() -> None:
    guard = Guard(100.0, 3.0)
    guard.key(0.0)
    assert guard.next_deadline() == 3.0
    assert guard.due(2.9) is None
    assert guard.due(3.0) == "the program has hung for 3.0 s"
    assert not guard.key(4.0)
    guard.let_go(5.0)
    assert guard.key(6.0)


def test_keying_again_does_not_begin_the_limit_anew() -> None:
    guard = Guard(10.0, 30.0)
    guard.key(0.0)
    guard.key(9.0)
    assert guard.due(10.0) is not None


def test_nobody_is_watched_while_the_key_is_off() -> None:
    guard = Guard(10.0, 3.0)
    assert guard.due(1e6) is None
    guard.key(1e6)
    guard.let_go(1e6 + 1)
    assert guard.due(2e6) is None


@given(st.lists(st.tuples(st.sampled_from(["key", "let_go", "beat", "lock"]), st.floats(0, 5)), max_size=50))
def test_the_key_is_never_on_beyond_limit_or_silence(steps: list[tuple[str, float]]) -> None:
    guard, now, on_s, beat_s = Guard(10.0, 3.0), 0.0, None, 0.0
    for what, wait_s in steps:
        until = now + wait_s
        deadline = guard.next_deadline()
        if deadline is not None and deadline <= until:
            assert guard.due(deadline) is not None
            on_s = None
        now = until
        getattr(guard, what)(*([] if what == "lock" else [now]))
        beat_s = beat_s if what == "lock" else now
        on_s = (on_s if on_s is not None else now) if guard.is_on else None
        if on_s is not None:
            assert now - on_s < 10.0
            assert now - beat_s < 3.0
