"""The device's side of the bridge's messages: session, numbers, outcomes (BRIDGE.md, clauses 4 and 5).

Rule: pure; messages in, messages out, time in milliseconds passed in. The modem and the key belong to the subclass: the
virtual firmware (`firmware_bridge.sim.firmware`) and the bridge process. The C reference does the same, step for step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass

from firmware_bridge.messages import (
    HOST_SILENT_S,
    NUMBERS,
    TO_DEVICE,
    Bye,
    GetStatistics,
    Hello,
    Info,
    Key,
    Lost,
    LostCause,
    Message,
    Ping,
    Pong,
    Send,
    Sent,
    Statistics,
    Unkey,
    Unknown,
    decode,
)
from gateway.errors import RemoteProtocolError

SESSION_MS = int(1000 * HOST_SILENT_S)
OUTCOMES = 32
"""So many outcomes are told again (5.3)."""
CAUSES = 16
"""The C side keeps the cause of so many of them only."""


@dataclass(slots=True)
class Counts:
    """What Statistics tells (6.8)."""

    rx_frames: int = 0
    rx_bad_frames: int = 0
    rx_overrun_bytes: int = 0
    rx_malformed: int = 0
    sent_packets: int = 0
    lost_packets: int = 0
    heard_packets: int = 0
    heard_dropped: int = 0
    key_time_outs: int = 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    number: int
    cause: LostCause | None
    """None: sent."""


class Device(ABC):
    """One session at a time. Subclasses hand packets from `queue` to the modem and call `finish` for the oldest."""

    def __init__(self, queue_packets: int, mtu_bytes: int, now_ms: int) -> None:
        self.queue_packets, self.mtu_bytes = queue_packets, mtu_bytes
        self.session = 0
        self.queue: deque[bytes] = deque()
        """Packets taken that have no outcome yet."""
        self.counts = Counts()
        self._expected = 0
        self._outcomes: deque[_Outcome] = deque(maxlen=OUTCOMES)
        self._heard_host_ms = self._started_ms = now_ms

    # ---- called by the owner

    def receive(self, data: bytes, now_ms: int) -> None:
        """One message from the host; what it is not is counted."""
        try:
            message = decode(data, TO_DEVICE)
        except RemoteProtocolError:
            self.counts.rx_malformed += 1
            return
        if isinstance(message, Unknown):
            return
        if isinstance(message, Send) and len(message.packet) > self.mtu_bytes:
            self.counts.rx_malformed += 1
            return
        self._handle(message, now_ms)

    def watch_host(self, now_ms: int) -> None:
        """A host that is silent for too long has left (4.5)."""
        if self.session and now_ms - self._heard_host_ms >= SESSION_MS:
            self.end_session()

    def session_ends_ms(self) -> int | None:
        """When `watch_host` will end the session; None: there is none."""
        return self._heard_host_ms + SESSION_MS if self.session else None

    def end_session(self) -> None:
        """Forget the host, and what waits for it."""
        self.counts.lost_packets += len(self.queue)
        self.queue.clear()
        self.session = 0
        self._host_left()

    def finish(self, cause: LostCause | None, reason: str | None = None) -> bool:
        """The oldest packet is over: sent, or lost for `cause`. False, and nothing changed: the host cannot be told."""
        outcome = _Outcome((self._expected - len(self.queue)) % NUMBERS, cause)
        if self.session and not self._tell(outcome, reason):
            return False
        self.queue.popleft()
        self._outcomes.append(outcome)
        if cause is None:
            self.counts.sent_packets += 1
        else:
            self.counts.lost_packets += 1
        return True

    # ---- for subclasses

    @abstractmethod
    def _say(self, message: Message) -> bool:
        """To the host; False: it cannot go now."""

    @abstractmethod
    def _info(self) -> Info:
        """With the session in progress."""

    @abstractmethod
    def _status_code(self) -> int:
        """The modem's status (6.2)."""

    @abstractmethod
    def _owe_status(self) -> None:
        """Say Status at the next occasion."""

    def _is_keyed(self) -> bool:
        return False

    def _hold_key(self, hold_ms: int, now_ms: int) -> None:
        """Key (5.6); nothing where there is no key line."""

    def _release_key(self, now_ms: int) -> None:
        """Unkey."""

    def _host_left(self) -> None:
        """The session has ended; a key held for it must go."""

    # ----

    def _tell(self, outcome: _Outcome, reason: str | None) -> bool:
        if outcome.cause is None:
            return self._say(Sent(outcome.number))
        return self._say(Lost(outcome.number, outcome.cause.value, reason))

    def _handle(self, message: Message, now_ms: int) -> None:
        self._heard_host_ms = now_ms
        match message:
            case Hello(session=session):
                if session != self.session:
                    self.end_session()
                    self.session, self._expected = session, 1
                    self._outcomes.clear()
                self._say(self._info())
                self._owe_status()
            case Ping(token):
                self._say(Pong(token, self.session, self._status_code(), min(255, len(self.queue)), self._is_keyed()))
            case Bye():
                if self.session:
                    self.end_session()
            case _ if not self.session:
                self._say(self._info())  # 4.7
            case Send():
                self._take(message)
            case Key(hold_ms):
                self._hold_key(hold_ms, now_ms)
            case Unkey():
                self._release_key(now_ms)
            case GetStatistics():
                self._say(self.statistics(now_ms))

    def statistics(self, now_ms: int) -> Statistics:
        """The counts now."""
        counts = self.counts
        values = [getattr(counts, name) % NUMBERS for name in Counts.__slots__]
        return Statistics((now_ms - self._started_ms) % NUMBERS, *values)

    def _take(self, message: Send) -> None:
        if message.number != self._expected:
            self._tell_again(message.number)
        elif len(self.queue) < self.queue_packets:
            self.queue.append(message.packet)
            self._expected = (self._expected + 1) % NUMBERS

    def _tell_again(self, number: int) -> None:
        """A number taken before (5.3); nothing for one that waits, is too old, or is not due yet (5.2)."""
        for ago, outcome in enumerate(reversed(self._outcomes)):
            if outcome.number == number:
                is_old = outcome.cause is not None and ago >= CAUSES
                self._tell(_Outcome(number, LostCause.OTHER) if is_old else outcome, None)
                return
