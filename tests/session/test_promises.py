"""What the push-to-talk promises over any sequence of events at any times: a hypothesis state machine."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.session.events import (
    DuplexKnown,
    EndOver,
    Event,
    KeyDown,
    KeyIsUp,
    KeyLost,
    KeyUp,
    LinkLost,
    LinkRestored,
    OverEnded,
    OverStarted,
    PlayTone,
    PttPressed,
    PttReleased,
    PttToggled,
    Refused,
    Shutdown,
    StartOver,
    Tick,
    Tone,
)
from gateway.session.floor import FloorRules
from gateway.session.machine import Mode, SessionMachine, SessionState

LOCK_OUTS = (Mode.BUSY_LOCKOUT, Mode.LOCKED_OUT)
MACHINES = st.builds(
    SessionMachine,
    release_s=st.sampled_from([0.0, 0.1, 0.5]),
    time_out_s=st.sampled_from([0.3, 2.0, 10.0]),
    warning_s=st.sampled_from([0.0, 0.1, 0.2]),
    override_busy=st.booleans(),
    key_up_s=st.sampled_from([0.0, 0.2, 1.0]),
    floor=st.one_of(
        st.none(),
        st.builds(
            FloorRules,
            station_id=st.just(2),
            order=st.sampled_from([(), (3,)]),
            slot_s=st.sampled_from([0.1, 0.6]),
            slots=st.integers(1, 4),
            wait_s=st.sampled_from([0.5, 5.0]),
        ),
    ),
)
PRESSES = st.one_of(
    st.builds(PttPressed, st.booleans(), st.booleans()),
    st.builds(PttToggled, st.booleans()),
)
PAUSES_S = st.one_of(st.just(0.0), st.floats(0.001, 1.0), st.floats(1.0, 20.0))


class Operator(RuleBasedStateMachine):
    """One machine, and a world that counts what it is told to do."""

    @initialize(machine=MACHINES, is_full=st.booleans(), seed=st.integers(0, 2**32 - 1))
    def begin(self, machine: SessionMachine, is_full: bool, seed: int) -> None:
        self.machine = machine
        self.state = SessionState(since_s=50.0, is_full_duplex=is_full and machine.floor is None, seed=seed)
        self.now_s = 50.0
        self.is_keyed = self.is_over_open = False
        self.keyed_s = self.asked_s = 0.0

    def tell(self, event: Event) -> None:
        before = self.state
        kept = dataclasses.replace(before)
        self.state, actions = self.machine.handle(before, event, self.now_s)
        assert before == kept
        assert self.machine.handle(before, event, self.now_s) == (self.state, actions), "not a function"
        for action in actions:
            match action:
                case KeyUp():
                    assert not self.is_keyed
                    assert before.link_is_up, "keyed without a link"
                    self.is_keyed, self.keyed_s = True, self.now_s
                case StartOver():
                    assert self.is_keyed
                    assert not self.is_over_open
                    self.is_over_open = True
                case EndOver():
                    assert self.is_over_open
                    self.is_over_open = False
                case KeyDown():
                    assert self.is_keyed, "unkeyed twice"
                    assert not self.is_over_open, "unkeyed with an open over"
                    self.is_keyed = False
                case _:
                    pass
        if KeyUp() in actions:
            self.check_may_begin(before, event)
        if isinstance(event, PttPressed) and event.by_voice and not event.break_in and before == self.state:
            assert actions == (), "a refused voice is answered"
        if before.mode in LOCK_OUTS and self.state.mode not in LOCK_OUTS:
            assert isinstance(event, PttReleased | PttToggled | Shutdown | PttPressed), "a lock-out ended by itself"

    def check_may_begin(self, before: SessionState, event: Event) -> None:
        """Something was keyed for `event`: there was a reason, and nobody was talked over without one."""
        is_press = isinstance(event, PttPressed | PttToggled)
        is_break_in = isinstance(event, PttPressed | PttToggled) and event.break_in
        if is_press:
            may_talk_over = is_break_in or self.machine.override_busy or before.is_full_duplex
            assert not before.is_hearing or may_talk_over
        else:
            assert before.mode is Mode.WAITING
            # What is heard is known before the turn comes, but for an over that ends with this event.
            assert not before.is_hearing or isinstance(event, OverEnded)
            assert self.machine.floor is not None
            assert self.now_s < before.asked_s + self.machine.floor.wait_s, "granted after the limit"

    @rule(pause_s=PAUSES_S)
    def wait(self, pause_s: float) -> None:
        self.now_s += pause_s
        self.tell(Tick())

    @rule()
    def wait_for_the_deadline(self) -> None:
        deadline_s = self.machine.next_deadline_s(self.state)
        if deadline_s is not None:
            before, self.now_s = self.state, deadline_s
            self.tell(Tick())
            assert self.state != before, "a deadline at which nothing happens"

    @rule(pause_s=PAUSES_S, press=PRESSES)
    def press(self, pause_s: float, press: PttPressed | PttToggled) -> None:
        self.now_s += pause_s
        self.tell(press)

    @rule(pause_s=PAUSES_S)
    def release(self, pause_s: float) -> None:
        self.now_s += pause_s
        self.tell(PttReleased())
        assert not self.state.is_key_down

    @rule(pause_s=PAUSES_S, source=st.one_of(st.none(), st.integers(1, 3)))
    def another_begins(self, pause_s: float, source: int | None) -> None:
        self.now_s += pause_s
        self.tell(OverStarted(source))
        assert self.state.is_hearing
        assert self.state.heard_source == source

    @rule(pause_s=PAUSES_S)
    def another_ends(self, pause_s: float) -> None:
        self.now_s += pause_s
        self.tell(OverEnded())
        assert not self.state.is_hearing

    @rule(event=st.sampled_from([LinkLost(), LinkRestored(), KeyLost(), KeyIsUp()]))
    def the_world_changes(self, event: Event) -> None:
        self.tell(event)
        if isinstance(event, LinkLost | KeyLost):
            assert not self.is_keyed

    @precondition(lambda self: self.machine.floor is None)
    @rule(is_full=st.booleans())
    def the_link_turns_out_otherwise(self, is_full: bool) -> None:
        self.tell(DuplexKnown(is_full))

    @rule()
    def shut_down(self) -> None:
        self.tell(Shutdown())
        assert not self.is_keyed
        assert self.state.mode in (Mode.IDLE, Mode.RECEIVING)
        assert self.machine.next_deadline_s(self.state) is None

    @invariant()
    def the_transmitter_is_on_in_its_modes_only(self) -> None:
        if hasattr(self, "state"):
            assert self.is_keyed == self.state.is_keyed
            assert self.is_over_open == self.state.is_transmitting

    @invariant()
    def no_transmission_is_longer_than_the_time_out(self) -> None:
        if hasattr(self, "state"):
            assert not self.is_keyed or self.now_s < self.keyed_s + self.machine.time_out_s

    @invariant()
    def every_mode_that_has_to_end_has_a_deadline_ahead(self) -> None:
        if hasattr(self, "state"):
            deadline_s = self.machine.next_deadline_s(self.state)
            assert (deadline_s is not None) == (self.state.is_keyed or self.state.mode is Mode.WAITING)
            assert deadline_s is None or deadline_s > self.now_s

    @invariant()
    def what_is_heard_is_what_the_mode_says(self) -> None:
        if hasattr(self, "state"):
            assert self.state.mode is not Mode.IDLE or not self.state.is_hearing
            assert self.state.mode is not Mode.RECEIVING or self.state.is_hearing

    @invariant()
    def only_a_press_in_a_net_with_floor_control_waits(self) -> None:
        if hasattr(self, "state"):
            assert self.state.mode is not Mode.WAITING or self.machine.floor is not None

    def teardown(self) -> None:
        if hasattr(self, "state"):
            self.tell(PttReleased())
            self.now_s += self.machine.release_s + 1e-6
            self.tell(Tick())
            assert not self.is_keyed


TestOperator = Operator.TestCase


def test_one_late_tick_for_everything() -> None:
    """However late: the over that was on the air is ended, none begins by it, and no warning comes after the fact."""
    floor = FloorRules(2, slot_s=0.5, slots=1, wait_s=5.0)
    machine = SessionMachine(floor=floor)
    state, _ = machine.handle(SessionState(), OverStarted(1), 0.0)
    state, _ = machine.handle(state, PttPressed(), 1.0)
    state, actions = machine.handle(state, OverEnded(), 1000.0)
    assert state.mode is Mode.BUSY_LOCKOUT
    assert KeyUp() not in actions
    assert any(isinstance(action, Refused) for action in actions)
    state, _ = machine.handle(state, PttReleased(), 1001.0)
    state, _ = machine.handle(state, PttPressed(), 1002.0)
    state, actions = machine.handle(state, Tick(), 5000.0)
    assert actions[:2] == (EndOver(), KeyDown())
    assert PlayTone(Tone.WARNING) not in actions
