from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ptt.keyer import BREAK_S, REST_S, Hold, Keyer, KeyerTimes, KeyLine
from gateway.metrics import Metrics

TIMES = KeyerTimes(delay_s=0.3, tail_s=0.1, time_out_s=10.0)


def keyer(hold: Hold = Hold.PACKET, metrics: Metrics | None = None, confirms: bool = False) -> Keyer:
    return Keyer(TIMES, hold, metrics, confirms=confirms)


def switched(keyer: Keyer) -> list[bool]:
    return [line.is_on for line in keyer.take_output()]


def test_data_waits_for_the_delay_and_the_key_for_the_tail() -> None:
    k = keyer()
    assert not k.may_send(0.0)
    k.key(0.0)
    assert k.take_output() == [KeyLine(True)]
    assert not k.may_send(0.29)
    assert k.next_deadline() == 0.3
    assert k.may_send(0.3)
    k.sending_until(0.3, 1.3)
    k.release(0.3)
    assert k.next_deadline() == pytest.approx(1.4)
    k.tick(1.39)
    assert switched(k) == []
    k.tick(1.401)
    assert switched(k) == [False]
    assert k.next_deadline() is None


def test_data_during_the_tail_goes_on_in_the_same_transmission() -> None:
    metrics = Metrics()
    k = keyer(metrics=metrics)
    k.key(0.0)
    k.sending_until(0.3, 1.0)
    k.release(0.3)
    k.key(1.05)
    assert k.may_send(1.05)
    k.sending_until(1.05, 2.0)
    k.release(1.05)
    k.tick(2.1)
    assert switched(k) == [True, False]
    assert metrics.counter("keying.transmissions") == 1
    assert metrics.snapshot()["keying.on_s"] == pytest.approx(2.1)


def test_a_key_that_nothing_was_sent_on_goes_off_at_once() -> None:
    k = keyer()
    k.key(0.0)
    k.release(0.1)
    assert switched(k) == [True, False]


def test_a_key_is_up_when_its_delay_is_over() -> None:
    k = keyer(Hold.OVER)
    assert not k.is_up(0.0)
    k.hold_over(1.0)
    assert (k.is_up(1.29), k.is_up(1.3)) == (False, True)
    k.end_over(2.0)
    k.tick(2.2)
    assert not k.is_up(2.2)
    k = keyer(Hold.OVER, confirms=True)
    k.hold_over(1.0)
    assert not k.is_up(5.0)
    k.line_is_on(5.0)
    assert (k.is_up(5.2), k.is_up(5.3)) == (False, True)


def test_an_over_holds_the_key_between_its_packets() -> None:
    k = keyer(Hold.OVER)
    k.hold_over(0.0)
    for at in (0.5, 2.0, 4.0):
        k.key(at)
        assert k.may_send(at)
        k.sending_until(at, at + 0.2)
        k.release(at)
        k.tick(at + 1)
    assert switched(k) == [True]
    k.end_over(5.0)
    k.tick(5.09)
    assert switched(k) == []
    k.tick(5.1)
    assert switched(k) == [False]


def test_with_packet_hold_an_over_does_not_key() -> None:
    k = keyer(Hold.PACKET)
    k.hold_over(0.0)
    assert not k.is_on
    k.end_over(1.0)
    assert switched(k) == []


def test_what_waits_at_the_end_of_an_over_is_sent_before_the_key_goes_off() -> None:
    k = keyer(Hold.OVER)
    k.hold_over(0.0)
    k.key(0.1)
    k.end_over(0.1)
    k.tick(0.25)
    assert k.is_on
    assert k.may_send(0.3)
    k.sending_until(0.3, 0.9)
    k.release(0.3)
    k.tick(1.0)
    assert switched(k) == [True, False]


def test_an_over_that_never_ends_is_cut_off_and_locked_out_until_it_does() -> None:
    metrics = Metrics()
    k = keyer(Hold.OVER, metrics)
    k.hold_over(0.0)
    assert k.next_deadline() == 10.0
    k.tick(10.0)
    assert switched(k) == [True, False]
    assert k.is_locked_out
    assert metrics.counter("keying.time_outs") == 1
    for at in (10.1, 30.0, 4000.0):
        k.hold_over(at)
        k.key(at)
        assert not k.may_send(at)
    k.release(4000.0)  # data let go; the over has not
    k.key(4001.0)
    assert switched(k) == []
    k.end_over(4002.0)
    k.hold_over(4003.0)
    assert switched(k) == [True]


def test_endless_data_is_sent_in_transmissions_with_a_break_between() -> None:
    k, now, sent = keyer(), 0.0, []
    while now < 30.0:
        k.key(now)
        if k.may_send(now, 1.0):
            k.sending_until(now, now + 1.0)
            sent.append(now)
            now += 1.0
        else:
            now += 0.01
    assert not k.is_locked_out
    assert 24 <= len(sent) <= 27
    assert switched(k) == [True, False, True, False, True, False, True][: len(sent)]
    gaps = [later - earlier for earlier, later in pairwise(sent) if later - earlier > 1.05]
    assert gaps
    assert all(gap == pytest.approx(1.0 + TIMES.tail_s + BREAK_S + TIMES.delay_s, abs=0.05) for gap in gaps)


def test_data_longer_than_promised_is_cut_off_and_may_try_again_after_a_rest() -> None:
    k = keyer()
    k.key(0.0)
    k.sending_until(0.3, 99.0)
    k.tick(10.0)
    assert switched(k) == [True, False]
    k.key(10.0 + REST_S - 0.01)
    assert switched(k) == []
    k.key(10.0 + REST_S)
    assert switched(k) == [True]


def test_the_delay_counts_from_the_line_where_it_is_confirmed() -> None:
    k = keyer(confirms=True)
    k.key(0.0)
    assert not k.may_send(5.0)
    k.line_is_on(6.0)
    assert not k.may_send(6.29)
    assert k.may_send(6.3)
    k.line_is_on(7.0)  # said again: nothing new
    assert k.may_send(7.0)


def test_a_failed_line_locks_out() -> None:
    metrics = Metrics()
    k = keyer(Hold.OVER, metrics)
    k.hold_over(0.0)
    k.fail(1.0)
    assert switched(k) == [True, False]
    assert k.is_locked_out
    assert metrics.counter("keying.failures") == 1
    k.end_over(2.0)
    assert not k.is_locked_out
    k.hold_over(2.1)
    assert switched(k) == [True], "let go and pressed again: no rest"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["key", "release", "send", "hold_over", "end_over", "fail", "line_is_on", "wait"]),
        st.floats(min_value=0.0, max_value=4.0),
    ),
    max_size=60,
)


@given(
    STEPS,
    st.sampled_from(Hold),
    st.booleans(),
    st.floats(min_value=0, max_value=1),
    st.floats(min_value=0, max_value=1),
)
def test_limit_delay_and_tail_hold_for_any_history(
    steps: list[tuple[str, float]], hold: Hold, confirms: bool, delay_s: float, tail_s: float
) -> None:
    """Ticked at its deadlines, whatever is asked of it when."""
    k = Keyer(KeyerTimes(delay_s, tail_s, 5.0), hold, confirms=confirms)
    now, on_s, confirmed_s, end_s, locks = 100.0, None, None, None, 0
    slack = 1e-6

    def look() -> None:
        nonlocal on_s, confirmed_s, end_s, locks
        for line in k.take_output():
            assert line.is_on is (on_s is None), "the line is switched, never set to what it is"
            if line.is_on:
                on_s, confirmed_s, end_s = now, None if confirms else now, None
                assert not k.is_locked_out
            else:
                assert on_s is not None
                assert now - on_s <= 5.0 + slack
                if end_s is not None and not k.is_locked_out:
                    assert now >= end_s + tail_s - slack
                on_s = None

    def wait(until: float) -> None:
        nonlocal now
        while (due := k.next_deadline()) is not None and due <= until:
            now = max(now, due)
            k.tick(now)
            look()
            assert k.next_deadline() != due, "a deadline passes"
        now = until
        k.tick(now)

    for what, amount in steps:
        match what:
            case "send":
                k.key(now)
                look()
                if k.may_send(now, amount):
                    assert on_s is not None
                    assert confirmed_s is not None
                    assert now >= confirmed_s + delay_s - slack
                    end_s = max(end_s or now, now + amount)
                    k.sending_until(now, end_s)
            case "line_is_on":
                k.line_is_on(now)
                if on_s is not None and confirmed_s is None:
                    confirmed_s = now
            case "wait":
                wait(now + amount)
            case _:
                getattr(k, what)(now)
        look()
        assert k.is_on is (on_s is not None)
        if on_s is not None:
            assert now - on_s <= 5.0 + slack
    k.release(now)
    k.end_over(now)
    look()
    wait(max(now, end_s or now) + tail_s + 1e-9)
    look()
    assert on_s is None, "what nobody wants goes off"
