"""The station's hold on its link: opened, given up, opened again; sends what it is given or counts it.

Rule: called from the media thread only; what goes wrong becomes an event and a line, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.clock import Clock
from gateway.errors import LinkError, LocalProtocolError
from gateway.links.base import Link, LinkInfo, Received
from gateway.links.recorded import LinkRecording, RecordedLink
from gateway.metrics import Metrics
from gateway.session.events import LinkLost, LinkRestored
from gateway.telling import Level, Say

WAIT_S = 0.01
"""How long one turn waits for a packet: half an audio block."""
REST_WAIT_S = 0.02
"""The same while nobody talks or is heard: a packet ends the wait, and half the turns are half the load."""
PACKETS_A_TURN = 64
RETRY_S = 2.0


class LinkKeeper:
    """`on_change` is told when the link begins or ceases to carry packets."""

    def __init__(
        self,
        link: Link,
        clock: Clock,
        metrics: Metrics,
        say: Say,
        on_change: Callable[[LinkLost | LinkRestored], None],
    ) -> None:
        """Opens `link`. Raises LinkError if that is impossible."""
        self._link, self._clock, self._metrics = link, clock, metrics
        self._say, self._on_change = say, on_change
        self._retry_s: float | None = None
        self.outage: str | None = None
        """Why the link carries nothing now, in words."""
        link.open()

    @property
    def info(self) -> LinkInfo:
        """The link's own account of itself."""
        return self._link.info

    @property
    def recording(self) -> LinkRecording | None:
        """Its trace, if one is recorded."""
        return self._link.recording if isinstance(self._link, RecordedLink) else None

    @property
    def is_open(self) -> bool:
        """Whether packets can be given to it, if only to wait there."""
        return self._retry_s is None

    @property
    def is_up(self) -> bool:
        """Whether it carries packets."""
        return self.outage is None

    @property
    def is_ready(self) -> bool:
        """Whether a packet sent now would leave at once."""
        return self.is_open and self._link.ready()

    def watch(self) -> None:
        """A link that stays open may carry nothing for a while (a modem unplugged, dialling): it says so itself."""
        if self._retry_s is not None:
            return
        outage = self._link.outage()
        was_up, self.outage = self.is_up, outage
        if outage is not None and was_up:
            self._metrics.count("link.outages")
            self._on_change(LinkLost(outage))
        elif outage is None and not was_up:
            self._on_change(LinkRestored())

    def send(self, packets: list[bytes]) -> list[bytes]:
        """Give packets to the link; returns those that left."""
        if self._retry_s is not None:
            self._metrics.count("tx.dropped.no_link", len(packets))
            return []
        left = []
        for packet in packets:
            try:
                if self._link.send(packet) is None:
                    left.append(packet)
            except LinkError as error:
                self._lose(error)
                return left
            except LocalProtocolError as error:
                # A packet over the MTU: said once per over by the count, never a reason to stop talking.
                self._metrics.count("tx.dropped.mtu")
                self._say(str(error), Level.WARNING)
        return left

    def receive(self, wait_s: float = WAIT_S) -> Iterator[Received]:
        """What has arrived, waiting at most `wait_s` for the first."""
        if self._retry_s is not None:
            now = self._clock.now()
            self._clock.sleep(wait_s)
            if now >= self._retry_s:
                self._open_again()
            return
        for _ in range(PACKETS_A_TURN):
            try:
                received = self._link.receive(wait_s)
            except LinkError as error:
                self._lose(error)
                return
            if received is None:
                return
            yield received
            wait_s = 0.0

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def _lose(self, error: LinkError) -> None:
        self._metrics.count("link.lost")
        self._say(f"link lost: {error}", Level.WARNING)
        self._retry_s = self._clock.now() + RETRY_S
        self.outage = str(error)
        self._on_change(LinkLost(str(error)))

    def _open_again(self) -> None:
        self._link.close()
        try:
            self._link.open()
        except LinkError:
            self._retry_s = self._clock.now() + RETRY_S
            return
        self._retry_s = self.outage = None
        self._on_change(LinkRestored())
