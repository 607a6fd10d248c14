"""The push-to-talk machine: its table row by row, and its promises over any sequence of events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import PttSection
from gateway.session.events import (
    Action,
    EndOver,
    Event,
    KeyDown,
    KeyLost,
    KeyUp,
    LinkLost,
    LinkRestored,
    Notice,
    Notify,
    OverEnded,
    OverStarted,
    PlayTone,
    PttPressed,
    PttReleased,
    PttToggled,
    Refusal,
    Refused,
    Shutdown,
    StartOver,
    Tick,
    Tone,
)
from gateway.session.machine import TABLE, Cause, Mode, SessionMachine, SessionState

MACHINE = SessionMachine(release_s=0.3, time_out_s=180.0, warning_s=15.0)
BEGIN = [PlayTone(Tone.PERMIT), KeyUp(), StartOver()]
END = [EndOver(), KeyDown()]


class Run:
    """A machine driven by hand."""

    def __init__(self, machine: SessionMachine = MACHINE, state: SessionState | None = None) -> None:
        self.machine = machine
        self.state = state or SessionState()

    def __call__(self, event: Event, now_s: float) -> list[Action]:
        self.state, actions = self.machine.handle(self.state, event, now_s)
        return list(actions)

    def mode(self) -> Mode:
        return self.state.mode


def test_an_over_from_press_to_the_end_of_the_tail() -> None:
    run = Run()
    assert run(PttPressed(), 10.0) == BEGIN
    assert (run.mode(), run.state.since_s, run.state.is_transmitting) == (Mode.TALKING, 10.0, True)
    assert run(Tick(), 11.0) == []
    assert run(PttReleased(), 12.0) == []
    assert (run.mode(), run.state.is_transmitting) == (Mode.TAIL, True)
    assert run(Tick(), 12.29) == []
    assert run(Tick(), 12.31) == END
    assert (run.mode(), run.state.is_transmitting) == (Mode.IDLE, False)


def test_no_release_delay_ends_at_once() -> None:
    run = Run(SessionMachine(release_s=0.0))
    run(PttPressed(), 0.0)
    assert run(PttReleased(), 1.0) == END
    assert run.mode() == Mode.IDLE


def test_a_press_in_the_tail_goes_on_with_the_same_over() -> None:
    run = Run()
    run(PttPressed(), 0.0)
    run(PttReleased(), 1.0)
    assert run(PttPressed(), 1.2) == []
    assert run(Tick(), 5.0) == []
    assert (run.mode(), run.state.over_since_s) == (Mode.TALKING, 0.0)


def test_a_press_after_a_tail_whose_tick_is_late_is_a_new_over() -> None:
    run = Run()
    run(PttPressed(), 0.0)
    run(PttReleased(), 1.0)
    assert run(PttPressed(), 2.0) == END + BEGIN
    assert run.state.over_since_s == 2.0


def test_a_key_held_for_an_hour() -> None:
    run = Run()
    done: dict[int, list[Action]] = {}
    run(PttPressed(), 0.0)
    for second in range(1, 3601):
        if actions := run(Tick(), float(second)):
            done[second] = actions
        assert run.state.is_transmitting == (second < 180)
        if second % 60 == 0:  # a keyboard that repeats, a press whose release was missed
            run(PttPressed(), float(second))
    assert done == {
        165: [PlayTone(Tone.WARNING), Notify(Notice.TIME_OUT_NEAR)],
        180: [*END, PlayTone(Tone.TIMED_OUT), Notify(Notice.TIMED_OUT)],
    }
    assert run.mode() == Mode.LOCKED_OUT
    assert run(PttPressed(break_in=True), 3601.0) == [Refused(Refusal.LOCKED_OUT), PlayTone(Tone.REFUSED)]
    assert run(PttReleased(), 3602.0) == []
    assert run.mode() == Mode.IDLE
    assert run(PttPressed(), 3603.0) == BEGIN


def test_one_late_tick_warns_and_unkeys() -> None:
    run = Run()
    run(PttPressed(), 0.0)
    actions = run(Tick(), 1000.0)
    assert actions[:2] == END
    assert run.mode() == Mode.LOCKED_OUT


def test_fluttering_the_key_does_not_stretch_the_time_out() -> None:
    run = Run()
    run(PttPressed(), 0.0)
    for step in range(1, 2000):
        run(PttReleased() if step % 2 else PttPressed(), step * 0.1)
        assert not run.state.is_transmitting or step * 0.1 < run.state.over_since_s + 180.0
    # The over that began at 0 was ended by the time-out, not carried on by presses within the tail.
    assert run.state.over_since_s > 0 or not run.state.is_transmitting


def test_no_warning_when_switched_off() -> None:
    run = Run(SessionMachine(warning_s=0.0))
    run(PttPressed(), 0.0)
    assert run(Tick(), 179.9) == []


def test_busy_refuses_and_a_held_key_does_not_talk_later() -> None:
    run = Run()
    assert run(OverStarted(source=4), 0.0) == [Notify(Notice.HEARD)]
    assert (run.mode(), run.state.heard_source) == (Mode.RECEIVING, 4)
    assert run(PttPressed(), 1.0) == [Refused(Refusal.BUSY), PlayTone(Tone.REFUSED)]
    assert run(OverEnded(), 2.0) == [PlayTone(Tone.ROGER), Notify(Notice.OVER_ENDED)]
    assert run(Tick(), 3.0) == []
    assert run.mode() == Mode.IDLE
    assert run(PttPressed(), 4.0) == BEGIN


@pytest.mark.parametrize("override", [True, False])
def test_break_in(override: bool) -> None:
    run = Run(SessionMachine(override_busy=override))
    run(OverStarted(), 0.0)
    assert run(PttPressed(break_in=not override), 1.0) == [Notify(Notice.BREAK_IN), *BEGIN]
    run(PttReleased(), 2.0)
    assert run(Tick(), 3.0) == END
    assert run.mode() == Mode.RECEIVING  # the other station talks on
    run(OverEnded(), 4.0)
    assert run.mode() == Mode.IDLE


def test_the_source_may_become_known_later() -> None:
    run = Run()
    run(OverStarted(), 0.0)
    run(OverStarted(source=9), 1.0)
    assert (run.mode(), run.state.heard_source, run.state.since_s) == (Mode.RECEIVING, 9, 0.0)
    assert run(OverStarted(source=9), 2.0) == []


def test_a_collision_is_said_and_the_over_goes_on() -> None:
    run = Run()
    run(PttPressed(), 0.0)
    assert run(OverStarted(source=2), 1.0) == [Notify(Notice.COLLISION)]
    assert run(OverEnded(), 2.0) == []
    assert run.mode() == Mode.TALKING
    assert not run.state.is_hearing


def test_a_lost_link_unkeys_and_refuses_until_it_is_back() -> None:
    run = Run()
    run(PttPressed(), 0.0)
    assert run(LinkLost("modem unplugged"), 1.0) == [*END, PlayTone(Tone.REFUSED), Notify(Notice.LINK_LOST)]
    assert run.mode() == Mode.LOCKED_OUT
    assert run(LinkLost(), 1.5) == []
    run(PttReleased(), 2.0)
    assert run(PttPressed(), 3.0) == [Refused(Refusal.NO_LINK), PlayTone(Tone.REFUSED)]
    assert run(LinkRestored(), 4.0) == [Notify(Notice.LINK_RESTORED)]
    assert run(PttPressed(), 5.0) == BEGIN


def test_a_lost_link_ends_what_is_heard_and_the_tail() -> None:
    run = Run()
    run(OverStarted(), 0.0)
    assert run(LinkLost(), 1.0) == [Notify(Notice.LINK_LOST)]
    assert (run.mode(), run.state.is_hearing) == (Mode.IDLE, False)
    run = Run()
    run(PttPressed(), 0.0)
    run(PttReleased(), 1.0)
    assert run(LinkLost(), 1.1) == [*END, Notify(Notice.LINK_LOST)]
    assert run.mode() == Mode.IDLE


def test_shutdown_unkeys() -> None:
    for before in ([], [PttReleased()]):
        run = Run()
        run(PttPressed(), 0.0)
        for event in before:
            run(event, 0.1)
        assert run(Shutdown(), 0.2) == END
        assert run(Shutdown(), 0.3) == []
        assert run.mode() == Mode.IDLE


def test_a_latching_key() -> None:
    run = Run()
    assert run(PttToggled(), 0.0) == BEGIN
    run(PttToggled(), 1.0)
    assert run.mode() == Mode.TAIL
    assert run(PttToggled(), 1.1) == []
    assert run.mode() == Mode.TALKING
    run(Tick(), 500.0)
    assert run.mode() == Mode.LOCKED_OUT
    assert run(PttToggled(), 501.0) == []
    assert run(PttToggled(), 502.0) == BEGIN
    run(Shutdown(), 503.0)
    run(OverStarted(), 504.0)
    assert run(PttToggled(), 505.0)[0] == Refused(Refusal.BUSY)
    run(OverEnded(), 506.0)
    assert run(PttToggled(), 507.0) == BEGIN  # a refused press leaves nothing latched


def test_deadlines_say_when_a_tick_is_needed() -> None:
    run = Run()
    assert MACHINE.next_deadline_s(run.state) is None
    run(PttPressed(), 100.0)
    assert MACHINE.next_deadline_s(run.state) == 265.0
    run(Tick(), 265.0)
    assert MACHINE.next_deadline_s(run.state) == 280.0
    run(PttReleased(), 270.0)
    assert MACHINE.next_deadline_s(run.state) == pytest.approx(270.3)


def test_a_transmitter_that_went_off_ends_the_over_and_locks_out_until_release() -> None:
    machine, state = SessionMachine(), SessionState()
    state, _ = machine.handle(state, PttPressed(), 0.0)
    state, actions = machine.handle(state, KeyLost(), 1.0)
    assert actions == (*END, PlayTone(Tone.REFUSED), Notify(Notice.KEY_LOST))
    assert state.mode is Mode.LOCKED_OUT
    assert machine.handle(state, KeyLost(), 1.1) == (state, ())
    state, _ = machine.handle(state, PttReleased(), 2.0)
    assert machine.handle(state, KeyLost(), 2.1) == (state, ())
    state, _ = machine.handle(state, PttPressed(), 3.0)
    state, _ = machine.handle(state, PttReleased(), 4.0)
    state, actions = machine.handle(state, KeyLost(), 4.1)
    assert (state.mode, actions) == (Mode.IDLE, (*END, Notify(Notice.KEY_LOST)))


def test_rules_come_from_the_configuration() -> None:
    ptt = PttSection(release_ms=350, time_out_s=60, warning_s=5, override_busy=True)
    assert SessionMachine.from_config(ptt) == SessionMachine(0.35, 60, 5, True)


def test_the_table_keys_up_exactly_where_it_goes_on_the_air() -> None:
    on_air = {Mode.TALKING, Mode.TAIL}
    for (mode, cause), row in TABLE.items():
        to_air = row.to in on_air or (row.to not in Mode and row.to.value == "same" and mode in on_air)
        starts, ends = to_air and mode not in on_air, mode in on_air and not to_air
        for begin in (KeyUp(), StartOver()):
            assert row.actions.count(begin) == starts, (mode, cause)
        for end in END:
            assert row.actions.count(end) == ends, (mode, cause)


def test_every_way_off_the_air_is_in_the_table() -> None:
    for mode in (Mode.TALKING, Mode.TAIL):
        for cause in (Cause.TIMED_OUT, Cause.LINK_LOST, Cause.KEY_LOST, Cause.SHUTDOWN):
            assert (mode, cause) in TABLE


EVENTS = st.one_of(
    st.builds(PttPressed, st.booleans()),
    st.just(PttReleased()),
    st.builds(PttToggled, st.booleans()),
    st.just(Tick()),
    st.builds(OverStarted, st.one_of(st.none(), st.integers(0, 3))),
    st.just(OverEnded()),
    st.just(LinkLost()),
    st.just(LinkRestored()),
    st.just(KeyLost()),
    st.just(Shutdown()),
)
STEPS = st.lists(st.tuples(EVENTS, st.sampled_from([0.0, 0.05, 0.2, 0.5, 1.0, 3.0, 20.0])), max_size=60)
MACHINES = st.builds(
    SessionMachine,
    release_s=st.sampled_from([0.0, 0.1, 0.5]),
    time_out_s=st.sampled_from([0.3, 2.0, 10.0]),
    warning_s=st.sampled_from([0.0, 0.1, 0.2]),
    override_busy=st.booleans(),
)


@given(MACHINES, STEPS)
def test_promises_over_any_sequence(machine: SessionMachine, steps: list[tuple[Event, float]]) -> None:
    run, now_s = Run(machine), 50.0
    keyed = over_open = False
    keyed_since_s = 0.0
    for event, pause_s in steps:
        now_s += pause_s
        was_up, was_hearing = run.state.link_is_up, run.state.is_hearing
        actions = run(event, now_s)
        for action in actions:
            match action:
                case KeyUp():
                    assert not keyed
                    assert was_up, "keyed without a link"
                    keyed, keyed_since_s = True, now_s
                case StartOver():
                    assert keyed
                    assert not over_open
                    over_open = True
                case EndOver():
                    assert over_open
                    over_open = False
                case KeyDown():
                    assert keyed
                    assert not over_open, "unkeyed with an open over"
                    keyed = False
                case _:
                    pass
        if KeyUp() in actions and was_hearing and isinstance(event, PttPressed | PttToggled):
            assert event.break_in or machine.override_busy, "talked over another station"
        assert keyed == over_open == run.state.is_transmitting
        assert not keyed or now_s - keyed_since_s < machine.time_out_s
        if isinstance(event, PttReleased | Shutdown | LinkLost | KeyLost):
            assert run.mode() != Mode.TALKING
        deadline_s = machine.next_deadline_s(run.state)
        assert (deadline_s is not None) == keyed
        assert deadline_s is None or deadline_s > now_s
        assert run.state.is_hearing == (run.mode() is Mode.RECEIVING) or run.mode() in (
            Mode.TALKING,
            Mode.TAIL,
            Mode.LOCKED_OUT,
        )
    run(PttReleased(), now_s)
    run(Tick(), now_s + machine.release_s + 1e-6)
    assert not run.state.is_transmitting


@given(MACHINES, STEPS)
def test_same_events_same_outcome_and_states_are_values(
    machine: SessionMachine, steps: list[tuple[Event, float]]
) -> None:
    first, second, now_s = Run(machine), Run(machine), 0.0
    for event, pause_s in steps:
        now_s += pause_s
        before = first.state
        kept = SessionState(*(getattr(before, name) for name in SessionState.__slots__))
        assert first(event, now_s) == second(event, now_s)
        assert before == kept
        assert first.state == second.state
