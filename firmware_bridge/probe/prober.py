"""The asking side of a modem test: finds the other side, then round trips, bursts there and bursts back.

Rule: everything goes through a `Carrier` (a `ModemRunner`, or a simulation) and a clock; nothing here waits but for the
carrier's events. Each question is asked again when no answer comes, for what is tested loses packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Protocol

from firmware_bridge.driver import ModemEvent, ModemStatus, PacketHeard, PacketLost, PacketSent, StatusChanged
from firmware_bridge.probe.answer import HeardBurst
from firmware_bridge.probe.figures import BurstResult, Notes, RoundTrip, Way
from firmware_bridge.probe.messages import (
    MIN_MTU_BYTES,
    Answer,
    BurstPart,
    BurstWanted,
    Message,
    Probe,
    Report,
    ReportWanted,
    Wrong,
    clock_ms,
    elapsed_s,
    encode,
    parse,
)
from firmware_bridge.profile import ModemProfile
from gateway.errors import LinkError
from gateway.links.base import LinkInfo

VOICE_BYTES = 26
"""A usual packet of live voice: 6 frames, header, checksum."""
MAX_BYTES = 512
MAX_AIR_S = 5.0
"""No packet that is longer on the air by the profile is tried, for it would take too long."""
TRIES = 4
SLACK_S, MAX_SLACK_S = 2.0, 30.0
"""Waited on top of twice what an answer should take; more where nothing has come."""
LEAST_PARTS, MOST_PARTS = 4, 24
ROUND_TRIPS = 8
FIND_SHARE, BURST_SHARE = 0.25, 0.3


class Clock(Protocol):
    """Seconds on a clock that never goes back."""

    def now(self) -> float: ...


class Carrier(Protocol):
    """What carries packets: the parts of a `ModemRunner` that a test uses."""

    @property
    def info(self) -> LinkInfo: ...

    @property
    def status(self) -> ModemStatus: ...

    @property
    def waiting(self) -> int: ...

    def send(self, data: bytes) -> int | None: ...

    def next_event(self, timeout_s: float) -> ModemEvent | None: ...


@dataclass(slots=True)
class Heard:
    """What else came while we waited for answers."""

    messages: int = 0
    foreign: int = 0
    damaged: int = 0
    lost_text: str = ""
    """Why the modem gave up a packet last."""


class Prober:
    """Tests the way through `carrier` to an `Answerer` at the other end; `say` gets a line on how it goes."""

    def __init__(
        self,
        carrier: Carrier,
        clock: Clock,
        profile: ModemProfile,
        *,
        budget_s: float = 60.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`budget_s`: about how long the measurements may take. Raises LinkError for an MTU that is too small."""
        info = carrier.info
        if info.mtu_bytes < MIN_MTU_BYTES:
            raise LinkError(f"modem {profile.name} carries {info.mtu_bytes} bytes, a test needs {MIN_MTU_BYTES}")
        self._carrier, self._clock, self._profile, self._budget_s, self._say = carrier, clock, profile, budget_s, say
        self.voice_bytes = min(VOICE_BYTES, info.mtu_bytes)
        self.heard = Heard()
        self._sequence = self._burst = self._probes = 0
        self._round_trips: list[RoundTrip] = []
        self._sent_s: dict[int, float] = {}
        self._slack_s = SLACK_S
        self._answered: set[int] = set()

    # ---- the stages

    def find_peer(self, patience_s: float) -> bool:
        """Whether somebody answers within the time, or to the first `TRIES` questions where the modem takes longer."""
        give_up = self._clock.now() + patience_s
        takes_s = self._patience_s(self.voice_bytes, self.voice_bytes)
        if TRIES * takes_s > patience_s:
            self._say(
                f"a question and its answer may take {takes_s:.0f} s on this modem, and there are up to {TRIES} ..."
            )
        asked = 0
        while True:
            asked += 1
            if self._ask_round_trip(self.voice_bytes):
                return True
            if self._clock.now() >= give_up and asked >= TRIES:
                return False
            # The profile may be far too hopeful, and a question in half duplex covers the answer to the one before.
            self._slack_s = min(MAX_SLACK_S, 2 * self._slack_s)

    def measure(self) -> Notes:
        """All measurements, after `find_peer`."""
        self._probes, self._round_trips = 0, []  # those before may have come while the other side was not there yet
        self._say(f"round trips of {self.voice_bytes} bytes ...")
        give_up = self._clock.now() + FIND_SHARE * self._budget_s
        for number in range(ROUND_TRIPS):
            if number >= 2 and self._clock.now() >= give_up:
                break
            self._ask_round_trip(self.voice_bytes)
        bursts, key_ups = [], []
        lengths = self.lengths()
        for way in Way:
            for length in lengths:
                parts = self._parts(length, len(lengths))
                self._say(f"{parts} packets of {length} bytes {way.value} ...")
                if way is Way.THERE:
                    result, key_up = self._burst_there(length, parts)
                    if key_up is not None:
                        key_ups.append(key_up)
                else:
                    result = self._burst_back(length, parts)
                if result is not None:
                    bursts.append(result)
        key_up_s = median(key_ups) if key_ups else None
        return Notes(tuple(self._round_trips), self._probes, tuple(bursts), self.heard.damaged, key_up_s)

    def lengths(self) -> tuple[int, ...]:
        """Packet lengths to be tried: the shortest, the longest that is not too slow, one between."""
        info = self._carrier.info
        longest = min(info.mtu_bytes, MAX_BYTES)
        while longest > MIN_MTU_BYTES and info.airtime_s(longest) > MAX_AIR_S:
            longest = max(MIN_MTU_BYTES, longest // 2)
        return tuple(sorted({MIN_MTU_BYTES, (MIN_MTU_BYTES + longest) // 2, longest}))

    # ---- one question

    def _ask_round_trip(self, length: int) -> bool:
        self._sequence += 1
        begun = self._clock.now()
        probe = Probe(self._sequence & 0xFFFF, clock_ms(begun), length, length)
        self._probes += 1
        if not self._send(encode(probe)):
            return False
        for now, message in self._messages(self._patience_s(length, length)):
            if isinstance(message, Answer) and message.sequence not in self._answered:
                # Perhaps to a question before this one: it says itself when that was.
                self._answered.add(message.sequence)
                seconds = max(0.0, elapsed_s(message.time_ms, now) - message.held_ms / 1000)
                self._round_trips.append(RoundTrip(length, seconds))
                self._slack_s = max(SLACK_S, seconds)
                return True
        return False

    def _burst_there(self, length: int, parts: int) -> tuple[BurstResult | None, float | None]:
        """What the other side says of a burst, and the key-up time if the modem lets it be seen."""
        burst = self._next_burst()
        begun = self._clock.now()
        numbers: list[int] = []
        for place in range(parts):
            self._send(encode(BurstPart(place, clock_ms(begun), burst, length)), numbers)
        self._until_sent()
        result: BurstResult | None = None
        for _ in range(TRIES):
            self._sequence += 1
            sequence = self._sequence & 0xFFFF
            self._send(encode(ReportWanted(sequence, clock_ms(self._clock.now()), burst)))
            for _, message in self._messages(self._patience_s(MIN_MTU_BYTES, MIN_MTU_BYTES)):
                if isinstance(message, Report) and message.burst == burst:
                    places = message.last_place - message.first_place
                    spacing = message.span_ms / 1000 / places if places > 0 else None
                    result = BurstResult(Way.THERE, length, len(numbers), message.received, spacing)
                    return result, self._key_up(begun, numbers, result)
        self._say("  no report came back")
        return result, None

    def _burst_back(self, length: int, parts: int) -> BurstResult | None:
        for _ in range(TRIES):
            burst = self._next_burst()
            now = self._clock.now()
            self._send(encode(BurstWanted(self._sequence & 0xFFFF, clock_ms(now), burst, parts, length)))
            heard: HeardBurst | None = None
            wait_s = self._patience_s(MIN_MTU_BYTES, length)
            until = self._clock.now() + wait_s
            while heard is None or heard.last_place < parts - 1:
                part = next(self._messages(until - self._clock.now()), None)
                if part is None:
                    break
                now, message = part
                if not isinstance(message, BurstPart) or message.burst != burst:
                    continue
                if heard is None:
                    heard = HeardBurst.of(message.sequence, now)
                else:
                    heard.add(message.sequence, now)
                left = parts - 1 - message.sequence
                until = now + self._slack_s + 2 * left * self._carrier.info.airtime_s(length)
            if heard is not None:
                places = heard.last_place - heard.first_place
                spacing = (heard.last_s - heard.first_s) / places if places > 0 else None
                return BurstResult(Way.BACK, length, parts, heard.received, spacing)
        self._say("  no burst came back")
        return None

    def _key_up(self, begun: float, numbers: list[int], result: BurstResult) -> float | None:
        """What the first packet took longer than those after it, if "sent" comes when a packet has left the air."""
        times = [self._sent_s[number] for number in numbers if number in self._sent_s]
        if len(times) < LEAST_PARTS or result.spacing_s is None:
            return None
        steps = [b - a for a, b in pairwise(times)]
        tells = all(abs(step - result.spacing_s) < 0.15 * result.spacing_s for step in steps)
        if not tells or times[0] - begun < 0.9 * result.spacing_s:
            return None
        return max(0.0, times[0] - begun - result.spacing_s)

    # ---- the carrier

    def _send(self, data: bytes, numbers: list[int] | None = None) -> bool:
        """Hand a packet over, as soon as there is room; False if there is none for long."""
        give_up = self._clock.now() + self._patience_s(len(data), len(data)) * (self._carrier.waiting + 1)
        while (number := self._carrier.send(data)) is None:
            if self._clock.now() >= give_up:
                return False
            self._note(self._carrier.next_event(0.02))
        if numbers is not None:
            numbers.append(number)
        return True

    def _until_sent(self) -> None:
        """Wait until the modem has all, and the air had time to bring it."""
        length = max(self.lengths())
        give_up = self._clock.now() + self._patience_s(length, length) * (self._carrier.waiting + 1)
        while self._carrier.waiting and self._clock.now() < give_up:
            self._note(self._carrier.next_event(0.05))

    def _messages(self, seconds: float) -> Iterator[tuple[float, Message]]:
        """Messages as they come, for so long; a modem that is still sending what was asked is given its time."""
        until = self._clock.now() + seconds
        while (left := until - self._clock.now()) > 0:
            event = self._carrier.next_event(left)
            message = self._note(event)
            if message is not None:
                yield self._clock.now(), message
            if isinstance(event, PacketSent):
                until = max(until, self._clock.now() + seconds / 2)

    def _note(self, event: ModemEvent | None) -> Message | None:
        match event:
            case PacketHeard(data):
                message = parse(data)
                if isinstance(message, Wrong):
                    if message is Wrong.DAMAGED:
                        self.heard.damaged += 1
                    else:
                        self.heard.foreign += 1
                    return None
                self.heard.messages += 1
                return message
            case PacketSent(number):
                self._sent_s[number] = self._clock.now()
            case PacketLost(_, reason):
                self.heard.lost_text = reason
            case StatusChanged(status, text):
                self._say(f"modem {status.value}: {text}")
            case _:
                pass
        return None

    # ---- helpers

    def _patience_s(self, there_bytes: int, back_bytes: int) -> float:
        """How long an answer may take: twice what it should by the profile, and some time on top."""
        info, port = self._carrier.info, self._profile.port
        cable_s = 2 * (there_bytes + back_bytes) * port.bits_per_byte / port.baud
        way_s = 2 * (info.delay_s + info.turnaround_s)
        return self._slack_s + 2 * (info.airtime_s(there_bytes) + info.airtime_s(back_bytes) + cable_s + way_s)

    def _parts(self, length: int, lengths: int) -> int:
        spent_s = max(0.001, self._carrier.info.airtime_s(length))
        return max(LEAST_PARTS, min(MOST_PARTS, int(BURST_SHARE * self._budget_s / lengths / spent_s)))

    def _next_burst(self) -> int:
        self._sequence += 1
        self._burst = (self._burst + 1) & 0xFF
        return self._burst
