"""The push-to-talk session: event and time give the next state and the actions, by the table (gateway.session.table).

Rule: `handle` is a pure function of state, event and time; every timer is in `_timers`, and nowhere else.

Theory of operation
-------------------
Half duplex: one talks or listens. A press in IDLE keys the transmitter (KEYING); when it is up the over begins, the
permit tone is heard and the microphone is sent (TALKING). Where nothing has to be keyed KEYING has no length. A release
does not end the over at once: the last word is still in the operator's mouth, so the microphone stays open for the
release delay (TAIL); a press in that time goes on with the same over. Then the over is ended and the transmitter
unkeyed.

A transmission, from key-up to tail, never lasts longer than the time-out. At the time-out it is unkeyed whatever the
key does, and LOCKED_OUT lasts until the key is released, so that a jammed or forgotten key cannot block the net. A link
that is lost while talking, or a transmitter that went off by itself, locks out in the same way: talk into a dead link
would only seem to be heard.

While another station is heard (RECEIVING) a press is refused, and must be made again (BUSY_LOCKOUT): an operator who
held the key since before cannot know when he went on the air. With floor control it waits (WAITING) and is told by a
tone when it goes on the air; which of several goes first, and who goes on of two who began at once, is decided in
gateway.session.floor.

A break-in (by the event, or for every press by `override_busy`) is an emergency: it is not refused, does not wait, and
never yields. It also gets an operator out of a lock-out, once until the key is released: somebody in need may go on
after the time-out, and a jammed emergency key still falls silent after two time-outs.

A press by voice obeys the same rules, but where it is refused nothing is heard or said of it, or it would be at every
syllable. It waits for nothing, neither the transmitter nor the floor, as what is said is said: an over begins at once
and without a tone, and the transmitter comes up while the first packet is being spoken.

Full duplex: what is heard refuses no press and is no collision; `is_listening` tells whether it is to be played.

An event first becomes a `Cause`: the event seen in the light of the state (a toggle is a press or a release, a press
without a link is something else than a press with one, a tick is nothing until a timer has run out). After every event
the timers are looked at, so that a late tick cannot leave a transmitter on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.config import PttSection
from gateway.session.events import (
    Action,
    DuplexKnown,
    Event,
    KeyIsUp,
    KeyLost,
    LinkLost,
    LinkRestored,
    OverEnded,
    OverStarted,
    PttPressed,
    PttReleased,
    PttToggled,
    Shutdown,
    Tick,
)
from gateway.session.floor import FloorRules, Verdict
from gateway.session.table import KEY_DOWN_MODES, KEYED_MODES, TABLE, TALK_MODES, Cause, To
from gateway.session.table import Mode as Mode


@dataclass(frozen=True, slots=True)
class SessionState:
    """Everything the session remembers; times are seconds of the clock handed in."""

    mode: Mode = Mode.IDLE
    since_s: float = 0.0
    """When the mode was entered."""
    over_since_s: float = 0.0
    """When the transmitter was keyed; of meaning while it is."""
    talking_since_s: float = 0.0
    """When the over on the air began; of meaning in TALKING and TAIL only."""
    warned: bool = False
    """The time-out warning of this over was given."""
    is_hearing: bool = False
    """Another station's over is running, whether or not it is listened to."""
    heard_source: int | None = None
    """Who is heard, once known."""
    link_is_up: bool = True
    is_full_duplex: bool = False
    """One can talk and listen at the same time."""
    is_break_in: bool = False
    """This transmission is an emergency; of meaning while keyed."""
    has_broken_out: bool = False
    """A break-in has ended a lock-out since the key was last released."""
    asked_s: float = 0.0
    """Since when the floor is waited for; of meaning in WAITING."""
    turn_s: float = 0.0
    """When the floor is one's own if nobody else begins; of meaning in WAITING while nobody is heard."""
    was_granted: bool = False
    """This transmission waited for the floor; of meaning while keyed."""
    is_contested: bool = False
    """Somebody began at the same time, and it is not known yet who."""
    seed: int = 0
    """Of the next draw for the floor; to be set differently in each station of a net."""

    @property
    def is_keyed(self) -> bool:
        """The transmitter is on."""
        return self.mode in KEYED_MODES

    @property
    def is_transmitting(self) -> bool:
        """The transmitter is on and the microphone is sent."""
        return self.mode in TALK_MODES

    @property
    def is_listening(self) -> bool:
        """What is heard of others is to be played."""
        return self.is_full_duplex or not self.is_keyed

    @property
    def is_key_down(self) -> bool:
        """The key counts as held: something is done by it, or its release is waited for."""
        return self.mode in KEY_DOWN_MODES


@dataclass(frozen=True, slots=True)
class SessionMachine:
    """The rules of a session: times in seconds, and whether every press may talk over others."""

    release_s: float = 0.2
    time_out_s: float = 180.0
    warning_s: float = 15.0
    """How long before the time-out the warning comes; 0 for none."""
    override_busy: bool = False
    key_up_s: float = 0.0
    """How long `KeyIsUp` may take after `KeyUp`; 0: there is nothing to wait for."""
    floor: FloorRules | None = None
    """Presses wait for the floor, and those who begin at once yield; None: no floor control."""

    @classmethod
    def from_config(cls, ptt: PttSection, *, key_up_s: float = 0.0, floor: FloorRules | None = None) -> SessionMachine:
        """The machine that [ptt] in a station's configuration describes; the rest depends on other sections."""
        return cls(ptt.release_ms / 1000, ptt.time_out_s, ptt.warning_s, ptt.override_busy, key_up_s, floor)

    def handle(self, state: SessionState, event: Event, now_s: float) -> tuple[SessionState, tuple[Action, ...]]:
        """The state after `event` at `now_s`, and what is to be done for it, in order."""
        # Timers that ran out before this event come before it, however late it is told.
        state, actions = self._run_timers(state, now_s)
        cause = self._cause(state, event, now_s)
        state = self._remember(state, event, now_s)
        if cause is not None:
            state, more = self._apply(state, cause, now_s)
            actions += more
        state, more = self._run_timers(state, now_s)
        return state, actions + more

    def next_deadline_s(self, state: SessionState) -> float | None:
        """When the next timer runs out, so that a Tick is needed then; None if none is running."""
        deadlines = [deadline_s for _, deadline_s in self._timers(state)]
        return min(deadlines, default=None)

    def _timers(self, state: SessionState) -> list[tuple[Cause, float]]:
        """The running timers in the order in which they count if several have run out."""
        if state.mode is Mode.WAITING and self.floor is not None:
            # The limit counts first: nobody goes on the air by a tick that came too late.
            timers = [(Cause.WAITED_ENOUGH, state.asked_s + self.floor.wait_s)]
            return timers if state.is_hearing else [*timers, (Cause.FLOOR_GRANTED, state.turn_s)]
        if state.mode not in KEYED_MODES:
            return []
        end_s = state.over_since_s + self.time_out_s
        timers = [(Cause.TIMED_OUT, end_s)]
        if state.mode is Mode.KEYING:
            late = Cause.NOT_KEYED if self.key_up_s > 0 else _keyed(state)
            timers.append((late, state.since_s + self.key_up_s))
        elif state.mode is Mode.TAIL:
            timers.append((Cause.TAIL_ENDED, state.since_s + self.release_s))
        elif not state.warned and self.warning_s > 0:
            timers.append((Cause.TIME_OUT_NEAR, end_s - self.warning_s))
        return timers

    def _run_timers(self, state: SessionState, now_s: float) -> tuple[SessionState, tuple[Action, ...]]:
        actions: tuple[Action, ...] = ()
        while due := [cause for cause, deadline_s in self._timers(state) if now_s >= deadline_s]:
            state, more = self._apply(state, due[0], now_s)
            actions += more
        return state, actions

    def _cause(self, state: SessionState, event: Event, now_s: float) -> Cause | None:
        match event:
            case PttPressed(break_in=break_in, by_voice=by_voice):
                if by_voice and not break_in:
                    return Cause.VOICE if state.link_is_up else None
                return self._press(state, Cause.PRESS, break_in)
            case PttToggled(break_in=break_in):
                is_down = state.is_key_down
                if is_down and not (break_in and state.mode in (Mode.WAITING, Mode.BUSY_LOCKOUT)):
                    return Cause.RELEASE
                return self._press(state, Cause.LATCH, break_in)
            case PttReleased():
                return Cause.RELEASE
            case OverStarted(source=source):
                return self._over_started(state, source, now_s)
            case OverEnded():
                return Cause.OVER_ENDED if state.is_hearing else None
            case LinkLost():
                return Cause.LINK_LOST if state.link_is_up or state.is_hearing else None
            case LinkRestored():
                return None if state.link_is_up else Cause.LINK_RESTORED
            case KeyIsUp():
                return _keyed(state)
            case KeyLost():
                return Cause.KEY_LOST
            case Shutdown():
                return Cause.SHUTDOWN
            case Tick() | DuplexKnown():
                return None

    def _press(self, state: SessionState, plain: Cause, break_in: bool) -> Cause:
        if not state.link_is_up:
            return Cause.PRESS_WITHOUT_LINK
        if state.mode is Mode.LOCKED_OUT:
            return Cause.BREAK_IN if break_in and not state.has_broken_out else plain
        if break_in:
            return Cause.BREAK_IN
        if state.is_full_duplex:
            return Cause.PRESS_DUPLEX
        if self.override_busy:
            return Cause.BREAK_IN
        return plain if self.floor is None else Cause.ASK

    def _over_started(self, state: SessionState, source: int | None, now_s: float) -> Cause | None:
        if state.is_hearing:
            # Told again once the source is known: still the same over, but now one knows who goes first.
            if self.floor is None or not state.is_contested:
                return None
            return Cause.YIELD if self.floor.verdict(source, 0.0) is Verdict.YIELD else None
        if state.mode not in KEYED_MODES:
            return Cause.OVER_STARTED
        if state.is_full_duplex:
            return Cause.HEARD_TOO
        if state.is_break_in:
            return Cause.COLLISION
        if state.mode is Mode.KEYING:
            return Cause.OVER_STARTED if self.floor is None else Cause.YIELD
        if self.floor is not None and self._verdict(state, source, now_s) is Verdict.YIELD:
            return Cause.YIELD
        return Cause.COLLISION

    def _verdict(self, state: SessionState, source: int | None, now_s: float) -> Verdict:
        assert self.floor is not None
        return self.floor.verdict(source, now_s - state.talking_since_s)

    def _remember(self, state: SessionState, event: Event, now_s: float) -> SessionState:
        """What an event changes in the state apart from the mode."""
        match event:
            case OverStarted(source=source):
                is_contested = state.is_contested and source is None
                if not state.is_hearing and state.mode in TALK_MODES and self.floor is not None:
                    is_open = self._verdict(state, source, now_s) is Verdict.OPEN
                    is_contested = is_open and not (state.is_full_duplex or state.is_break_in)
                return replace(state, is_hearing=True, heard_source=source, is_contested=is_contested)
            case OverEnded():
                return self._free(replace(state, is_hearing=False, heard_source=None, is_contested=False), now_s)
            case LinkLost():
                return replace(state, is_hearing=False, heard_source=None, is_contested=False, link_is_up=False)
            case LinkRestored():
                return replace(state, link_is_up=True)
            case DuplexKnown(is_full=is_full):
                return replace(state, is_full_duplex=is_full)
            case _:
                return state

    def _free(self, state: SessionState, now_s: float) -> SessionState:
        """The channel has become free: who waits draws how long he lets it pass."""
        if state.mode is not Mode.WAITING or self.floor is None:
            return state
        hold_off_s, seed = self.floor.hold_off_s(state.seed)
        return replace(state, turn_s=now_s + hold_off_s, seed=seed)

    def _apply(self, state: SessionState, cause: Cause, now_s: float) -> tuple[SessionState, tuple[Action, ...]]:
        if cause is Cause.RELEASE:
            state = replace(state, has_broken_out=False)
        elif cause is Cause.BREAK_IN:
            # Also of a transmission that runs already: it does not yield from now on.
            has_broken_out = state.has_broken_out or state.mode is Mode.LOCKED_OUT
            state = replace(state, is_break_in=True, is_contested=False, has_broken_out=has_broken_out)
        row = TABLE.get((state.mode, cause))
        if row is None:
            return state, ()
        if isinstance(row.to, Mode):
            mode = row.to
        elif row.to is To.REST:
            mode = Mode.RECEIVING if state.is_hearing else Mode.IDLE
        else:
            mode = state.mode
        if cause is Cause.TIME_OUT_NEAR:
            state = replace(state, warned=True)
        return _enter(state, mode, cause, now_s), row.actions


def _keyed(state: SessionState) -> Cause:
    return Cause.KEYED_GRANTED if state.was_granted else Cause.KEYED


def _enter(state: SessionState, mode: Mode, cause: Cause, now_s: float) -> SessionState:
    """`state` in `mode`, with what begins or ends there."""
    if mode is state.mode:
        return state
    if mode is Mode.WAITING and not state.was_granted:
        state = replace(state, asked_s=now_s)
    if mode in KEYED_MODES and not state.is_keyed:
        is_break_in, was_granted = cause is Cause.BREAK_IN, cause is Cause.FLOOR_GRANTED
        state = replace(state, over_since_s=now_s, warned=False, is_break_in=is_break_in, was_granted=was_granted)
    if mode not in KEYED_MODES:
        state = replace(state, is_break_in=False, was_granted=False, is_contested=False)
    if mode in TALK_MODES and not state.is_transmitting:
        state = replace(state, talking_since_s=now_s)
    return replace(state, mode=mode, since_s=now_s)
