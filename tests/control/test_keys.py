"""Several keys make one push-to-talk: it is down as long as one of them is, and never longer than a lease."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.control.keys import KeyBoard, KeyRequest
from gateway.control.requests import HoldKey, PressKey, ReleaseKey, ToggleKey
from gateway.session.events import PttPressed, PttReleased

DOWN, UP = [PttPressed()], [PttReleased()]


def test_down_with_the_first_and_up_with_the_last() -> None:
    keys = KeyBoard()
    assert keys.handle(PressKey("a"), 0.0, is_on=False) == DOWN
    assert keys.handle(PressKey("b"), 1.0, is_on=True) == []
    assert keys.holders == ("a", "b")
    assert keys.handle(ReleaseKey("a"), 2.0, is_on=True) == []
    assert keys.handle(ReleaseKey("a"), 2.0, is_on=True) == []
    assert keys.handle(ReleaseKey("b"), 3.0, is_on=True) == UP
    assert keys.handle(ReleaseKey("b"), 3.0, is_on=True) == []


def test_a_key_from_afar_goes_up_when_nobody_renews_it() -> None:
    keys = KeyBoard()
    assert keys.handle(PressKey("web", lease_s=1.0), 0.0, is_on=False) == DOWN
    assert keys.tick(0.9) == []
    assert keys.handle(HoldKey("web"), 0.9, is_on=True) == []
    assert keys.tick(1.8) == []
    assert keys.tick(1.9) == UP
    assert keys.tick(5.0) == []
    assert keys.handle(HoldKey("web"), 5.0, is_on=False) == []
    assert keys.holders == ()


def test_a_lease_that_runs_out_leaves_the_other_key_down() -> None:
    keys = KeyBoard()
    keys.handle(PressKey("web", lease_s=1.0), 0.0, is_on=False)
    keys.handle(PressKey("switch"), 0.5, is_on=True)
    assert keys.tick(2.0) == []
    assert keys.holders == ("switch",)


def test_a_latching_key_ends_any_press() -> None:
    keys = KeyBoard()
    keys.handle(PressKey("web", lease_s=1.0), 0.0, is_on=False)
    assert keys.handle(ToggleKey("keyboard"), 0.5, is_on=True) == UP
    assert keys.holders == ()
    assert keys.handle(ToggleKey("keyboard", break_in=True), 1.0, is_on=False) == [PttPressed(break_in=True)]
    assert keys.handle(ToggleKey("keyboard"), 1.5, is_on=True) == UP


def test_a_press_that_was_refused_must_be_made_again_and_bars_nobody() -> None:
    keys = KeyBoard()
    keys.handle(PressKey("a"), 0.0, is_on=False)
    keys.clear()  # the session did not take it
    assert keys.handle(PressKey("b"), 1.0, is_on=False) == DOWN
    assert keys.handle(ReleaseKey("a"), 2.0, is_on=True) == []
    assert keys.handle(ReleaseKey("b"), 3.0, is_on=True) == UP


def test_a_break_in_is_heard_though_another_key_is_down() -> None:
    keys = KeyBoard()
    keys.handle(PressKey("a"), 0.0, is_on=False)
    assert keys.handle(PressKey("b", break_in=True), 1.0, is_on=True) == [PttPressed(break_in=True)]


requests = st.one_of(
    st.builds(PressKey, st.sampled_from("abc"), st.booleans(), st.sampled_from([None, 0.5, 1.0])),
    st.builds(HoldKey, st.sampled_from("abc")),
    st.builds(ReleaseKey, st.sampled_from("abc")),
    st.builds(ToggleKey, st.sampled_from("abc"), st.booleans()),
)


@given(st.lists(st.tuples(st.floats(0, 2), st.none() | requests), max_size=40))
def test_whatever_happens_it_comes_up_with_the_last_key(steps: list[tuple[float, KeyRequest | None]]) -> None:
    """Driven as a station that obeys every press drives it."""
    keys, now_s, is_on = KeyBoard(), 0.0, False
    for wait_s, request in steps:
        now_s += wait_s
        events: list[PttPressed | PttReleased] = [*keys.tick(now_s)]
        is_on = _after(events, is_on)
        if request is not None:
            events = keys.handle(request, now_s, is_on=is_on)
            is_on = _after(events, is_on)
        assert is_on == bool(keys.holders)
    for holder in keys.holders:
        is_on = _after(keys.handle(ReleaseKey(holder), now_s, is_on=is_on), is_on)
    assert not is_on


def _after(events: list[PttPressed | PttReleased], is_on: bool) -> bool:
    for event in events:
        is_on = isinstance(event, PttPressed)
    return is_on
