"""What a station's operator and its other parts should know of what came in, as values.

Rule: a notice says what happened and to whom; what is done about it is the station's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.protocol.bulk_packets import Message
from gateway.protocol.messages import TextMessage
from gateway.protocol.packets import AckPacket, SessionBlock, TextPacket
from gateway.protocol.report import LinkReport, Reception


@dataclass(frozen=True, slots=True)
class RemoteOverStarted:
    """Somebody talks; `late_entry` when the beginning was missed."""

    late_entry: bool


@dataclass(frozen=True, slots=True)
class RemoteTalker:
    """Who talks, known from a session block."""

    session: SessionBlock


@dataclass(frozen=True, slots=True)
class CodecUnknown:
    """The running over comes from a codec that is not here: it stays silent (SPEC.md 4.5)."""

    session: SessionBlock


@dataclass(frozen=True, slots=True)
class RemoteOverEnded:
    """The over has been played to its end; `reception` is how it arrived, as a link report tells it."""

    reception: Reception | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TalkersCollide:
    """Another station talks into the over that is heard; its packets are kept out. Told once per over."""


@dataclass(frozen=True, slots=True)
class CushionChanged:
    """Overs from now on wait this long before they play, as the packets of the last ones came."""

    cushion_s: float


@dataclass(frozen=True, slots=True)
class ReportReceived:
    """A receiver tells how an over arrived."""

    report: LinkReport


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A whole text message."""

    message: TextMessage


@dataclass(frozen=True, slots=True)
class MessageHeard:
    """A packet of a buffered message, for whomever."""

    message: Message


@dataclass(frozen=True, slots=True)
class AckWanted:
    """A part of a text, the first copy or a repeat, whose sender wants to know that it is here."""

    packet: TextPacket


@dataclass(frozen=True, slots=True)
class AckHeard:
    """Somebody has a part of a text."""

    packet: AckPacket


@dataclass(frozen=True, slots=True)
class PacketsRefused:
    """Packets that are not of this net or not new, by reason, since the last time this was told."""

    counts: Mapping[str, int]


Notice = (
    RemoteOverStarted
    | RemoteTalker
    | CodecUnknown
    | RemoteOverEnded
    | TextReceived
    | TalkersCollide
    | CushionChanged
    | ReportReceived
    | MessageHeard
    | AckWanted
    | AckHeard
    | PacketsRefused
)
