"""The push-to-talk table: mode x cause gives the next mode and the actions.

Rule: data only. The transmitter is on in KEYING, TALKING and TAIL and nowhere else; what goes from there to another
mode has `KeyDown` exactly once, and `EndOver` before it if the over had begun. A pair that is not here leaves mode and
world as they are.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.session.events import (
    Action,
    EndOver,
    KeyDown,
    KeyUp,
    Notice,
    Notify,
    PlayTone,
    Refusal,
    Refused,
    StartOver,
    Tone,
)


class Mode(enum.Enum):
    """What the session is doing."""

    IDLE = "idle"
    KEYING = "keying"
    """The transmitter is on, but not up yet: nothing is sent."""
    TALKING = "talking"
    TAIL = "tail"
    """The key was released; the last word is still sent."""
    RECEIVING = "receiving"
    WAITING = "waiting"
    """Pressed while another talked: begins when the floor is free and his turn has come."""
    BUSY_LOCKOUT = "busy_lockout"
    """Pressed while another talked: refused, until the key is released and pressed again."""
    LOCKED_OUT = "locked_out"
    """Taken off the air, until the key is released."""


class Cause(enum.Enum):
    """An event as the table knows it: seen in the light of state and rules."""

    PRESS = "press"
    LATCH = "latch"
    """A press of a latching key, which is not down afterwards."""
    VOICE = "voice"
    """A press by voice."""
    ASK = "ask"
    """A press where presses wait for the floor."""
    PRESS_DUPLEX = "press_duplex"
    """A press where one can talk and listen at the same time."""
    BREAK_IN = "break_in"
    PRESS_WITHOUT_LINK = "press_without_link"
    RELEASE = "release"
    KEYED = "keyed"
    """The transmitter is up."""
    KEYED_GRANTED = "keyed_granted"
    """The transmitter is up for a press that waited for the floor."""
    NOT_KEYED = "not_keyed"
    """The transmitter should have been up by now."""
    TAIL_ENDED = "tail_ended"
    TIME_OUT_NEAR = "time_out_near"
    TIMED_OUT = "timed_out"
    FLOOR_GRANTED = "floor_granted"
    WAITED_ENOUGH = "waited_enough"
    OVER_STARTED = "over_started"
    HEARD_TOO = "heard_too"
    """Another's over began during one's own, and both can be heard."""
    COLLISION = "collision"
    """Another's over began during one's own, which goes on."""
    YIELD = "yield"
    """Another's over began during one's own, and goes first."""
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


KEYED_MODES = frozenset({Mode.KEYING, Mode.TALKING, Mode.TAIL})
"""The transmitter is on."""
TALK_MODES = frozenset({Mode.TALKING, Mode.TAIL})
"""The microphone is sent."""
KEY_DOWN_MODES = frozenset({Mode.KEYING, Mode.TALKING, Mode.WAITING, Mode.BUSY_LOCKOUT, Mode.LOCKED_OUT})
"""The operator's key is down, latched or held; a latching one is released by its next press."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the table."""

    to: Mode | To
    actions: tuple[Action, ...] = ()


def _refused(reason: Refusal, to: Mode | To = To.SAME) -> Row:
    return Row(to, (Refused(reason), PlayTone(Tone.REFUSED)))


_END = (EndOver(), KeyDown())
_KEY_UP = Row(Mode.KEYING, (KeyUp(),))
_BREAK_IN = Row(Mode.KEYING, (Notify(Notice.BREAK_IN), KeyUp()))
_WAIT = Row(Mode.WAITING, (Notify(Notice.WAITING_FOR_FLOOR),))
_NOT_HEARD = (PlayTone(Tone.REFUSED), Notify(Notice.LINK_LOST))
_TIMED_OUT = (PlayTone(Tone.TIMED_OUT), Notify(Notice.TIMED_OUT))
_KEY_LOST = (PlayTone(Tone.REFUSED), Notify(Notice.KEY_LOST))
_YIELDED = (*_END, PlayTone(Tone.REFUSED), Notify(Notice.YIELDED))
_BUSY = _refused(Refusal.BUSY)
_BUSY_LOCKOUT = _refused(Refusal.BUSY, Mode.BUSY_LOCKOUT)
_LOCKED = _refused(Refusal.LOCKED_OUT)
_NO_LINK = _refused(Refusal.NO_LINK)
_HEARD = Row(To.SAME, (Notify(Notice.HEARD),))
_HEARD_ENDED = Row(To.SAME, (PlayTone(Tone.ROGER), Notify(Notice.OVER_ENDED)))
_HEARD_ENDED_TOO = Row(To.SAME, (Notify(Notice.OVER_ENDED),))
_COLLISION = Row(To.SAME, (Notify(Notice.COLLISION),))
_LINK_LOST = Row(To.SAME, (Notify(Notice.LINK_LOST),))
_LINK_RESTORED = Row(To.SAME, (Notify(Notice.LINK_RESTORED),))

_ROWS: dict[Mode, dict[Cause, Row]] = {
    Mode.IDLE: {
        Cause.PRESS: _KEY_UP,
        Cause.LATCH: _KEY_UP,
        Cause.VOICE: Row(Mode.TALKING, (KeyUp(), StartOver())),
        Cause.ASK: _KEY_UP,
        Cause.PRESS_DUPLEX: _KEY_UP,
        Cause.BREAK_IN: _KEY_UP,
        Cause.PRESS_WITHOUT_LINK: _NO_LINK,
        Cause.OVER_STARTED: Row(Mode.RECEIVING, _HEARD.actions),
        Cause.LINK_LOST: _LINK_LOST,
        Cause.LINK_RESTORED: _LINK_RESTORED,
    },
    Mode.KEYING: {
        # Nothing has been said: there is no last word to wait for.
        Cause.RELEASE: Row(To.REST, (KeyDown(),)),
        Cause.KEYED: Row(Mode.TALKING, (StartOver(), PlayTone(Tone.PERMIT))),
        Cause.KEYED_GRANTED: Row(Mode.TALKING, (StartOver(), PlayTone(Tone.FLOOR_GRANTED))),
        Cause.NOT_KEYED: Row(Mode.LOCKED_OUT, (KeyDown(), PlayTone(Tone.REFUSED), Notify(Notice.NOT_KEYED))),
        Cause.TIMED_OUT: Row(Mode.LOCKED_OUT, (KeyDown(), *_TIMED_OUT)),
        Cause.OVER_STARTED: Row(Mode.BUSY_LOCKOUT, (KeyDown(), *_BUSY_LOCKOUT.actions)),
        Cause.HEARD_TOO: _HEARD,
        Cause.COLLISION: _COLLISION,
        Cause.YIELD: Row(Mode.WAITING, (KeyDown(), *_WAIT.actions)),
        Cause.OVER_ENDED: _HEARD_ENDED_TOO,
        Cause.LINK_LOST: Row(Mode.LOCKED_OUT, (KeyDown(), *_NOT_HEARD)),
        Cause.KEY_LOST: Row(Mode.LOCKED_OUT, (KeyDown(), *_KEY_LOST)),
        Cause.SHUTDOWN: Row(To.REST, (KeyDown(),)),
    },
    Mode.TALKING: {
        Cause.RELEASE: Row(Mode.TAIL),
        Cause.TIME_OUT_NEAR: Row(To.SAME, (PlayTone(Tone.WARNING), Notify(Notice.TIME_OUT_NEAR))),
        Cause.TIMED_OUT: Row(Mode.LOCKED_OUT, (*_END, *_TIMED_OUT)),
        Cause.HEARD_TOO: _HEARD,
        Cause.COLLISION: _COLLISION,
        Cause.YIELD: Row(Mode.LOCKED_OUT, _YIELDED),
        Cause.OVER_ENDED: _HEARD_ENDED_TOO,
        Cause.LINK_LOST: Row(Mode.LOCKED_OUT, (*_END, *_NOT_HEARD)),
        Cause.KEY_LOST: Row(Mode.LOCKED_OUT, (*_END, *_KEY_LOST)),
        Cause.SHUTDOWN: Row(To.REST, _END),
    },
    Mode.TAIL: {
        Cause.PRESS: Row(Mode.TALKING),
        Cause.LATCH: Row(Mode.TALKING),
        Cause.VOICE: Row(Mode.TALKING),
        Cause.ASK: Row(Mode.TALKING),
        Cause.PRESS_DUPLEX: Row(Mode.TALKING),
        Cause.BREAK_IN: Row(Mode.TALKING),
        Cause.TAIL_ENDED: Row(To.REST, _END),
        Cause.TIMED_OUT: Row(To.REST, _END),
        Cause.HEARD_TOO: _HEARD,
        Cause.COLLISION: _COLLISION,
        Cause.YIELD: Row(To.REST, _YIELDED),
        Cause.OVER_ENDED: _HEARD_ENDED_TOO,
        Cause.LINK_LOST: Row(Mode.IDLE, (*_END, Notify(Notice.LINK_LOST))),
        Cause.KEY_LOST: Row(To.REST, (*_END, Notify(Notice.KEY_LOST))),
        Cause.SHUTDOWN: Row(To.REST, _END),
    },
    Mode.RECEIVING: {
        Cause.PRESS: _BUSY_LOCKOUT,
        Cause.LATCH: _BUSY,
        Cause.ASK: _WAIT,
        Cause.PRESS_DUPLEX: _KEY_UP,
        Cause.BREAK_IN: _BREAK_IN,
        Cause.PRESS_WITHOUT_LINK: _NO_LINK,
        Cause.OVER_ENDED: Row(Mode.IDLE, _HEARD_ENDED.actions),
        Cause.LINK_LOST: Row(Mode.IDLE, _LINK_LOST.actions),
        Cause.LINK_RESTORED: _LINK_RESTORED,
    },
    Mode.WAITING: {
        Cause.BREAK_IN: _BREAK_IN,
        Cause.RELEASE: Row(To.REST),
        Cause.FLOOR_GRANTED: Row(Mode.KEYING, (Notify(Notice.FLOOR_GRANTED), KeyUp())),
        Cause.WAITED_ENOUGH: _refused(Refusal.NOT_FREE, Mode.BUSY_LOCKOUT),
        Cause.OVER_STARTED: _HEARD,
        Cause.OVER_ENDED: _HEARD_ENDED,
        Cause.LINK_LOST: Row(Mode.LOCKED_OUT, _NOT_HEARD),
        Cause.SHUTDOWN: Row(To.REST),
    },
    Mode.BUSY_LOCKOUT: {
        Cause.PRESS: _BUSY,
        Cause.LATCH: _BUSY,
        Cause.ASK: _BUSY,
        Cause.PRESS_DUPLEX: _KEY_UP,
        Cause.BREAK_IN: _BREAK_IN,
        Cause.PRESS_WITHOUT_LINK: _NO_LINK,
        Cause.RELEASE: Row(To.REST),
        Cause.OVER_STARTED: _HEARD,
        Cause.OVER_ENDED: _HEARD_ENDED,
        Cause.LINK_LOST: _LINK_LOST,
        Cause.LINK_RESTORED: _LINK_RESTORED,
        Cause.SHUTDOWN: Row(To.REST),
    },
    Mode.LOCKED_OUT: {
        Cause.PRESS: _LOCKED,
        Cause.LATCH: _LOCKED,
        Cause.ASK: _LOCKED,
        Cause.PRESS_DUPLEX: _LOCKED,
        Cause.BREAK_IN: _BREAK_IN,
        Cause.PRESS_WITHOUT_LINK: _LOCKED,
        Cause.RELEASE: Row(To.REST),
        Cause.OVER_STARTED: _HEARD,
        Cause.OVER_ENDED: _HEARD_ENDED,
        Cause.LINK_LOST: _LINK_LOST,
        Cause.LINK_RESTORED: _LINK_RESTORED,
        Cause.SHUTDOWN: Row(To.REST),
    },
}

TABLE: Mapping[tuple[Mode, Cause], Row] = MappingProxyType(
    {(mode, cause): row for mode, rows in _ROWS.items() for cause, row in rows.items()}
)
