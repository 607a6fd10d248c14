"""One over as numbered frames at the receiver: its reassembly (SPEC.md, clauses 6, 7).

The rule: a frame's index is its packet's extended sequence times the frames per packet, so a packet can be placed
whatever was lost before it. The receiver follows one over at a time; whatever else arrives is counted by reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.errors import LocalProtocolError
from gateway.protocol.frames import PartialFrame, ReceivedFrame
from gateway.protocol.over_events import (
    FramesArrived,
    OverDrop,
    OverEnd,
    OverEnded,
    OverEvent,
    OverStarted,
    PacketIgnored,
    TalkerKnown,
)
from gateway.protocol.packets import (
    FRAME_S,
    MAX_FRAMES,
    SEQUENCES,
    Repeat,
    RepeatScheme,
    SessionBlock,
    VoicePacket,
)

_WINDOW = SEQUENCES // 2  # how far back a packet can be told from the next round of numbers
_MAX_LEAP = 8  # packets beyond what time explains before a second packet must confirm (6.4)


def extend_sequence(wire6: int, last_extended: int | None, expected_from_time: float | None) -> int:
    """The full sequence number behind the 6 bits on the wire (6.2).

    `last_extended`: highest so far in this over, None before the first packet, which is taken as it is.
    `expected_from_time`: last_extended + elapsed / packet duration; None means no time is known. The answer is the
    number congruent to `wire6` (mod 64) nearest to what is expected, the lower one of two; it may be negative for a
    packet sent before the first one heard, which the caller drops as late.
    """
    if last_extended is None:
        return wire6
    expected = last_extended + 1.0 if expected_from_time is None else max(expected_from_time, float(last_extended))
    return wire6 + SEQUENCES * math.ceil((expected - wire6) / SEQUENCES - 0.5)


def _off(wire6: int, expected: float) -> float:
    """How far the six bits are from what is expected, in packets, 0 to 32."""
    return abs((wire6 - expected + _WINDOW) % SEQUENCES - _WINDOW)


@dataclass(frozen=True, slots=True)
class OverConfig:
    """Receiver's rules of clause 7; times in seconds."""

    frames_per_packet: int  # the profile's; a full packet of the over teaches the real one
    frame_s: float = FRAME_S
    time_out_s: float = 5.0  # silence after which the over has ended
    hold_s: float = 2.0  # silence after which another over may take the receiver
    linger_s: float = 2.0  # after a flagged end: how long stragglers are still known as its own

    def __post_init__(self) -> None:
        if not 1 <= self.frames_per_packet <= MAX_FRAMES:
            raise LocalProtocolError(f"{self.frames_per_packet} frames per packet: needs 1 to {MAX_FRAMES}")
        if min(self.frame_s, self.time_out_s, self.hold_s, self.linger_s) <= 0:
            raise LocalProtocolError(f"over receiver times must be positive: {self}")


@dataclass(frozen=True, slots=True)
class OverCounters:
    """Sums over all overs since the start; `lost` counts gaps between the first and the last packet heard, be their
    frames recovered or not. `recovered` counts packets whose frames came, whole or coarse, from redundancy."""

    overs: int
    packets: int
    lost: int
    ignored: Mapping[OverDrop, int]
    recovered: int = 0


@dataclass(slots=True)
class _Over:
    """What the receiver knows of the over it follows."""

    number: int
    over_id: int
    frames_per_packet: int
    length_learnt: bool
    first: int
    highest: int
    highest_s: float
    heard_s: float
    seen: int = 1  # bit k: packet `highest - k` was used
    used: int = 0
    session: SessionBlock | None = None
    end_sequence: int | None = None
    leap_next: int | None = None
    rival: tuple[int, float] | None = None  # another talker with the same over id: its number and when

    def is_attributable(self, packet: VoicePacket, now_s: float, frame_s: float) -> bool:
        """Whether the number of a packet without source is clearly this talker's and not the rival's (7.6)."""
        if packet.session or self.rival is None:
            return True
        packet_s = self.frames_per_packet * frame_s
        rival_sequence, rival_s = self.rival
        ours = _off(packet.sequence, self.highest + max(0.0, now_s - self.highest_s) / packet_s)
        theirs = _off(packet.sequence, rival_sequence + max(0.0, now_s - rival_s) / packet_s)
        return ours + 1.0 < theirs

    def has_seen(self, sequence: int) -> bool:
        """Whether this packet was used, as far back as is remembered."""
        return 0 <= self.highest - sequence < _WINDOW and bool(self.seen >> (self.highest - sequence) & 1)

    def lost(self) -> int:
        return self.highest - self.first + 1 - self.used


def _frames_per_packet(packet: VoicePacket) -> int | None:
    """N of the packet's over, where the packet tells (3.3, 12.1)."""
    if packet.repeat is not None:
        return len(packet.repeat.frames)
    return None if packet.end_of_over else len(packet.frames)


class OverReceiver:
    """Receiver side: voice packets with arrival times in, events with numbered frames out. Never raises on input."""

    def __init__(self, config: OverConfig) -> None:
        self._config = config
        self._over: _Over | None = None
        self._overs = 0
        self._packets = 0
        self._lost_before = 0
        self._recovered = 0
        self._ignored: Counter[OverDrop] = Counter()

    def counters(self) -> OverCounters:
        """A snapshot."""
        lost = self._lost_before + (self._over.lost() if self._over else 0)
        return OverCounters(self._overs, self._packets, lost, MappingProxyType(dict(self._ignored)), self._recovered)

    def tick(self, now_s: float) -> tuple[OverEvent, ...]:
        """Let time pass: at most one OverEnded, by time-out (7.3)."""
        over = self._over
        if over is None:
            return ()
        if over.end_sequence is not None:
            if now_s - over.heard_s > self._config.linger_s:
                self._close(over)
            return ()
        if now_s - over.heard_s <= self._config.time_out_s:
            return ()
        return (self._end(over, OverEnd.TIMED_OUT),)

    def receive(self, packet: VoicePacket, now_s: float) -> tuple[OverEvent, ...]:
        """What the packet means at this time."""
        before = self.tick(now_s)
        over = self._over
        if over is None:
            return before + self._start(packet, now_s)
        misfit = self._misfit(over, packet, now_s)
        if misfit is None:
            return before + self._continue(over, packet, now_s)
        if not self._may_take(over, packet, misfit, now_s):
            return (*before, self._ignore(misfit, packet))
        if over.end_sequence is None:
            before = (*before, self._end(over, OverEnd.REPLACED))
        else:
            self._close(over)
        return before + self._start(packet, now_s)

    def _misfit(self, over: _Over, packet: VoicePacket, now_s: float) -> OverDrop | None:
        if packet.over_id != over.over_id:
            return OverDrop.OTHER_OVER
        if packet.session and over.session and packet.session.source != over.session.source:
            over.rival = packet.sequence, now_s
            return OverDrop.OTHER_TALKER
        told = _frames_per_packet(packet)
        if over.length_learnt and (
            len(packet.frames) > over.frames_per_packet if told is None else told != over.frames_per_packet
        ):
            return OverDrop.LENGTH
        if not over.is_attributable(packet, now_s, self._config.frame_s):
            return OverDrop.OTHER_TALKER
        return None

    def _may_take(self, over: _Over, packet: VoicePacket, misfit: OverDrop, now_s: float) -> bool:
        """Whether a packet that is not of this over starts the next one (7.4)."""
        if now_s - over.heard_s >= self._config.hold_s:
            return True
        if misfit is OverDrop.LENGTH:
            return False
        same_talker = bool(packet.session and over.session and packet.session.source == over.session.source)
        return over.end_sequence is not None or same_talker

    def _start(self, packet: VoicePacket, now_s: float) -> tuple[OverEvent, ...]:
        count = len(packet.frames)
        if not count and packet.repeat is None:
            return (self._ignore(OverDrop.EMPTY, packet),)  # the end of an over never heard
        self._overs += 1
        told = _frames_per_packet(packet)
        per_packet = max(self._config.frames_per_packet, count) if told is None else told
        first = packet.sequence
        over = _Over(self._overs, packet.over_id, per_packet, told is not None, first, first, now_s, now_s, seen=0)
        self._over = over
        started = OverStarted(over.number, over.over_id, first * per_packet, per_packet, late_entry=first != 0)
        return (started, *self._use(over, packet, first, now_s))

    def _continue(self, over: _Over, packet: VoicePacket, now_s: float) -> tuple[OverEvent, ...]:
        told = _frames_per_packet(packet)
        if not over.length_learnt and told is not None:
            over.frames_per_packet, over.length_learnt = told, True
        packet_s = over.frames_per_packet * self._config.frame_s
        expected = over.highest + max(0.0, now_s - over.highest_s) / packet_s
        sequence = extend_sequence(packet.sequence, over.highest, expected)
        behind = over.highest - sequence
        if sequence < 0 or behind >= _WINDOW:
            return (self._ignore(OverDrop.LATE, packet),)
        if behind >= 0 and over.seen >> behind & 1:
            # Copies of the last packet repeat different earlier ones (12.1).
            self.linger(packet.over_id, now_s)
            return (self._ignore(OverDrop.DUPLICATE, packet), *self._repeated(over, packet.repeat, sequence))
        if over.end_sequence is not None and sequence > over.end_sequence:
            return (self._ignore(OverDrop.ENDED, packet),)
        if sequence > expected + _MAX_LEAP and over.leap_next != sequence:
            over.leap_next = sequence + 1
            return (self._ignore(OverDrop.LEAP, packet),)
        return self._use(over, packet, sequence, now_s)

    def _use(self, over: _Over, packet: VoicePacket, sequence: int, now_s: float) -> tuple[OverEvent, ...]:
        if sequence > over.highest:
            over.seen = over.seen << (sequence - over.highest) & ((1 << _WINDOW) - 1)
            over.highest, over.highest_s = sequence, now_s
        over.first = min(over.first, sequence)
        over.seen |= 1 << (over.highest - sequence)
        over.used += 1
        over.heard_s = now_s
        over.leap_next = None
        self._packets += 1
        events: list[OverEvent] = []
        if packet.session and over.session is None:
            over.session = packet.session
            events.append(TalkerKnown(over.number, packet.session))
        index = sequence * over.frames_per_packet
        if packet.frames:
            events.append(FramesArrived(over.number, index, packet.heard or packet.frames))
        # Before the end is told: what has its place in the over comes first.
        events += self._repeated(over, packet.repeat, sequence)
        if packet.end_of_over and over.end_sequence is None:
            over.end_sequence = sequence
            events.append(OverEnded(over.number, OverEnd.FLAGGED, index + len(packet.frames), sequence))
        return tuple(events)

    def _repeated(self, over: _Over, repeat: Repeat | None, sequence: int) -> tuple[OverEvent, ...]:
        """The frames that a packet repeats of an earlier one, if that has not come (12.1)."""
        if repeat is None or sequence < repeat.distance or over.has_seen(sequence - repeat.distance):
            return ()
        frames: tuple[ReceivedFrame, ...] = repeat.frames
        if repeat.scheme is not RepeatScheme.PAYLOAD:
            frames = tuple(PartialFrame(frame, repeat.scheme.bits) for frame in repeat.frames)
        self._recovered += 1
        first_index = (sequence - repeat.distance) * over.frames_per_packet
        return (FramesArrived(over.number, first_index, frames, recovered=True),)

    def linger(self, over_id: int, now_s: float) -> None:
        """Parity or a copy of an over that has ended came: the 2 s for stragglers begin anew (12.1.5)."""
        if self._over is not None and self._over.over_id == over_id and self._over.end_sequence is not None:
            self._over.heard_s = now_s

    def restore(self, packet: VoicePacket, now_s: float) -> tuple[OverEvent, ...]:
        """Take a packet that was lost and calculated from others (12.2); one that came after all changes nothing."""
        before = self.tick(now_s)
        over = self._over
        if over is None or self._misfit(over, packet, now_s) is not None:
            return before
        sequence = extend_sequence(packet.sequence, over.highest, None)
        if sequence - over.highest > _MAX_LEAP:  # it was sent before what told of it: rather older than newer
            sequence -= SEQUENCES
        ended = over.end_sequence is not None
        if sequence < 0 or over.has_seen(sequence) or (over.end_sequence is not None and sequence > over.end_sequence):
            return before
        self._recovered += 1
        index = sequence * over.frames_per_packet
        events: list[OverEvent] = []
        if packet.frames:
            events.append(FramesArrived(over.number, index, packet.frames, recovered=True))
        if packet.end_of_over and not ended:
            over.end_sequence = sequence
            events.append(OverEnded(over.number, OverEnd.FLAGGED, index + len(packet.frames)))
        return (*before, *events)

    def _end(self, over: _Over, cause: OverEnd) -> OverEnded:
        self._close(over)
        return OverEnded(over.number, cause, (over.highest + 1) * over.frames_per_packet)

    def _close(self, over: _Over) -> None:
        self._lost_before += over.lost()
        self._over = None

    def _ignore(self, reason: OverDrop, packet: VoicePacket) -> PacketIgnored:
        self._ignored[reason] += 1
        return PacketIgnored(reason, packet.over_id, packet.sequence)
