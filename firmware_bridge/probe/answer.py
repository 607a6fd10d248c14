"""The other side of a modem test: answers probes, counts bursts, sends bursts.

Rule: pure; packets in, packets out, time passed in. What it is to send waits in `outbox` until the modem takes it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from firmware_bridge.probe.messages import (
    Answer,
    BurstPart,
    BurstWanted,
    Probe,
    Report,
    ReportWanted,
    Wrong,
    clock_ms,
    encode,
    least_bytes,
    parse,
)

MAX_HELD_MS = 0xFFFF
MAX_BURSTS = 64
MAX_PARTS = 64


@dataclass(slots=True)
class HeardBurst:
    """Parts of one burst as they came."""

    received: int
    first_place: int
    last_place: int
    first_s: float
    last_s: float

    def add(self, place: int, now: float) -> None:
        """One more part; a repeated one counts, for the channel may double."""
        self.received += 1
        self.last_place, self.last_s = place, now

    @classmethod
    def of(cls, place: int, now: float) -> HeardBurst:
        """The first part."""
        return cls(1, place, place, now, now)


class Answerer:
    """Answers for a modem that takes packets of up to `mtu_bytes`."""

    def __init__(self, mtu_bytes: int) -> None:
        self._mtu_bytes = mtu_bytes
        self._bursts: dict[int, HeardBurst] = {}
        self.outbox: deque[bytes] = deque()
        self._held: deque[tuple[bytes, Probe, float]] = deque()
        self.counts: Counter[str] = Counter()
        """`probes`, `burst_parts`, `bursts_sent`, `reports`, and by `Wrong`: `foreign`, `damaged`."""

    def on_packet(self, data: bytes, now: float) -> str:
        """Take a packet that was heard; returns what it was, in a word."""
        message = parse(data)
        match message:
            case Wrong():
                self.counts[message.value] += 1
                return message.value
            case Probe():
                self.counts["probes"] += 1
                length = min(max(message.answer_bytes, least_bytes(Answer)), self._mtu_bytes)
                self.outbox.append(encode(Answer(message.sequence, message.time_ms, 0, length)))
                self._held.append((self.outbox[-1], message, now))
                return f"probe {message.sequence}"
            case BurstPart(place, _, burst):
                self.counts["burst_parts"] += 1
                heard = self._bursts.get(burst)
                if heard is None or place < heard.last_place:  # another round of the same number
                    self._bursts.pop(burst, None)
                    self._bursts[burst] = HeardBurst.of(place, now)
                    if len(self._bursts) > MAX_BURSTS:
                        del self._bursts[next(iter(self._bursts))]
                else:
                    heard.add(place, now)
                return f"part {place} of burst {burst}"
            case ReportWanted(sequence, time_ms, burst):
                self.counts["reports"] += 1
                self.outbox.append(encode(self._report(sequence, time_ms, burst)))
                return f"report of burst {burst} wanted"
            case BurstWanted(_, _, burst, parts, part_bytes):
                self.counts["bursts_sent"] += 1
                length = min(max(part_bytes, least_bytes(BurstPart)), self._mtu_bytes)
                for place in range(min(parts, MAX_PARTS)):
                    self.outbox.append(encode(BurstPart(place, clock_ms(now), burst, length)))
                return f"burst {burst} wanted: {parts} of {length} bytes"
            case _:
                return "answer to somebody else"

    def next_packet(self, now: float) -> bytes | None:
        """What is to be sent next, as it is to be sent now; `done` when the modem has taken it."""
        if not self.outbox:
            return None
        head = self.outbox[0]
        if self._held and self._held[0][0] is head:
            _, probe, heard_s = self._held[0]
            held_ms = min(MAX_HELD_MS, round(1000 * (now - heard_s)))
            return encode(Answer(probe.sequence, probe.time_ms, held_ms, len(head)))
        return head

    def done(self) -> None:
        """The modem has taken the packet."""
        head = self.outbox.popleft()
        if self._held and self._held[0][0] is head:
            self._held.popleft()

    def _report(self, sequence: int, time_ms: int, burst: int) -> Report:
        heard = self._bursts.get(burst)
        if heard is None:
            return Report(sequence, time_ms, burst, 0, 0, 0, 0)
        span_ms = round(1000 * (heard.last_s - heard.first_s))
        return Report(sequence, time_ms, burst, heard.received, heard.first_place, heard.last_place, span_ms)
