"""The host's side of the bridge's messages: says hello, numbers packets, repeats what is not answered (BRIDGE.md 4, 5).

Rule: pure; messages in, messages out, time passed in. It carries packets for whoever owns it: the driver `firmware`
over a serial line, the bridge link over ZeroMQ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard
from firmware_bridge.messages import (
    DEVICE_SILENT_S,
    HALF_DUPLEX,
    NUMBERS,
    REPEAT_S,
    TO_HOST,
    VERSION,
    WHOLE_PACKETS,
    Bye,
    Figure,
    Heard,
    Hello,
    Info,
    Keyed,
    LinesNow,
    Lost,
    LostCause,
    Message,
    Ping,
    Pong,
    Refused,
    Send,
    Sent,
    Statistics,
    Status,
    Unknown,
    decode,
    status_of,
)
from gateway.errors import RemoteProtocolError
from gateway.links.base import LinkInfo

HELLO_AGAIN_S = 0.05
"""A Hello that found no connection is tried again after so long."""
_LINES = ("cts", "dsr", "dcd", "ri", "ptt")


@dataclass(frozen=True, slots=True)
class Answered:
    """The packet that `send` called `ticket` is over; `lost` says why it was lost, None: it was sent."""

    ticket: int
    lost: str | None


@dataclass(frozen=True, slots=True)
class Returned:
    """The session ended before packet `ticket` was answered: it may have left or not."""

    ticket: int


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """How far the device is, and why."""

    status: ModemStatus
    text: str


HostEvent = Answered | Returned | SessionChanged | PacketHeard | Measured


@dataclass(slots=True)
class _Pending:
    ticket: int
    message: Send


class HostSession:
    """One host's sessions with a device, one after the other, from `begin` to `leave`.

    `count` gets names of counters without layer: `rx_malformed`, `repeats`, `sessions`.
    """

    def __init__(
        self,
        name: str,
        plain: LinkInfo,
        new_number: Callable[[], int],
        count: Callable[[str], None] = lambda _: None,
        other: str = "the device",
    ) -> None:
        """`plain`: the link as far as known before the device has told; `new_number` gives random session numbers;
        `other` is the device in texts for people."""
        self._other = other
        self._name, self._plain, self._new_number, self._count = name, plain, new_number, count
        self.info = plain
        """As the device told it."""
        self.queue_packets = 0
        """So many packets may be unanswered; 0 while there is no session."""
        self.status, self.text = ModemStatus.STARTING, "no session yet"
        self._session = 0
        self._is_open = False
        self._pending: deque[_Pending] = deque()
        self._tickets = 0
        self._next_number = 1
        self._events: list[HostEvent] = []
        self._out: list[Message] = []
        self._heard_s = self._asked_s = 0.0
        self._repeat_s: float | None = None

    @property
    def unanswered(self) -> int:
        """Packets on their way."""
        return len(self._pending)

    @property
    def is_ready(self) -> bool:
        """Whether a packet would be taken now."""
        return self.status is ModemStatus.READY and len(self._pending) < self.queue_packets

    # ---- called by the owner

    def begin(self, now: float, why: str | None = None) -> None:
        """The way to the device is there (again)."""
        self._close_session(f"waiting for {self._other}" if why is None else why)
        self._session = max(1, self._new_number() % NUMBERS)
        self._heard_s = now
        self._hello(now)

    def leave(self) -> None:
        """Good-bye; `take_messages` has it."""
        if self._session:
            self._out.append(Bye())
        self.status, self.text = ModemStatus.STARTING, "left"  # which is no news to who left
        self._close_session(self.text)

    def send(self, packet: bytes, now: float) -> int | None:
        """Send a packet: the ticket that its `Answered` will carry, or None: as many as allowed are on their way."""
        if not self._is_open or len(self._pending) >= self.queue_packets:
            return None
        self._tickets += 1
        message = Send(self._next_number, packet)
        self._next_number = (self._next_number + 1) % NUMBERS
        self._pending.append(_Pending(self._tickets, message))
        self._write(message)
        if self._repeat_s is None:
            self._repeat_s = now + REPEAT_S
        return self._tickets

    def not_sent(self, message: Message, now: float) -> None:
        """`message` could not leave: a Hello comes again sooner, all else in its time."""
        if isinstance(message, Hello):
            self._asked_s = now - REPEAT_S + HELLO_AGAIN_S

    def say(self, message: Message) -> None:
        """Any message, if there is a session."""
        if self._is_open:
            self._write(message)

    def receive(self, data: bytes, now: float) -> None:
        """One message from the device."""
        try:
            message = decode(data, TO_HOST)
        except RemoteProtocolError:
            self._count("rx_malformed")
            return
        self._heard_s = now
        if not isinstance(message, Unknown):
            self._handle(message, now)

    def tick(self, now: float) -> None:
        """Repeat what is due."""
        if not self._session:
            return
        if now >= self._heard_s + DEVICE_SILENT_S and self.status is not ModemStatus.SILENT:
            self._set(ModemStatus.SILENT, f"{self._other} does not answer")
        if not self._is_open and now >= self._asked_s + REPEAT_S:
            self._hello(now)
        elif self._repeat_s is not None and now >= self._repeat_s:
            self._repeat_s = now + REPEAT_S
            for pending in self._pending:
                self._count("repeats")
                self._write(pending.message)
        if self._is_open and now >= self._asked_s + REPEAT_S:
            self._asked_s = now
            self._write(Ping(int(now * 1000) % NUMBERS))

    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest."""
        if not self._session:
            return None
        times = [self._asked_s + REPEAT_S]
        if self.status is not ModemStatus.SILENT:
            times.append(self._heard_s + DEVICE_SILENT_S)
        if self._is_open:
            times += [] if self._repeat_s is None else [self._repeat_s]
        return min(times)

    def take_messages(self) -> list[Message]:
        """Messages for the device."""
        out, self._out = self._out, []
        return out

    def take_events(self) -> list[HostEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # ----

    def _write(self, message: Message) -> None:
        self._out.append(message)

    def _hello(self, now: float) -> None:
        self._asked_s = now
        self._write(Hello(VERSION, self._session, self._name))

    def _set(self, status: ModemStatus, text: str) -> None:
        if (status, text) != (self.status, self.text):
            self.status, self.text = status, text
            self._events.append(SessionChanged(status, text))

    def _close_session(self, why: str) -> None:
        self._session, self._is_open, self.queue_packets = 0, False, 0
        self._repeat_s = None
        for pending in self._pending:
            self._events.append(Returned(pending.ticket))
        self._pending.clear()
        self._set(ModemStatus.STARTING, why)

    def _handle(self, message: Message, now: float) -> None:
        match message:
            case Info():
                self._introduced(message, now)
            case Pong(session=session):
                if self._is_open and session != self._session:
                    self.begin(now, f"{self._other} has forgotten us: a new session begins")
                elif self._is_open:
                    self._told_status(message.status, None)
            case Refused(reason):
                if self._is_open:
                    self.begin(now, reason)
                self._set(ModemStatus.STARTING, reason)
            case _ if not self._is_open:
                return
            case Sent(number):
                self._answered(number, None, now)
            case Lost(number, cause, reason):
                self._answered(number, reason if reason is not None else _words(cause), now)
            case Heard(packet, snr_ddb, soft):
                chances = None if soft is None else tuple(value / 255 for value in soft)
                self._events.append(PacketHeard(packet, None if snr_ddb is None else snr_ddb / 10, chances))
            case Status(code, text):
                self._told_status(code, text)
            case Figure(name, value):
                self._events.append(Measured(name, float(value)))
            case Keyed(is_on, cause):
                self._events.append(Measured("keyed", float(is_on)))
                if cause != 0:
                    self._events.append(Measured("key_cause", float(cause)))
            case LinesNow(present, on):
                for bit, name in enumerate(_LINES):
                    if present >> bit & 1:
                        self._events.append(Measured(f"line_{name}", float(on >> bit & 1)))
            case Statistics():
                for name in Statistics.__slots__:
                    value = getattr(message, name)
                    if value is not None:
                        self._events.append(Measured(f"device_{name}", float(value)))

    def _introduced(self, info: Info, now: float) -> None:
        if not self._session:
            return
        if info.session != self._session:
            # It has started anew, or has ended our session (4.7). Else it is the answer to an older Hello.
            if self._is_open:
                self.begin(now, f"{self._other} started anew")
            elif info.session == 0:
                self._hello(now)
            return
        if not self._is_open:
            self._is_open, self._next_number = True, 1
            self._count("sessions")
        self.queue_packets = info.queue_packets
        self.info = LinkInfo(
            self._plain.name,
            info.mtu_bytes,
            info.rate_cbps / 100 or None,
            bool(info.flags & HALF_DUPLEX),
            info.turnaround_ms / 1000,
            bool(info.flags & WHOLE_PACKETS),
            info.overhead_bytes,
            fixed_s=info.fixed_ms / 1000,
            delay_s=info.delay_ms / 1000,
        )

    def _told_status(self, code: int, text: str | None) -> None:
        status = status_of(code)
        if text is not None:
            self._set(status, text)
        elif status is not self.status:
            self._set(status, status.value)

    def _answered(self, number: int, lost: str | None, now: float) -> None:
        for pending in self._pending:
            if pending.message.number == number:
                self._pending.remove(pending)
                self._events.append(Answered(pending.ticket, lost))
                break
        else:
            return  # told again, in answer to a repeat that crossed it
        self._repeat_s = now + REPEAT_S if self._pending else None


def _words(cause: int) -> str:
    names = {
        LostCause.REFUSED.value: "the modem refused it",
        LostCause.KEY_TIME_OUT.value: "longest time keyed is over",
    }
    names[LostCause.SHUT_DOWN.value] = "shut down"
    return names.get(cause, "lost")
