"""What can happen to a push-to-talk session, and what it can ask for.

Rule: values only; events come from keys, the link and the clock, actions are carried out by the application in order.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PttPressed:
    """The operator holds the key; `break_in` talks over a station that is heard (an emergency); `by_voice`: his voice
    is the key (VOX), so that a refusal must not beep at every syllable."""

    break_in: bool = False
    by_voice: bool = False


@dataclass(frozen=True, slots=True)
class PttReleased:
    """The operator lets the key go."""


@dataclass(frozen=True, slots=True)
class PttToggled:
    """A latching key, for terminals that report no release: ends a press if one is on, else begins one. A refused one
    latches nothing."""

    break_in: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: come at `next_deadline_s`, or as often as is convenient."""


@dataclass(frozen=True, slots=True)
class OverStarted:
    """Another station is heard; `source` is its id once known."""

    source: int | None = None


@dataclass(frozen=True, slots=True)
class OverEnded:
    """The other station has finished, or was not heard any more for long enough."""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The link carries nothing for now."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class LinkRestored:
    """The link carries packets again."""


@dataclass(frozen=True, slots=True)
class KeyIsUp:
    """The transmitter that was asked for by `KeyUp` is on, its delay over: what is said now goes on the air."""


@dataclass(frozen=True, slots=True)
class KeyLost:
    """The transmitter went off by itself: its limit, its device, or its watchdog."""


@dataclass(frozen=True, slots=True)
class DuplexKnown:
    """Whether the link, and the configuration, let one talk and listen at the same time; told again if it changes."""

    is_full: bool


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The program ends: whatever is on the air goes off it."""


Event = (
    PttPressed
    | PttReleased
    | PttToggled
    | Tick
    | OverStarted
    | OverEnded
    | LinkLost
    | LinkRestored
    | KeyIsUp
    | KeyLost
    | DuplexKnown
    | Shutdown
)


class Tone(enum.Enum):
    """Short sounds for the operator alone."""

    PERMIT = "permit"
    """Talk now."""
    FLOOR_GRANTED = "floor_granted"
    """Talk now: the channel has become free, and it is your turn."""
    REFUSED = "refused"
    WARNING = "warning"
    """The time-out is near."""
    TIMED_OUT = "timed_out"
    ROGER = "roger"
    """The other station has finished."""


class Notice(enum.Enum):
    """News for the operator, worded by the console."""

    TIME_OUT_NEAR = "time_out_near"
    TIMED_OUT = "timed_out"
    BREAK_IN = "break_in"
    COLLISION = "collision"
    """Another station was heard while this one was talking."""
    HEARD = "heard"
    OVER_ENDED = "over_ended"
    LINK_LOST = "link_lost"
    LINK_RESTORED = "link_restored"
    KEY_LOST = "key_lost"
    """Off the air: the transmitter went off by itself."""
    NOT_KEYED = "not_keyed"
    """The transmitter did not come up in time."""
    WAITING_FOR_FLOOR = "waiting_for_floor"
    FLOOR_GRANTED = "floor_granted"
    YIELDED = "yielded"
    """Off the air: two began at once, or somebody broke in, and the other goes on."""


class Refusal(enum.Enum):
    """Why a press of the key is not obeyed."""

    BUSY = "busy"
    NOT_FREE = "not_free"
    """The floor was waited for as long as allowed."""
    LOCKED_OUT = "locked_out"
    NO_LINK = "no_link"


@dataclass(frozen=True, slots=True)
class KeyUp:
    """Switch the transmitter on."""


@dataclass(frozen=True, slots=True)
class KeyDown:
    """Switch the transmitter off; harmless if it is off."""


@dataclass(frozen=True, slots=True)
class StartOver:
    """Begin a new over with a fresh encoder: from now on the microphone is sent."""


@dataclass(frozen=True, slots=True)
class EndOver:
    """Send what is left in the encoder, marked as the end of the over."""


@dataclass(frozen=True, slots=True)
class PlayTone:
    """Let the operator hear `tone`."""

    tone: Tone


@dataclass(frozen=True, slots=True)
class Notify:
    """Let the operator see `notice`."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class Refused:
    """A press was not obeyed."""

    reason: Refusal


Action = KeyUp | KeyDown | StartOver | EndOver | PlayTone | Notify | Refused
