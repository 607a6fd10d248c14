"""The channel process: stations connect, and each hears the others through a channel of its own per direction.

Rule: this shell moves bytes and time; what happens to a packet is decided by gateway.links.channel_core. It sleeps in
one place, until a message comes or the next packet is due, and does nothing that takes longer than a few milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog

from gateway.channel.spec_file import ChannelProcessConfig
from gateway.clock import Clock, SystemClock
from gateway.links.channel_control import MAX_REQUEST_BYTES, answer
from gateway.links.channel_core import MAX_STATIONS, ChannelCore, ChannelReport
from gateway.links.channel_statistics import Board, LogBoard
from gateway.links.curve import Curve
from gateway.links.router import ReplySocket, StationRouter

__all__ = ["MAX_STATIONS", "ChannelProcess", "ChannelReport"]

MESSAGES_A_TURN = 256
"""Messages handled before looking at anything else, so that a flood stops neither statistics nor control."""


TURN_S = 1.0


class ChannelProcess:
    """`config` served over ZeroMQ from construction (which listens, or raises LinkError) to the end of `run`.

    `endpoint` and `control` are the addresses in use. `stop` may be called from any thread or signal handler.
    """

    def __init__(
        self,
        config: ChannelProcessConfig,
        clock: Clock | None = None,
        curve: Curve | None = None,
        board: Board | None = None,
    ) -> None:
        """`board` shows the figures every `config.statistics_s` (None: they are logged)."""
        self._config = config
        self._clock = clock if clock is not None else SystemClock()
        self._board: Board = LogBoard() if board is None else board
        self._log = structlog.get_logger("clarilink.channel")
        self._router = StationRouter(config.endpoint, curve)
        self.endpoint = self._router.endpoint
        self._refused: Counter[str] = Counter()
        self._control: ReplySocket | None = None
        if config.control is not None:
            try:
                self._control = ReplySocket(config.control, curve, MAX_REQUEST_BYTES, self._count_refused)
            except Exception:
                self._router.close()
                raise
            self._router.also_wait_for(self._control)
        self.control = None if self._control is None else self._control.endpoint
        self._core = ChannelCore(config, self._clock.now())
        self._stopping = False

    def stop(self) -> None:
        """Make `run` return soon; packets under way are dropped."""
        self._stopping = True
        self._router.wake()

    def close(self) -> None:
        """Stop listening without a `run`; nothing if done already."""
        self._router.close()
        if self._control is not None:
            self._control.close()

    def report(self) -> ChannelReport:
        """The figures so far."""
        dropped = dict(self._core.dropped + self._router.refused + self._refused)
        return ChannelReport(self._core.network.stats(), self._core.network.collisions, dropped)

    def late_s(self) -> list[float]:
        """How much later than due each of the latest packets was handed on, ascending."""
        return self._core.late_s

    def run(self, alive: Callable[[], None] = lambda: None) -> ChannelReport:
        """Carry packets until `stop`, then close; returns the figures. Not to be called again.

        `alive` is called every turn, at least once in `TURN_S`.
        """
        self._log.info(
            "channel listens", endpoint=self.endpoint, channel=self._config.default.name, control=self.control
        )
        statistics_s = self._clock.now() + self._config.statistics_s
        is_all_prepared = True
        try:
            while not self._stopping:
                due_s = self._core.network.next_due_s
                until = statistics_s if due_s is None else min(due_s, statistics_s)
                self._router.wait(min(TURN_S, until - self._clock.now()) if is_all_prepared else 0.0)
                alive()
                self._receive()
                self._deliver()
                if self._control is not None:
                    self._control.serve(self._answer)
                is_all_prepared = not self._core.prepare()
                if self._clock.now() >= statistics_s:
                    statistics_s = max(statistics_s + self._config.statistics_s, self._clock.now())
                    self._core.forget_the_absent(self._clock.now())
                    self._board.show(self._core, self._clock.now())
        finally:
            self.close()
        self._board.close(self._core, self._clock.now())
        return self.report()

    def _receive(self) -> None:
        for _ in range(MESSAGES_A_TURN):
            message = self._router.receive()
            if message is None:
                return
            for address, data in self._core.handle(*message, self._clock.now()):
                self._router.send_bytes(address, data)
            due_s = self._core.network.next_due_s
            if due_s is not None and due_s <= self._clock.now():
                return  # nobody's packets wait for another's

    def _deliver(self) -> None:
        for address, data, due_s in self._core.deliver(self._clock.now()):
            self._router.send_bytes(address, data)
            self._core.handed_on(self._clock.now() - due_s)

    def _answer(self, request: bytes) -> bytes:
        return answer(self._core, request, self._clock.now(), self._router.refused + self._refused)

    def _count_refused(self, name: str) -> None:
        self._refused[f"control_{name}"] += 1
