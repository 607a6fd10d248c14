"""A modem on another machine as a link of the station: the host's side of a bridge process (BRIDGE.md).

Rule: as every link, best effort: what cannot leave now is dropped and counted. An absent or restarted bridge is normal
and found again without help; until then `outage` says what is wrong.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard
from firmware_bridge.host import HELLO_AGAIN_S, Answered, HostSession, Returned, SessionChanged
from firmware_bridge.messages import MAX_MESSAGE_BYTES, MAX_NAME_BYTES, NUMBERS, clip
from firmware_bridge.profile import ModemProfile
from gateway.clock import Clock, SystemClock
from gateway.links.base import Drop, Link, LinkInfo, Received
from gateway.links.curve import Curve
from gateway.links.router import MessageDealer
from gateway.metrics import Metrics

INBOX_PACKETS = 256
READY_WAIT_S = 0.5
"""`open` waits so long for the bridge, so that nobody is told of an outage that is none."""


class BridgeLink(Link):
    """One modem behind the bridge at `endpoint`, which knows us as `station`; it waits in real time.

    `profile` is that of the modem: both stations of a pair decide by it whether packets carry a CRC, so that the
    bridge's own figures replace all of it but that. Drops: `tx_drop_no_peer` without bridge or while the modem is not
    ready, `tx_drop_queue_full`, `rx_drop_oversize`, `rx_drop_queue_full`. Other counters are `bridge.*`.
    """

    def __init__(
        self,
        endpoint: str,
        station: str,
        profile: ModemProfile,
        *,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        curve: Curve | None = None,
        on_status: Callable[[str], None] | None = None,
        on_measured: Callable[[str, float], None] | None = None,
    ) -> None:
        """`curve`: keys, with the server key of the bridge; `on_status` gets lines for the operator,
        `on_measured` what the modem measures."""
        super().__init__(metrics)
        self._endpoint, self._station, self._curve = endpoint, clip(station, MAX_NAME_BYTES), curve
        self._clock = SystemClock() if clock is None else clock
        self._on_status, self._on_measured = on_status, on_measured
        self._plain = replace(profile.link_info(), name=f"bridge:{endpoint}:{profile.name}")
        self._info = self._plain
        self._lock = threading.RLock()
        self._told_crc = False

    @property
    def info(self) -> LinkInfo:
        return self._info

    def ready(self) -> bool:
        """Whether a packet sent now would go to the modem at once."""
        if not super().ready():
            return False
        with self._lock:
            self._attend()
            return self._session.is_ready and self._session.unanswered == 0

    def outage(self) -> str | None:
        if not self._is_open:
            return None
        with self._lock:
            self._attend()
            if self._session.status is ModemStatus.READY:
                return None
            return f"modem {self._session.status.value}: {self._session.text}"

    def _open(self) -> None:
        self._dealer = MessageDealer(
            self._endpoint, self._curve, MAX_MESSAGE_BYTES, lambda name: self.metrics.count(f"{self._layer}.{name}")
        )
        self._inbox: deque[Received] = deque()
        self._session = HostSession(
            self._station,
            self._plain,
            lambda: secrets.randbelow(NUMBERS - 1) + 1,
            lambda name: self.metrics.count(f"bridge.{name}"),
            f"the bridge at {self._endpoint}",
        )
        self._session.begin(self._clock.now())
        deadline = self._clock.now() + READY_WAIT_S
        self._attend()
        while self._session.status is not ModemStatus.READY and self._clock.now() < deadline:
            self._dealer.wait(HELLO_AGAIN_S)
            self._attend()

    def _close(self) -> None:
        with self._lock:
            self._session.leave()
            for message in self._session.take_messages():
                self._dealer.send(message.to_bytes())
            self._dealer.close()

    def _send(self, data: bytes) -> bool:
        with self._lock:
            self._check_open()
            self._attend()
            if self._session.status is not ModemStatus.READY:
                self._drop_tx(Drop.NO_PEER)
                return False
            if self._session.send(data, self._clock.now()) is None:
                self._drop_tx(Drop.QUEUE_FULL)
                return False
            self._write()
            return True

    def _receive(self, timeout_s: float) -> Received | None:
        deadline = self._clock.now() + timeout_s
        while True:
            with self._lock:
                self._check_open()
                self._attend()
                if self._inbox:
                    return self._inbox.popleft()
                now = self._clock.now()
                if now >= deadline:
                    return None
                due = self._session.next_deadline()
                self._dealer.wait((deadline if due is None else max(now + 0.001, min(deadline, due))) - now)

    def _attend(self) -> None:
        """Sort what has come in, and say what is due."""
        while (data := self._dealer.receive()) is not None:
            self._session.receive(data, self._clock.now())
        self._session.tick(self._clock.now())
        self._sort()
        self._write()

    def _write(self) -> None:
        for message in self._session.take_messages():
            if not self._dealer.send(message.to_bytes()):
                self._session.not_sent(message, self._clock.now())

    def _sort(self) -> None:
        info = self._session.info
        if info.has_integrity is not self._plain.has_integrity and not self._told_crc:
            self._told_crc = True
            has = "delivers whole packets only" if info.has_integrity else "may deliver damaged packets"
            self._tell(f"the bridge's modem {has}, other than the profile in [link] says: both need the same profile")
        self._info = replace(info, has_integrity=self._plain.has_integrity)
        for event in self._session.take_events():
            match event:
                case PacketHeard(data) if len(data) > self._info.mtu_bytes:
                    self._drop_rx(Drop.OVERSIZE)
                case PacketHeard(data, snr_db, one_probability):
                    if len(self._inbox) >= INBOX_PACKETS:
                        self._inbox.popleft()
                        self._drop_rx(Drop.QUEUE_FULL)
                    self._inbox.append(Received(data, self._clock.now(), snr_db, one_probability))
                case SessionChanged(status, text):
                    self._tell(f"modem {status.value}" + ("" if text == status.value else f": {text}"))
                case Answered(_, None):
                    self.metrics.count("bridge.packets_sent")
                case Answered(_, str(reason)):
                    self.metrics.count("bridge.packets_lost")
                    self._tell(f"packet not sent: {reason}")
                case Returned():
                    self.metrics.count("bridge.packets_lost")
                case Measured(name, value):
                    self.metrics.gauge(f"modem.{name}", value)
                    if self._on_measured is not None:
                        self._on_measured(name, value)

    def _tell(self, line: str) -> None:
        if self._on_status is not None:
            self._on_status(line)
