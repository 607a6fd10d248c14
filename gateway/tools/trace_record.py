"""A link recorded without a station: it is opened, what it hears is written down, nothing is sent."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

from gateway.clock import SystemClock
from gateway.config import StationConfig, TraceSection, load_toml
from gateway.errors import LinkError
from gateway.metrics import Metrics
from gateway.station.link import build_link

WAIT_S = 0.2
RETRY_S = 2.0


def record_link(config: Path, output: Path | None, seconds: float | None, say: Callable[[str], None]) -> str:
    """Record until SIGINT, SIGTERM or the time is over; a line of figures. Raises ConfigError, TraceError."""
    station = load_toml(config, StationConfig)
    if output is not None or station.trace is None:
        section = TraceSection(record=Path("traces") if output is None else output)
        station = station.model_copy(update={"trace": section})
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock, metrics = SystemClock(), Metrics()
    link = build_link(station, clock, metrics, say)
    until_s = None if seconds is None else clock.now() + seconds
    heard, retry_s = 0, 0.0
    try:
        while not stop.is_set() and (until_s is None or clock.now() < until_s):
            try:
                if clock.now() < retry_s:
                    stop.wait(WAIT_S)
                    continue
                link.open()
                link.outage()
                heard += link.receive(WAIT_S) is not None
            except LinkError as error:
                say(f"link lost: {error}")
                link.close()
                retry_s = clock.now() + RETRY_S
    finally:
        link.close()
    return f"{heard} packets heard"
