"""A modem as a link of the station.

Rule: once open it stays open, whatever becomes of port and modem: an `outage` says what is wrong, in words, and ends by
itself. What cannot leave during one is dropped, for live voice that comes late is worth nothing; what the driver has
accepted it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard, PacketLost, StatusChanged
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import build_driver
from firmware_bridge.runner import KeyerLike, ModemRunner
from gateway.clock import Clock, SystemClock
from gateway.errors import LinkError
from gateway.links.base import Drop, Link, LinkInfo, Received
from gateway.metrics import Metrics

READY_WAIT_S = 0.5
"""`open` waits so long for a modem that needs no greeting, so that nobody is told of an outage that is none."""
TELL_EVERY_S = 10.0
"""The same reason for a lost packet is told again after this long."""


def with_settings(profile: ModemProfile, settings: dict[str, Any]) -> ModemProfile:
    """The profile with some of its [settings] replaced: the number to dial, the remote address."""
    return profile.model_copy(update={"settings": {**profile.settings, **settings}})


class ModemLink(Link):
    """A modem of `profile` at `address`; it waits in real time, so `clock` should be a SystemClock.

    Drops: `tx_drop_no_peer` while the modem is not ready, `tx_drop_queue_full`, `rx_drop_oversize`. Counters of drivers
    and of the port are named `modem.*`; what a modem measures becomes gauges `modem.NAME`.
    """

    def __init__(
        self,
        profile: ModemProfile,
        address: str | Sequence[str],
        *,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
        raw_log: Path | None = None,
        on_status: Callable[[str], None] | None = None,
        on_measured: Callable[[str, float], None] | None = None,
        make_keyer: Callable[[], tuple[KeyerLike, Callable[[bool], None] | str]] | None = None,
    ) -> None:
        """`on_status` gets lines for the operator, `on_measured` what the modem measures, both from the thread that
        receives. `make_keyer` gives a keyer and what it switches, each time the link is opened. Raises ConfigError for
        a wrong profile."""
        super().__init__(metrics)
        self._profile, self._address = profile, address
        self._clock = SystemClock() if clock is None else clock
        self._rng = Random() if rng is None else rng
        self._raw_log, self._on_status, self._make_keyer = raw_log, on_status, make_keyer
        self._on_measured = on_measured
        self._info = build_driver(profile, self.metrics, self._rng).info
        self._runner: ModemRunner | None = None
        self._told: dict[str, float] = {}

    @property
    def info(self) -> LinkInfo:
        if self._runner is not None:
            self._info = self._runner.info
        return self._info

    @property
    def runner(self) -> ModemRunner | None:
        """What runs the modem while the link is open."""
        return self._runner

    def ready(self) -> bool:
        return self._is_open and self._runner is not None and self._runner.can_send()

    def outage(self) -> str | None:
        if self._runner is None or self._runner.status is ModemStatus.READY:
            return None
        return f"modem {self._runner.status.value}: {self._runner.status_text}"

    def _open(self) -> None:
        keyer, line = (None, "rts") if self._make_keyer is None else self._make_keyer()
        driver = build_driver(self._profile, self.metrics, self._rng)
        self._runner = ModemRunner(
            driver,
            self._address,
            clock=self._clock,
            metrics=self.metrics,
            raw_log=self._raw_log,
            keyer=keyer,
            key_line=line,
        )
        self._runner.start()
        self._runner.wait_for(ModemStatus.READY, READY_WAIT_S)

    def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            self._info = runner.info
            runner.stop()

    def _send(self, data: bytes) -> bool:
        runner = self._running()
        if runner.status is not ModemStatus.READY:
            self._drop_tx(Drop.NO_PEER)
            return False
        if runner.send(data) is None:
            self._drop_tx(Drop.QUEUE_FULL)
            return False
        return True

    def _receive(self, timeout_s: float) -> Received | None:
        runner = self._running()
        deadline = self._clock.now() + timeout_s
        while True:
            event = runner.next_event(max(0.0, deadline - self._clock.now()))
            match event:
                case PacketHeard(data) if len(data) > runner.info.mtu_bytes:
                    self._drop_rx(Drop.OVERSIZE)
                case PacketHeard(data, snr_db, one_probability):
                    return Received(data, self._clock.now(), snr_db, one_probability)
                case StatusChanged(status, text):
                    self._tell(f"modem {status.value}" + ("" if text == status.value else f": {text}"))
                case PacketLost(_, reason):
                    self.metrics.count("modem.packets_lost")
                    self._tell_now_and_then(f"packet not sent: {reason}")
                case Measured(name, value):
                    self.metrics.gauge(f"modem.{name}", value)
                    if self._on_measured is not None:
                        self._on_measured(name, value)
                case None if self._clock.now() >= deadline or runner.failure is not None:
                    return None
                case _:
                    pass

    def _running(self) -> ModemRunner:
        if self._runner is None or self._runner.failure is not None:
            why = "is closed" if self._runner is None else f"failed: {self._runner.failure!r}"
            raise LinkError(f"modem {self._profile.name} {why}")
        return self._runner

    def _tell(self, line: str) -> None:
        if self._on_status is not None:
            self._on_status(line)

    def _tell_now_and_then(self, line: str) -> None:
        now = self._clock.now()
        if now - self._told.get(line, float("-inf")) >= TELL_EVERY_S:
            self._told = {line: now}
            self._tell(line)
