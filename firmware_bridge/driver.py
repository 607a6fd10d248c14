"""What every modem driver is: bytes in, events out, bytes to write out, time passed in.

Rule: no I/O, no threads, no clock. A shell (`firmware_bridge.port`) owns the port and calls the driver from one thread,
with `now` in seconds on a monotonic clock.

How a driver is called
----------------------
`port_opened` when the port is there (again), `port_closed` when it went away. In between: `receive_data` with whatever
came, `receive_lines` when a control line changed, `written` when the port took bytes, `tick` at the latest at
`next_deadline`. After each of these calls, and after `send`, the shell takes what `take_output` and `take_events` give.

What happens to a packet
------------------------
`send` answers with the packet's number, or None: refused, because the queue is full. An accepted packet stays with
the driver until the modem has it whole (`PacketSent`) or refuses it for good (`PacketLost`): one that was under way
when the port closed or the modem restarted is sent again. Each accepted packet ends in exactly one of the two events.

How to write a driver
---------------------
Subclass `ModemDriver`, fill in the methods that begin with an underscore and are listed under "for subclasses",
describe it by a `ModemKind` (`firmware_bridge.registry`). `firmware_bridge/drivers/template.py` is one to start from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from enum import Enum

from firmware_bridge.profile import ModemProfile
from gateway.links.base import LinkInfo
from gateway.metrics import Metrics

MAX_INBOX_BYTES = 65_536
"""More than this without a parsable message is garbage: the oldest is dropped and counted."""


class ModemStatus(Enum):
    """How far a modem is from carrying packets."""

    NO_PORT = "no port"
    STARTING = "starting"
    """The port is open; the modem is being greeted, set up, or is dialling."""
    READY = "ready"
    SILENT = "silent"
    """The modem does not answer."""
    STOPPED = "stopped"
    """Shut down on purpose."""


@dataclass(frozen=True, slots=True)
class PacketHeard:
    """A packet from the other side; `one_probability` (8 * len(data)) as in `gateway.links.base.Received`."""

    data: bytes
    snr_db: float | None = None
    one_probability: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class PacketSent:
    """The modem has taken packet `number` whole, or says that it is on the air."""

    number: int


@dataclass(frozen=True, slots=True)
class PacketLost:
    """Packet `number` will not be sent; `reason` is for people."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The modem's state and, in words, why: `dialling 881600005601`, `NO CARRIER: redial in 8 s`."""

    status: ModemStatus
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure from the modem: `name` in snake case with its unit (`doppler_hz`, `battery_v`)."""

    name: str
    value: float


ModemEvent = PacketHeard | PacketSent | PacketLost | StatusChanged | Measured


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes for the port."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SetLine:
    """A control line of the port: `rts`, `dtr`, or `break`."""

    line: str
    is_on: bool


ModemOutput = Write | SetLine


@dataclass(frozen=True, slots=True)
class Lines:
    """The port's incoming control lines; None where the port has no such line."""

    cts: bool | None = None
    dsr: bool | None = None
    dcd: bool | None = None
    ri: bool | None = None


@dataclass(slots=True)
class Outgoing:
    """An accepted packet: waiting, or with the modem since `begun_s`."""

    number: int
    data: bytes
    begun_s: float | None = None
    tries: int = 0


class ModemDriver(ABC):
    """Base of all drivers: queue, events and output here; the modem's own language in each subclass."""

    def __init__(self, profile: ModemProfile, metrics: Metrics | None = None) -> None:
        """`metrics` gets `modem.*` counters: damage and surprises on the line, never exceptions."""
        self.profile = profile
        self.metrics = metrics if metrics is not None else Metrics()
        self._status = ModemStatus.NO_PORT
        self._status_text = "port not open"
        self._inbox = bytearray()
        self._queue: deque[Outgoing] = deque()
        self._events: list[ModemEvent] = []
        self._output: list[ModemOutput] = []
        self._numbers = 0
        self._written_bytes = 0
        self._handed_bytes = 0
        self._lines = Lines()

    # ---- called by the shell

    @property
    def info(self) -> LinkInfo:
        """The link as the profile has it; a driver that learns better overrides this."""
        return self.profile.link_info()

    @property
    def status(self) -> ModemStatus:
        return self._status

    @property
    def status_text(self) -> str:
        """The status in words, for operators."""
        return self._status_text

    @property
    def waiting(self) -> int:
        """Accepted packets that have not left yet, the one under way included."""
        return len(self._queue)

    def can_send(self, now: float) -> bool:
        """Whether a packet accepted now would go to the modem at once."""
        return self._status is ModemStatus.READY and not self._queue and self._is_free(now)

    def send(self, data: bytes, now: float) -> int | None:
        """Accept a packet (at most `info.mtu_bytes`) and return its number, or None: the queue is full."""
        if len(self._queue) >= self.profile.air.queue_packets or self._status is ModemStatus.STOPPED:
            return None
        self._numbers += 1
        self._queue.append(Outgoing(self._numbers, bytes(data)))
        self._pump(now)
        return self._numbers

    def port_opened(self, now: float, lines: Lines | None = None) -> None:
        """The port is open, for the first time or again: nothing is known of the modem."""
        self._restart()
        if self._status is ModemStatus.STOPPED:
            self._status = ModemStatus.NO_PORT
        self._written_bytes = self._handed_bytes = 0
        self._lines = lines if lines is not None else Lines()
        self._set_status(ModemStatus.STARTING, "port open")
        self._start(now)
        self._pump(now)

    def port_closed(self, now: float, why: str) -> None:
        """The port went away; what was under way will be sent again."""
        self._restart()
        self._set_status(ModemStatus.NO_PORT, why)

    def receive_data(self, data: bytes, now: float) -> None:
        """Bytes from the port, cut anywhere."""
        if self._status is ModemStatus.STOPPED:
            return
        self._inbox += data
        self._parse(now)
        if len(self._inbox) > MAX_INBOX_BYTES:
            excess = len(self._inbox) - MAX_INBOX_BYTES
            self.metrics.count("modem.rx_garbage_bytes", excess)
            del self._inbox[:excess]
        self._pump(now)

    def receive_lines(self, lines: Lines, now: float) -> None:
        """A control line changed."""
        before, self._lines = self._lines, lines
        self._lines_changed(before, now)
        self._pump(now)

    def written(self, count: int, now: float) -> None:
        """The port has taken `count` more bytes of the output."""
        self._written_bytes += count
        self._bytes_written(now)
        self._pump(now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._tick(now)
        self._pump(now)

    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest; None: never."""
        return None

    def shut_down(self, now: float) -> None:
        """Say good-bye (hang up, restore); the shell writes the output and closes the port. From now on packets are
        refused, and what the modem says is not heard, until a port opens again."""
        if self._status not in (ModemStatus.NO_PORT, ModemStatus.STOPPED):
            self._stop(now)
        for waiting in self._queue:
            self._events.append(PacketLost(waiting.number, "shut down"))
        self._queue.clear()
        self._set_status(ModemStatus.STOPPED, "shut down")

    def take_events(self) -> list[ModemEvent]:
        """The events since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def take_output(self) -> list[ModemOutput]:
        """What to do on the port, in this order; each item is given once."""
        output, self._output = self._output, []
        return output

    # ---- for subclasses: what they fill in

    @abstractmethod
    def _start(self, now: float) -> None:
        """The port is open: greet the modem, or `_set_status(READY, ...)` if there is nobody to greet."""

    @abstractmethod
    def _parse(self, now: float) -> None:
        """Take whole messages from the front of `_inbox`, and leave what is not complete."""

    @abstractmethod
    def _is_free(self, now: float) -> bool:
        """Whether the modem can take a packet now; asked only while READY."""

    @abstractmethod
    def _transmit(self, packet: Outgoing, now: float) -> None:
        """Hand `packet`, the head of the queue, to the modem; later `_sent()`, `_give_up(reason)` or `_try_again()`."""

    def _tick(self, now: float) -> None:
        """Time-outs; override `next_deadline` with it."""

    def _stop(self, now: float) -> None:
        """Good-bye to the modem."""

    def _lines_changed(self, before: Lines, now: float) -> None:
        """`_lines` is new."""

    def _bytes_written(self, now: float) -> None:
        """`_written_bytes` of the `_handed_bytes` are with the port now."""

    # ---- for subclasses: what they use

    @property
    def _under_way(self) -> Outgoing | None:
        """The packet that the modem has and has not confirmed: only ever the head of the queue."""
        return self._queue[0] if self._queue and self._queue[0].begun_s is not None else None

    def _write(self, data: bytes) -> None:
        self._handed_bytes += len(data)
        self._output.append(Write(data))

    def _set_line(self, line: str, is_on: bool) -> None:
        self._output.append(SetLine(line, is_on))

    def _set_status(self, status: ModemStatus, text: str) -> None:
        if self._status is ModemStatus.STOPPED:
            return  # only an opened port ends it
        if (status, text) != (self._status, self._status_text):
            self._status, self._status_text = status, text
            self._events.append(StatusChanged(status, text))

    def _heard(
        self, data: bytes, snr_db: float | None = None, one_probability: tuple[float, ...] | None = None
    ) -> None:
        self._events.append(PacketHeard(data, snr_db, one_probability))

    def _measured(self, name: str, value: float) -> None:
        self._events.append(Measured(name, value))

    def _sent(self) -> None:
        """The packet under way has left; nothing if there is none."""
        if self._under_way is not None:
            self._events.append(PacketSent(self._queue.popleft().number))

    def _give_up(self, reason: str) -> None:
        """The packet under way will never be sent; nothing if there is none."""
        if self._under_way is not None:
            self._events.append(PacketLost(self._queue.popleft().number, reason))

    def _try_again(self) -> None:
        """The modem has not taken the packet under way: it waits at the head of the queue for the next chance."""
        if self._under_way is not None:
            self._queue[0].begun_s = None

    def _modem_restarted(self, now: float, why: str) -> None:
        """The modem has forgotten everything: set it up again from the start, and send again what was under way."""
        self.metrics.count("modem.restarts")
        self._try_again()
        self._set_status(ModemStatus.STARTING, why)
        self._start(now)

    def _pump(self, now: float) -> None:
        while self._status is ModemStatus.READY and self._queue and self._under_way is None and self._is_free(now):
            head = self._queue[0]
            head.begun_s = now
            head.tries += 1
            self._transmit(head, now)

    def _restart(self) -> None:
        self._inbox.clear()
        self._output.clear()
        self._try_again()
