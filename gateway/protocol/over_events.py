"""What a receiver learns of the overs it follows, as values (SPEC.md, clauses 6, 7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from gateway.protocol.frames import ReceivedFrame
from gateway.protocol.packets import SessionBlock


class OverDrop(Enum):
    """Why a well-formed voice packet added nothing to the over. The values are counter names."""

    DUPLICATE = "duplicate"
    LATE = "late"
    OTHER_OVER = "other_over"
    OTHER_TALKER = "other_talker"
    LENGTH = "length"
    LEAP = "leap"
    ENDED = "ended"
    EMPTY = "empty"


class OverEnd(Enum):
    """How an over came to its end."""

    FLAGGED = "flagged"
    TIMED_OUT = "timed_out"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class OverStarted:
    """A new over is heard. `over` counts overs at this receiver; `late_entry`: the first packet was not number 0."""

    over: int
    over_id: int
    first_frame_index: int
    frames_per_packet: int
    late_entry: bool


@dataclass(frozen=True, slots=True)
class TalkerKnown:
    """The first session block of the over."""

    over: int
    session: SessionBlock


@dataclass(frozen=True, slots=True)
class FramesArrived:
    """Frames `first_frame_index`, +1, ... of the over; packets may come out of order.

    `recovered`: from redundancy, later than their packet's time. The packet itself may still come.
    """

    over: int
    first_frame_index: int
    frames: tuple[ReceivedFrame, ...]
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class OverEnded:
    """The over is over at `end_frame_index` (one past its last frame; after a time-out: past the last one heard).

    `sequence`: extended number of the packet that said so, None after a time-out.
    """

    over: int
    cause: OverEnd
    end_frame_index: int
    sequence: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PacketIgnored:
    """A well-formed packet that was counted and not used."""

    reason: OverDrop
    over_id: int
    sequence: int


OverEvent = OverStarted | TalkerKnown | FramesArrived | OverEnded | PacketIgnored
