from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ptt.contact import Contact, Move

P, R, T = Move.PRESSED, Move.RELEASED, Move.TOGGLED


def test_a_press_counts_when_the_contact_has_settled() -> None:
    c = Contact(0.02, toggles=False)
    assert c.feed(False, 0.0) == []
    assert c.feed(False, 0.05) == []
    assert c.feed(True, 1.0) == []
    assert c.next_deadline() == 1.02
    assert c.tick(1.019) == []
    assert c.tick(1.02) == [P]
    assert c.next_deadline() is None
    assert c.feed(False, 2.0) == []
    assert c.tick(2.03) == [R]


def test_bounces_are_none() -> None:
    c = Contact(0.02, toggles=False)
    c.feed(False, 0.0)
    c.tick(0.02)
    moves = [move for n in range(10) for move in c.feed(n % 2 == 0, 1.0 + 0.003 * n)]
    assert moves == []
    assert c.feed(True, 1.1) == []
    assert c.feed(True, 1.13) == [P]


def test_without_debounce_every_change_counts() -> None:
    c = Contact(0.0, toggles=False)
    assert [c.feed(state, 0.0) for state in (False, True, False, True)] == [[], [P], [R], [P]]


def test_a_toggle_means_presses_only() -> None:
    c = Contact(0.0, toggles=True)
    assert [c.feed(state, 0.0) for state in (False, True, False, True)] == [[], [T], [], [T]]


def test_a_contact_that_is_closed_from_the_start_does_not_press() -> None:
    c = Contact(0.02, toggles=False)
    c.feed(True, 0.0)
    assert c.tick(100.0) == []
    c.feed(False, 101.0)
    c.tick(102.0)
    c.feed(True, 103.0)
    assert c.tick(104.0) == [P]


def test_a_lost_contact_releases_what_it_began() -> None:
    for toggles in (False, True):
        c = Contact(0.0, toggles=toggles)
        assert c.lost() == []
        c.feed(False, 0.0)
        c.feed(True, 1.0)
        assert c.lost() == [R]
        assert c.lost() == []
        assert c.feed(True, 2.0) == [], "still pressed when it comes back"


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 0.1)), max_size=60), st.booleans())
def test_presses_and_releases_take_turns(states: list[tuple[bool, float]], toggles: bool) -> None:
    c, now, moves = Contact(0.02, toggles=toggles), 0.0, []
    for state, wait_s in states:
        moves += c.feed(state, now)
        now += wait_s
        moves += c.tick(now)
    if toggles:
        assert set(moves) <= {T}
    else:
        assert moves == [P, R] * (len(moves) // 2) + [P] * (len(moves) % 2)
        assert (c.lost() == [R]) is (len(moves) % 2 == 1)
