"""The push-to-talk session as a table: mode x cause gives the next mode and the actions.

Rule: `handle` is a pure function of state, event and time; the transmitter is on in TALKING and TAIL and nowhere else.

Theory of operation
-------------------
Half duplex: one talks or listens. A press in IDLE keys up and begins an over (TALKING). A release does not end it at
once: the last word is still in the operator's mouth, so the microphone stays open for the release delay (TAIL); a
press in that time goes on with the same over. After the tail the over is ended and the transmitter unkeyed.

An over, tail included, never lasts longer than the time-out. At the time-out the transmitter is unkeyed whatever the
key does, and LOCKED_OUT lasts until the key is released, so that a jammed or forgotten key cannot block the net. A
link that is lost while talking, or a transmitter that went off by itself, locks out in the same way: talk into a dead
link would only seem to be heard.

While another station is heard (RECEIVING) a press is refused, and must be made again: an operator who held the key
since before cannot know when he went on the air. A break-in (by the event, or by `override_busy`) is not refused.

An event first becomes a `Cause`: the event seen in the light of the state (a toggle is a press or a release, a press
without a link is something else than a press with one, a tick is nothing until a timer has run out). `TABLE` then has
a row for every pair that does anything; a pair that is not in it leaves mode and world as they are. After every event
the timers are looked at, so that a late tick cannot leave a transmitter on.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

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


class Mode(enum.Enum):
    """What the session is doing."""

    IDLE = "idle"
    TALKING = "talking"
    TAIL = "tail"
    RECEIVING = "receiving"
    LOCKED_OUT = "locked_out"
    """Unkeyed by the time-out or a lost link, until the key is released."""


class Cause(enum.Enum):
    """An event as the table knows it."""

    PRESS = "press"
    BREAK_IN = "break_in"
    PRESS_WITHOUT_LINK = "press_without_link"
    RELEASE = "release"
    TAIL_ENDED = "tail_ended"
    TIME_OUT_NEAR = "time_out_near"
    TIMED_OUT = "timed_out"
    OVER_STARTED = "over_started"
    OVER_ENDED = "over_ended"
    LINK_LOST = "link_lost"
    LINK_RESTORED = "link_restored"
    KEY_LOST = "key_lost"
    SHUTDOWN = "shutdown"


class To(enum.Enum):
    """Next modes that depend on the state."""

    SAME = "same"
    REST = "rest"
    """RECEIVING if another station is heard, else IDLE."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the table."""

    to: Mode | To
    actions: tuple[Action, ...] = ()


_BEGIN = (PlayTone(Tone.PERMIT), KeyUp(), StartOver())
_END = (EndOver(), KeyDown())
_REFUSED_BUSY = Row(To.SAME, (Refused(Refusal.BUSY), PlayTone(Tone.REFUSED)))
_REFUSED_LOCKED = Row(To.SAME, (Refused(Refusal.LOCKED_OUT), PlayTone(Tone.REFUSED)))
_REFUSED_NO_LINK = Row(To.SAME, (Refused(Refusal.NO_LINK), PlayTone(Tone.REFUSED)))
_COLLISION = Row(To.SAME, (Notify(Notice.COLLISION),))
_TIMED_OUT = (*_END, PlayTone(Tone.TIMED_OUT), Notify(Notice.TIMED_OUT))
_LINK_RESTORED = Row(To.SAME, (Notify(Notice.LINK_RESTORED),))

TABLE: Mapping[tuple[Mode, Cause], Row] = MappingProxyType(
    {
        (Mode.IDLE, Cause.PRESS): Row(Mode.TALKING, _BEGIN),
        (Mode.IDLE, Cause.BREAK_IN): Row(Mode.TALKING, _BEGIN),
        (Mode.IDLE, Cause.PRESS_WITHOUT_LINK): _REFUSED_NO_LINK,
        (Mode.IDLE, Cause.OVER_STARTED): Row(Mode.RECEIVING, (Notify(Notice.HEARD),)),
        (Mode.IDLE, Cause.LINK_LOST): Row(Mode.IDLE, (Notify(Notice.LINK_LOST),)),
        (Mode.IDLE, Cause.LINK_RESTORED): _LINK_RESTORED,
        (Mode.TALKING, Cause.RELEASE): Row(Mode.TAIL),
        (Mode.TALKING, Cause.TIME_OUT_NEAR): Row(To.SAME, (PlayTone(Tone.WARNING), Notify(Notice.TIME_OUT_NEAR))),
        (Mode.TALKING, Cause.TIMED_OUT): Row(Mode.LOCKED_OUT, _TIMED_OUT),
        (Mode.TALKING, Cause.OVER_STARTED): _COLLISION,
        (Mode.TALKING, Cause.LINK_LOST): Row(
            Mode.LOCKED_OUT, (*_END, PlayTone(Tone.REFUSED), Notify(Notice.LINK_LOST))
        ),
        (Mode.TALKING, Cause.KEY_LOST): Row(Mode.LOCKED_OUT, (*_END, PlayTone(Tone.REFUSED), Notify(Notice.KEY_LOST))),
        (Mode.TALKING, Cause.SHUTDOWN): Row(To.REST, _END),
        (Mode.TAIL, Cause.PRESS): Row(Mode.TALKING),
        (Mode.TAIL, Cause.BREAK_IN): Row(Mode.TALKING),
        (Mode.TAIL, Cause.TAIL_ENDED): Row(To.REST, _END),
        (Mode.TAIL, Cause.TIMED_OUT): Row(To.REST, _END),
        (Mode.TAIL, Cause.OVER_STARTED): _COLLISION,
        (Mode.TAIL, Cause.LINK_LOST): Row(Mode.IDLE, (*_END, Notify(Notice.LINK_LOST))),
        (Mode.TAIL, Cause.KEY_LOST): Row(To.REST, (*_END, Notify(Notice.KEY_LOST))),
        (Mode.TAIL, Cause.SHUTDOWN): Row(To.REST, _END),
        (Mode.RECEIVING, Cause.PRESS): _REFUSED_BUSY,
        (Mode.RECEIVING, Cause.BREAK_IN): Row(Mode.TALKING, (Notify(Notice.BREAK_IN), *_BEGIN)),
        (Mode.RECEIVING, Cause.PRESS_WITHOUT_LINK): _REFUSED_NO_LINK,
        (Mode.RECEIVING, Cause.OVER_ENDED): Row(Mode.IDLE, (PlayTone(Tone.ROGER), Notify(Notice.OVER_ENDED))),
        (Mode.RECEIVING, Cause.LINK_LOST): Row(Mode.IDLE, (Notify(Notice.LINK_LOST),)),
        (Mode.RECEIVING, Cause.LINK_RESTORED): _LINK_RESTORED,
        (Mode.LOCKED_OUT, Cause.PRESS): _REFUSED_LOCKED,
        (Mode.LOCKED_OUT, Cause.BREAK_IN): _REFUSED_LOCKED,
        (Mode.LOCKED_OUT, Cause.PRESS_WITHOUT_LINK): _REFUSED_LOCKED,
        (Mode.LOCKED_OUT, Cause.RELEASE): Row(To.REST),
        (Mode.LOCKED_OUT, Cause.OVER_STARTED): Row(To.SAME, (Notify(Notice.HEARD),)),
        (Mode.LOCKED_OUT, Cause.OVER_ENDED): Row(To.SAME, (Notify(Notice.OVER_ENDED),)),
        (Mode.LOCKED_OUT, Cause.LINK_LOST): Row(To.SAME, (Notify(Notice.LINK_LOST),)),
        (Mode.LOCKED_OUT, Cause.LINK_RESTORED): _LINK_RESTORED,
        (Mode.LOCKED_OUT, Cause.SHUTDOWN): Row(To.REST),
    }
)

_ON_AIR = frozenset({Mode.TALKING, Mode.TAIL})


@dataclass(frozen=True, slots=True)
class SessionState:
    """Everything the session remembers; times are seconds of the clock handed in."""

    mode: Mode = Mode.IDLE
    since_s: float = 0.0
    """When the mode was entered."""
    over_since_s: float = 0.0
    """When the over on the air began; of meaning in TALKING and TAIL only."""
    warned: bool = False
    """The time-out warning of this over was given."""
    is_hearing: bool = False
    """Another station's over is running, whether or not it is listened to."""
    heard_source: int | None = None
    """Who is heard, once known."""
    link_is_up: bool = True

    @property
    def is_transmitting(self) -> bool:
        """The transmitter is on and the microphone is sent."""
        return self.mode in _ON_AIR

    @property
    def is_key_down(self) -> bool:
        """The key counts as held: an over runs by it, or its release is waited for."""
        return self.mode in (Mode.TALKING, Mode.LOCKED_OUT)


@dataclass(frozen=True, slots=True)
class SessionMachine:
    """The rules of a session: times in seconds, and whether every press may talk over others."""

    release_s: float = 0.2
    time_out_s: float = 180.0
    warning_s: float = 15.0
    """How long before the time-out the warning comes; 0 for none."""
    override_busy: bool = False

    @classmethod
    def from_config(cls, ptt: PttSection) -> SessionMachine:
        """The machine that [ptt] in a station's configuration describes."""
        return cls(ptt.release_ms / 1000, ptt.time_out_s, ptt.warning_s, ptt.override_busy)

    def handle(self, state: SessionState, event: Event, now_s: float) -> tuple[SessionState, tuple[Action, ...]]:
        """The state after `event` at `now_s`, and what is to be done for it, in order."""
        # Timers that ran out before this event come before it, however late it is told.
        state, actions = self._run_timers(state, now_s)
        cause = self._cause(state, event)
        state = _remember(state, event)
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
        if state.mode not in _ON_AIR:
            return []
        end_s = state.over_since_s + self.time_out_s
        timers = [(Cause.TIMED_OUT, end_s)]
        if state.mode is Mode.TAIL:
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

    def _cause(self, state: SessionState, event: Event) -> Cause | None:
        match event:
            case PttPressed(break_in=break_in):
                return self._press(state, break_in)
            case PttToggled(break_in=break_in):
                is_on = state.mode in (Mode.TALKING, Mode.LOCKED_OUT)
                return Cause.RELEASE if is_on else self._press(state, break_in)
            case PttReleased():
                return Cause.RELEASE
            case OverStarted():
                # Told again once the source is known: still the same over.
                return None if state.is_hearing else Cause.OVER_STARTED
            case OverEnded():
                return Cause.OVER_ENDED if state.is_hearing else None
            case LinkLost():
                return Cause.LINK_LOST if state.link_is_up or state.is_hearing else None
            case LinkRestored():
                return None if state.link_is_up else Cause.LINK_RESTORED
            case KeyLost():
                return Cause.KEY_LOST
            case Shutdown():
                return Cause.SHUTDOWN
            case Tick():
                return None

    def _press(self, state: SessionState, break_in: bool) -> Cause:
        if not state.link_is_up:
            return Cause.PRESS_WITHOUT_LINK
        return Cause.BREAK_IN if break_in or self.override_busy else Cause.PRESS

    def _apply(self, state: SessionState, cause: Cause, now_s: float) -> tuple[SessionState, tuple[Action, ...]]:
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
        if mode in _ON_AIR and not state.is_transmitting:
            state = replace(state, over_since_s=now_s, warned=False)
        if mode is not state.mode:
            state = replace(state, mode=mode, since_s=now_s)
        return state, row.actions


def _remember(state: SessionState, event: Event) -> SessionState:
    """What an event changes in the state apart from the mode."""
    match event:
        case OverStarted(source=source):
            return replace(state, is_hearing=True, heard_source=source)
        case OverEnded():
            return replace(state, is_hearing=False, heard_source=None)
        case LinkLost():
            return replace(state, is_hearing=False, heard_source=None, link_is_up=False)
        case LinkRestored():
            return replace(state, link_is_up=True)
        case _:
            return state
