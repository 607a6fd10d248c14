"""The bridge process: a modem on this machine for a gateway on another, joined by ZeroMQ (BRIDGE.md).

Rule: one host at a time has the modem; whatever it was told was taken ends in Sent or Lost. This shell moves messages
and time; what they mean is decided by `firmware_bridge.device`.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import structlog
from pydantic import Field, model_validator

from firmware_bridge.device import Device
from firmware_bridge.driver import (
    Measured,
    ModemEvent,
    ModemStatus,
    PacketHeard,
    PacketLost,
    PacketSent,
    StatusChanged,
)
from firmware_bridge.messages import (
    HALF_DUPLEX,
    MAX_MESSAGE_BYTES,
    MAX_NAME_BYTES,
    MAX_PACKET_BYTES,
    NUMBERS,
    STATUS_CODES,
    TO_DEVICE,
    VERSION,
    WHOLE_PACKETS,
    Figure,
    Heard,
    Hello,
    Info,
    LostCause,
    Message,
    Ping,
    Pong,
    Refused,
    Status,
    clip,
    decode,
)
from gateway.clock import Clock, SystemClock
from gateway.config import CurveSection, Endpoint, ModemLink, StrictModel, check_exposure, load_toml
from gateway.errors import RemoteProtocolError
from gateway.links.base import LinkInfo
from gateway.links.curve import Curve
from gateway.links.router import MessageRouter
from gateway.metrics import Metrics
from gateway.ptt_config import KeyingSection

MESSAGES_A_TURN = 256
"""Messages handled before looking at the modem, so that a flood delays nobody's packets."""
EVENT_WAIT_S = 0.5
TURN_S = 1.0
LAST_WORDS_S = 0.2
"""A gateway gets so long to read them before the connection goes, which takes with it what was not read."""


class ModemSection(ModemLink):
    """[modem]: as a station's [link] of kind "modem", without the kind."""

    kind: Literal["modem"] = "modem"


class LogSection(StrictModel):
    """[log]."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class BridgeConfig(StrictModel):
    """The file of `python -m firmware_bridge -c`."""

    endpoint: Endpoint
    modem: ModemSection
    keying: KeyingSection | None = None
    statistics_s: float = Field(default=60.0, gt=0, le=3600)
    curve: CurveSection | None = None
    insecure: bool = False
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _not_open_to_all(self) -> BridgeConfig:
        check_exposure("endpoint", self.endpoint, is_guarded=self.curve is not None, insecure=self.insecure)
        return self


def load_bridge(path: Path) -> BridgeConfig:
    """Read the file of a bridge. Raises ConfigError."""
    return load_toml(path, BridgeConfig)


class Runner(Protocol):
    """What the bridge asks of a `firmware_bridge.runner.ModemRunner`."""

    failure: BaseException | None

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def send(self, data: bytes) -> int | None: ...

    def next_event(self, timeout_s: float) -> ModemEvent | None: ...

    @property
    def info(self) -> LinkInfo: ...

    @property
    def status(self) -> ModemStatus: ...

    @property
    def status_text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class BridgeReport:
    """What a bridge did: counts of its device side, and messages dropped by reason."""

    sent_packets: int
    lost_packets: int
    heard_packets: int
    dropped: dict[str, int]


class _BridgeDevice(Device):
    """The device whose modem is a runner: packets go to it as fast as it takes them, and come back by number."""

    def __init__(self, runner: Runner, queue_packets: int, now_ms: int) -> None:
        info = runner.info
        super().__init__(queue_packets, min(info.mtu_bytes, MAX_PACKET_BYTES), now_ms)
        self._runner = runner
        self._given: deque[int] = deque()
        """Numbers at the runner of the first packets in `queue`."""
        self.out: list[Message] = []
        self._owes_status = False

    def feed(self) -> None:
        """Give the runner what it takes, and the host what it is owed."""
        while len(self._given) < len(self.queue):
            number = self._runner.send(self.queue[len(self._given)])
            if number is None:
                break
            self._given.append(number)
        if self._owes_status:
            self._owes_status = False
            self.tell_status(self._runner.status, self._runner.status_text)

    def lose_all(self) -> None:
        """The bridge ends: what no modem had will not be sent."""
        while self.queue:
            self.finish(LostCause.SHUT_DOWN, "the bridge was shut down")

    def on_event(self, event: ModemEvent) -> None:
        """From the runner."""
        match event:
            case PacketSent(number) if self._given and number == self._given[0]:
                self._given.popleft()
                self.finish(None)
            case PacketLost(number, reason) if self._given and number == self._given[0]:
                self._given.popleft()
                is_end = self._runner.status is ModemStatus.STOPPED
                self.finish(LostCause.SHUT_DOWN if is_end else LostCause.REFUSED, clip(reason))
            case PacketSent() | PacketLost():
                pass  # of a session that is over
            case PacketHeard(data, snr_db, chances):
                self.counts.heard_packets += 1
                snr_ddb = None if snr_db is None else max(-0x8000, min(0x7FFF, round(10 * snr_db)))
                soft = None if chances is None else bytes(round(255 * chance) for chance in chances)
                if not self.session:
                    self.counts.heard_dropped += 1
                else:
                    self._say(Heard(data, snr_ddb, soft))
            case StatusChanged(status, text):
                self.tell_status(status, text)
            case Measured(name, value) if self.session:
                self._say(Figure(clip(name, MAX_NAME_BYTES), value))
            case Measured():
                pass

    def tell_status(self, status: ModemStatus, text: str) -> None:
        """To the host, if there is one."""
        if self.session:
            self._say(Status(STATUS_CODES[status], clip(text)))

    def _say(self, message: Message) -> bool:
        self.out.append(message)
        return True

    def _info(self) -> Info:
        info = self._runner.info
        flags = (HALF_DUPLEX if info.half_duplex else 0) | (WHOLE_PACKETS if info.has_integrity else 0)
        return Info(
            VERSION,
            self.session,
            self.mtu_bytes,
            self.queue_packets,
            min(NUMBERS - 1, round(100 * (info.rate_bps or 0))),
            min(0xFFFF, info.overhead_bytes),
            min(NUMBERS - 1, round(1000 * info.fixed_s)),
            min(NUMBERS - 1, round(1000 * info.turnaround_s)),
            min(NUMBERS - 1, round(1000 * info.delay_s)),
            flags,
            clip(info.name, MAX_NAME_BYTES),
        )

    def _status_code(self) -> int:
        return STATUS_CODES[self._runner.status]

    def _owe_status(self) -> None:
        self._owes_status = True

    def _host_left(self) -> None:
        self._given.clear()


class BridgeProcess:
    """A modem served over ZeroMQ from construction (which listens, or raises LinkError) to the end of `run`.

    `endpoint` is the address in use. `stop` may be called from any thread or signal handler.
    """

    def __init__(
        self,
        endpoint: str,
        runner: Runner,
        *,
        queue_packets: int = 4,
        statistics_s: float = 60.0,
        clock: Clock | None = None,
        curve: Curve | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._runner = runner
        self._clock = SystemClock() if clock is None else clock
        self._log = structlog.get_logger("clarilink.bridge")
        self._statistics_s = statistics_s
        self._metrics = Metrics() if metrics is None else metrics
        self._router = MessageRouter(endpoint, curve, MAX_MESSAGE_BYTES)
        self.endpoint = self._router.endpoint
        self._device = _BridgeDevice(runner, min(255, queue_packets), self._now_ms())
        self._host: bytes | None = None
        """Address of the host whose session it is."""
        self._host_name = ""
        self._dropped: Counter[str] = Counter()
        self._refused: deque[bytes] = deque(maxlen=64)
        self._events: deque[ModemEvent] = deque()
        self._events_lock = threading.Lock()
        self._stopping = threading.Event()
        self._pump = threading.Thread(target=self._fetch_events, name="bridge events", daemon=True)

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping.set()
        self._router.wake()

    def report(self) -> BridgeReport:
        """The figures so far."""
        counts = self._device.counts
        dropped = dict(self._dropped + self._router.refused + Counter({"malformed": counts.rx_malformed}))
        return BridgeReport(counts.sent_packets, counts.lost_packets, counts.heard_packets, dropped)

    def run(self, alive: Callable[[], None] = lambda: None) -> BridgeReport:
        """Serve until `stop`, then tell the host what was not sent and close. Not to be called again.

        `alive` is called every turn, at least once in `TURN_S`.
        """
        self._log.info("bridge listens", endpoint=self.endpoint, modem=self._runner.info.name)
        self._runner.start()
        self._pump.start()
        statistics_s = self._clock.now() + self._statistics_s
        try:
            while not self._stopping.is_set():
                self._router.wait(min(TURN_S, self._wait_s(), statistics_s - self._clock.now()))
                alive()
                for _ in range(MESSAGES_A_TURN):
                    received = self._router.receive_bytes()
                    if received is None:
                        break
                    self._handle(*received)
                self._serve()
                if self._runner.failure is not None:
                    raise self._runner.failure
                if self._clock.now() >= statistics_s:
                    statistics_s += self._statistics_s
                    self._log_statistics("bridge statistics")
        finally:
            self._stopping.set()
            self._runner.stop()
            self._pump.join()
            self._serve()
            self._device.lose_all()
            self._flush()
            if self._host is not None:
                self._clock.sleep(LAST_WORDS_S)
            self._router.close()
        self._log_statistics("bridge stopped")
        return self.report()

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    def _wait_s(self) -> float:
        ends_ms = self._device.session_ends_ms()
        return 60.0 if ends_ms is None else max(0.0, ends_ms / 1000 - self._clock.now()) + 0.001

    def _fetch_events(self) -> None:
        while True:
            event = self._runner.next_event(EVENT_WAIT_S)
            if event is None:
                if self._stopping.is_set() or self._runner.failure is not None:
                    self._router.wake()
                    return
                continue
            with self._events_lock:
                self._events.append(event)
            self._router.wake()

    def _handle(self, address: bytes, data: bytes | None) -> None:
        if data is None:
            self._dropped["parts"] += 1
        elif address == self._host or self._welcome(address, data):
            self._device.receive(data, self._now_ms())
            if not self._device.session and self._host is not None:
                self._forget_host("left")
            self._flush()

    def _welcome(self, address: bytes, data: bytes) -> bool:
        """A message from one who has no session: whether it may begin one."""
        try:
            message = decode(data, TO_DEVICE)
        except RemoteProtocolError:
            self._dropped["malformed"] += 1
            return False
        if isinstance(message, Hello) and self._host is None:
            self._host, self._host_name = address, message.name
            self._log.info("gateway joined", gateway=message.name)
            return True
        if isinstance(message, Hello):
            self._dropped["refused"] += 1
            if address not in self._refused:
                self._refused.append(address)
                self._log.warning("gateway refused", gateway=message.name, modem_is_with=self._host_name)
            reason = clip(f"{self._runner.info.name} is in use by {self._host_name or 'another gateway'}")
            self._router.send_bytes(address, Refused(reason).to_bytes())
        elif isinstance(message, Ping):
            # One whose session is over: it learns that, and says Hello.
            pong = Pong(message.token, 0, STATUS_CODES[self._runner.status], 0, False)
            self._router.send_bytes(address, pong.to_bytes())
        else:
            self._dropped["no_session"] += 1
        return False

    def _serve(self) -> None:
        """Events of the modem, packets for it, a host that is gone."""
        with self._events_lock:
            events, self._events = list(self._events), deque()
        for event in events:
            if isinstance(event, StatusChanged):
                self._log.info("modem", status=event.status.value, text=event.text)
            elif isinstance(event, Measured):
                self._metrics.gauge(f"modem.{event.name}", event.value)
            self._device.on_event(event)
        self._device.watch_host(self._now_ms())
        if self._host is not None and not self._device.session:
            self._forget_host("does not answer")
        self._device.feed()
        self._flush()

    def _forget_host(self, why: str) -> None:
        self._log.info("gateway gone", gateway=self._host_name, why=why)
        self._host = None
        self._refused.clear()

    def _flush(self) -> None:
        out, self._device.out = self._device.out, []
        if self._host is not None:
            for message in out:
                self._router.send_bytes(self._host, message.to_bytes())

    def _log_statistics(self, event: str) -> None:
        report = self.report()
        self._log.info(
            event,
            gateway=self._host_name if self._host is not None else "none",
            modem=self._runner.status.value,
            sent=report.sent_packets,
            lost=report.lost_packets,
            heard=report.heard_packets,
            dropped=report.dropped,
        )
