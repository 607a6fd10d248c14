"""What every link is: packets in, packets out, and the truth about itself.

Rule: nothing on a link waits for the network except `receive`, and that for no longer than it is told. A packet that
cannot be sent now is dropped and counted, because live voice that comes late is worth nothing.

Counters (in the station's Metrics): `link.tx_packets`, `link.tx_bytes`, `link.rx_packets`, `link.rx_bytes`, and one
per reason of a drop, `link.tx_drop_REASON` or `link.rx_drop_REASON`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from gateway.airtimes import airtime_ms
from gateway.errors import LinkClosed, LocalProtocolError
from gateway.metrics import Metrics


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """A link's own account of itself; `rate_bps` None is "no limit known".

    `has_integrity`: packets arrive whole or not at all, so that no CRC is needed. `overhead_bytes` are added to each
    packet on the air (preamble, framing), and `fixed_s` to its time there; `airtimes_ms`, where somebody has measured
    them, are (bytes, ms) in place of all that. `delay_s` is the way from end to end.
    """

    name: str
    mtu_bytes: int
    rate_bps: float | None = None
    half_duplex: bool = False
    turnaround_s: float = 0.0
    has_integrity: bool = False
    overhead_bytes: int = 0
    fixed_s: float = 0.0
    delay_s: float = 0.0
    airtimes_ms: tuple[tuple[int, float], ...] = ()

    def airtime_s(self, n_bytes: int) -> float:
        """Seconds a packet of `n_bytes` occupies the channel, without turn-around; `fixed_s` where no rate is known."""
        if self.airtimes_ms:
            return airtime_ms(self.airtimes_ms, n_bytes) / 1000
        sent_s = 0.0 if self.rate_bps is None else (n_bytes + self.overhead_bytes) * 8 / self.rate_bps
        return self.fixed_s + sent_s


@dataclass(frozen=True, slots=True)
class Received:
    """A packet as it arrived: when, on the link's clock, and how clearly where the link can tell.

    `one_probability` (8 * len(data)): how probably each bit is 1, from a modem that gives soft bits.
    """

    data: bytes
    at_s: float
    snr_db: float | None = None
    one_probability: tuple[float, ...] | None = None


class Drop(Enum):
    """Why a packet was not sent or not handed on; the value ends the counter's name."""

    NO_PEER = "no_peer"
    QUEUE_FULL = "queue_full"
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    TRANSMITTING = "transmitting"
    NOT_KEYED = "not_keyed"
    """The transmitter cannot be, or may not be, keyed."""


class Link(ABC):
    """Base of all links: opening, limits and counting here; `_open`, `_close`, `_send`, `_receive` in each kind.

    Made closed: `open` it or use it in a `with` block. After `close` it can be opened again.
    """

    _layer = "link"
    """Where the names of this link's counters begin."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.metrics = metrics if metrics is not None else Metrics()
        self._is_open = False
        self._last_drop: Drop | None = None

    @property
    @abstractmethod
    def info(self) -> LinkInfo:
        """What is known of the link now; a link that learns its figures from the other side may refine it."""

    def open(self) -> None:
        """Start carrying packets; nothing if open already. Raises LinkError if that is impossible."""
        if not self._is_open:
            self._open()
            self._is_open = True

    def close(self) -> None:
        """Stop; nothing if closed already. Packets that wait to be received are gone."""
        if self._is_open:
            self._is_open = False
            self._close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes) -> Drop | None:
        """Send one packet without waiting; if it cannot leave it is dropped and counted. Returns why, None if it left.

        Raises LocalProtocolError above the MTU, LinkClosed when not open.
        """
        self._check_open()
        mtu = self.info.mtu_bytes
        if len(data) > mtu:
            raise LocalProtocolError(
                f"a packet of {len(data)} bytes does not fit link {self.info.name}: MTU {mtu} bytes"
            )
        if not self._send(bytes(data)):
            return self._last_drop
        self.metrics.count(f"{self._layer}.tx_packets")
        self.metrics.count(f"{self._layer}.tx_bytes", len(data))
        return None

    def receive(self, timeout_s: float = 0.0) -> Received | None:
        """The next packet, waiting up to `timeout_s` for it; None if there was none.

        Raises LinkClosed when not open.
        """
        self._check_open()
        received = self._receive(max(0.0, timeout_s))
        if received is not None:
            self.metrics.count(f"{self._layer}.rx_packets")
            self.metrics.count(f"{self._layer}.rx_bytes", len(received.data))
        return received

    def ready(self) -> bool:
        """Whether a packet sent now would leave at once (as far as this side can know)."""
        return self._is_open

    def outage(self) -> str | None:
        """Why an open link carries nothing now, in words for the operator; None: it does, or cannot know. It ends by
        itself, without opening the link again."""
        return None

    def _check_open(self) -> None:
        if not self._is_open:
            raise LinkClosed(f"link {self.info.name} is not open")

    def _drop_tx(self, reason: Drop) -> None:
        self._last_drop = reason
        self.metrics.count(f"{self._layer}.tx_drop_{reason.value}")

    def _drop_rx(self, reason: Drop) -> None:
        self.metrics.count(f"{self._layer}.rx_drop_{reason.value}")

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    @abstractmethod
    def _send(self, data: bytes) -> bool:
        """Send; False if the packet was dropped (and counted by `_drop_tx`)."""

    @abstractmethod
    def _receive(self, timeout_s: float) -> Received | None: ...
