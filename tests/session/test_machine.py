"""The push-to-talk machine: what an operator meets with, one story a test."""

from __future__ import annotations

import pytest

from gateway.config import PttSection
from gateway.session.events import (
    Action,
    DuplexKnown,
    EndOver,
    Event,
    KeyDown,
    KeyIsUp,
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
from gateway.session.floor import FloorRules
from gateway.session.machine import Mode, SessionMachine, SessionState

MACHINE = SessionMachine(release_s=0.3, time_out_s=180.0, warning_s=15.0)
BEGIN = [KeyUp(), StartOver(), PlayTone(Tone.PERMIT)]
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
    assert run(PttPressed(), 3601.0) == [Refused(Refusal.LOCKED_OUT), PlayTone(Tone.REFUSED)]
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
    assert (run.mode(), run.state.is_key_down) == (Mode.BUSY_LOCKOUT, True)
    assert run(OverEnded(), 2.0) == [PlayTone(Tone.ROGER), Notify(Notice.OVER_ENDED)]
    assert run(Tick(), 3.0) == []
    assert run(PttPressed(), 3.5) == [Refused(Refusal.BUSY), PlayTone(Tone.REFUSED)]
    assert run.mode() == Mode.BUSY_LOCKOUT
    assert run(PttReleased(), 3.6) == []
    assert run.mode() == Mode.IDLE
    assert run(PttPressed(), 4.0) == BEGIN


def test_a_busy_lockout_ends_in_what_is_heard() -> None:
    run = Run()
    run(OverStarted(), 0.0)
    run(PttPressed(), 1.0)
    run(OverEnded(), 2.0)
    assert run(OverStarted(3), 3.0) == [Notify(Notice.HEARD)]
    run(PttReleased(), 4.0)
    assert (run.mode(), run.state.heard_source) == (Mode.RECEIVING, 3)
    run(PttPressed(), 5.0)
    assert run(PttPressed(break_in=True), 5.5) == [Notify(Notice.BREAK_IN), *BEGIN]


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
    assert run(OverEnded(), 2.0) == [Notify(Notice.OVER_ENDED)]
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


def test_an_emergency_goes_on_once_after_the_time_out() -> None:
    run = Run()
    run(PttPressed(), 0.0)
    run(Tick(), 180.0)
    assert run(PttPressed(break_in=True), 181.0) == [Notify(Notice.BREAK_IN), *BEGIN]
    assert run(Tick(), 360.0) == [PlayTone(Tone.WARNING), Notify(Notice.TIME_OUT_NEAR)]
    assert run(Tick(), 361.0) == [*END, PlayTone(Tone.TIMED_OUT), Notify(Notice.TIMED_OUT)]
    assert run(PttPressed(break_in=True), 362.0) == [Refused(Refusal.LOCKED_OUT), PlayTone(Tone.REFUSED)]
    run(PttReleased(), 363.0)
    assert run(PttPressed(break_in=True), 364.0) == BEGIN
    run(Tick(), 544.0)
    assert run(PttPressed(break_in=True), 545.0) == [Notify(Notice.BREAK_IN), *BEGIN]  # let go since, so once more


def test_override_busy_is_no_way_out_of_a_lock_out() -> None:
    run = Run(SessionMachine(override_busy=True))
    run(PttPressed(), 0.0)
    run(Tick(), 180.0)
    assert run(PttPressed(), 181.0) == [Refused(Refusal.LOCKED_OUT), PlayTone(Tone.REFUSED)]


KEYED = SessionMachine(release_s=0.3, key_up_s=2.0)


def test_nothing_is_sent_before_the_transmitter_is_up() -> None:
    run = Run(KEYED)
    assert run(PttPressed(), 10.0) == [KeyUp()]
    assert (run.mode(), run.state.is_keyed, run.state.is_transmitting) == (Mode.KEYING, True, False)
    assert not run.state.is_listening
    assert run(Tick(), 10.2) == []
    assert run(KeyIsUp(), 10.3) == [StartOver(), PlayTone(Tone.PERMIT)]
    assert (run.mode(), run.state.over_since_s, run.state.talking_since_s) == (Mode.TALKING, 10.0, 10.3)
    assert run(KeyIsUp(), 10.4) == []
    assert KEYED.next_deadline_s(run.state) == 175.0  # the time-out counts from key-up


def test_a_key_let_go_before_the_transmitter_is_up_sends_nothing() -> None:
    run = Run(KEYED)
    run(PttPressed(), 10.0)
    assert run(PttReleased(), 10.1) == [KeyDown()]
    assert run.mode() == Mode.IDLE
    assert run(KeyIsUp(), 10.2) == []


def test_a_transmitter_that_does_not_come_up_locks_out() -> None:
    run = Run(KEYED)
    run(PttPressed(), 10.0)
    assert KEYED.next_deadline_s(run.state) == 12.0
    assert run(Tick(), 12.0) == [KeyDown(), PlayTone(Tone.REFUSED), Notify(Notice.NOT_KEYED)]
    assert run.mode() == Mode.LOCKED_OUT
    for event, notice in ((LinkLost(), Notice.LINK_LOST), (KeyLost(), Notice.KEY_LOST)):
        run = Run(KEYED)
        run(PttPressed(), 10.0)
        assert run(event, 10.1) == [KeyDown(), PlayTone(Tone.REFUSED), Notify(notice)]
        assert run.mode() == Mode.LOCKED_OUT


def test_another_who_begins_during_the_guard_goes_first() -> None:
    run = Run(KEYED)
    run(PttPressed(), 10.0)
    assert run(OverStarted(2), 10.1) == [KeyDown(), Refused(Refusal.BUSY), PlayTone(Tone.REFUSED)]
    assert run.mode() == Mode.BUSY_LOCKOUT
    run = Run(KEYED)
    run(PttPressed(break_in=True), 10.0)
    assert run(OverStarted(2), 10.1) == [Notify(Notice.COLLISION)]
    assert run.mode() == Mode.KEYING


def test_a_voice_begins_at_once_and_without_a_tone() -> None:
    for machine in (MACHINE, KEYED):
        run = Run(machine)
        assert run(PttPressed(by_voice=True), 0.0) == [KeyUp(), StartOver()]
        assert run.mode() == Mode.TALKING
        run(PttReleased(), 1.0)
        assert run(PttPressed(by_voice=True), 1.1) == []
        assert run.mode() == Mode.TALKING


def test_a_voice_is_refused_in_silence() -> None:
    for machine in (MACHINE, SessionMachine(override_busy=True), SessionMachine(floor=FloorRules())):
        run = Run(machine)
        run(OverStarted(2), 0.0)
        for syllable in range(20):
            assert run(PttPressed(by_voice=True), 1.0 + syllable) == []
            assert run(PttReleased(), 1.5 + syllable) == []
            assert run.mode() == Mode.RECEIVING
        run(OverEnded(), 30.0)
        run(LinkLost(), 31.0)
        assert run(PttPressed(by_voice=True), 32.0) == []
        run(LinkRestored(), 33.0)
        run(PttPressed(by_voice=True), 34.0)
        run(Tick(), 1000.0)
        assert run.mode() == Mode.LOCKED_OUT
        assert run(PttPressed(by_voice=True), 1001.0) == []


def test_full_duplex_talks_and_listens_at_the_same_time() -> None:
    run = Run(state=SessionState(is_full_duplex=True))
    run(OverStarted(2), 0.0)
    assert run(PttPressed(), 1.0) == BEGIN
    assert (run.mode(), run.state.is_hearing, run.state.is_listening) == (Mode.TALKING, True, True)
    assert run(OverEnded(), 2.0) == [Notify(Notice.OVER_ENDED)]
    assert run(OverStarted(3), 3.0) == [Notify(Notice.HEARD)]
    run(PttReleased(), 4.0)
    assert run(Tick(), 5.0) == END
    assert run.mode() == Mode.RECEIVING


def test_a_link_may_turn_out_to_carry_one_way_at_a_time() -> None:
    run = Run(state=SessionState(is_full_duplex=True))
    run(PttPressed(), 0.0)
    assert run(DuplexKnown(False), 1.0) == []
    assert not run.state.is_listening
    assert run(OverStarted(3), 2.0) == [Notify(Notice.COLLISION)]


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
    floor = FloorRules(7)
    made = SessionMachine.from_config(ptt, key_up_s=2.0, floor=floor)
    assert made == SessionMachine(0.35, 60, 5, True, 2.0, floor)
