"""Sender side of acknowledged short texts: a part goes again until somebody acknowledged it (SPEC.md, 5.8).

Rule: pull model and bounded. A part is sent `TRIES` times at the most, each time sooner after the last one than
receivers forget a message (5.7), so that repeats are never shown again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from gateway.protocol.packets import AckPacket, TextPacket

TRIES = 5
LONGEST_WAIT_S = 45.0
"""Below the 60 s after which a receiver forgets."""


@dataclass(frozen=True, slots=True)
class TextFate:
    """What became of a text: acknowledged in all its parts, or not."""

    message_id: int
    acknowledged: bool


@dataclass(slots=True)
class _Waiting:
    packet: TextPacket
    due_s: float
    sent: int = 1


class TextRetry:
    """All parts of this station's texts that still want their acknowledgement."""

    def __init__(self, answer_wait_s: float, rng: random.Random) -> None:
        """`answer_wait_s`: from handing a part to the link until its acknowledgement can be here."""
        self._wait_s, self._rng = answer_wait_s, rng
        self._waiting: dict[tuple[int, int], _Waiting] = {}

    def use_wait(self, answer_wait_s: float) -> None:
        """Another wait from now on, as the link's figures became known."""
        self._wait_s = answer_wait_s

    def start(self, parts: tuple[TextPacket, ...], now_s: float) -> None:
        """The parts of one text were sent, one after the other."""
        for place, part in enumerate(parts):
            due_s = now_s + (place + 1) * self._wait_s
            self._waiting[part.message_id, part.part] = _Waiting(part, due_s)

    def on_ack(self, ack: AckPacket) -> TextFate | None:
        """Take an acknowledgement to this station; says when it was the last one of its text."""
        if self._waiting.pop((ack.message_id, ack.part), None) is None or self._has(ack.message_id):
            return None
        return TextFate(ack.message_id, acknowledged=True)

    def next(self, now_s: float) -> TextPacket | TextFate | None:
        """A part to send again now, or a text that nobody acknowledged and that is given up."""
        for key, waiting in self._waiting.items():
            if now_s < waiting.due_s:
                continue
            if waiting.sent >= TRIES:
                self._waiting = {other: w for other, w in self._waiting.items() if other[0] != key[0]}
                return TextFate(key[0], acknowledged=False)
            wait_s = min(LONGEST_WAIT_S, self._wait_s * 2**waiting.sent) * self._rng.uniform(0.75, 1.0)
            waiting.sent += 1
            waiting.due_s = now_s + wait_s
            return waiting.packet
        return None

    def _has(self, message_id: int) -> bool:
        return any(known == message_id for known, _ in self._waiting)
