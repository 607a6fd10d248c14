"""A raw log read again by the driver of a profile: what it would have said.

Rule: pure but for reading the files; the driver's own output goes nowhere, its clock is that of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from firmware_bridge.driver import ModemDriver, ModemEvent
from firmware_bridge.profile import load_profile
from firmware_bridge.raw_log import Mark, Record, read_log
from firmware_bridge.registry import build_driver
from gateway.metrics import Metrics


def replay(records: Iterable[Record], driver: ModemDriver) -> Iterator[tuple[Record, ModemEvent]]:
    """What the driver says to each record that made it speak. Packets that were sent are not sent again."""
    is_open = False
    for record in records:
        if record.mark is Mark.NOTE and record.text.startswith("open "):
            driver.port_opened(record.at_s)
            is_open = True
        elif record.mark is Mark.FROM_MODEM:
            if not is_open:  # the log begins in the middle
                driver.port_opened(record.at_s)
                is_open = True
            driver.tick(record.at_s)
            driver.receive_data(record.data, record.at_s)
        driver.take_output()
        for event in driver.take_events():
            yield record, event


def replay_lines(profile: Path, log: Path) -> Iterator[str]:
    """For people: events with their times, then what was counted. Raises ConfigError."""
    metrics = Metrics()
    driver = build_driver(load_profile(profile if profile.is_file() else str(profile)), metrics, Random(0))
    for record, event in replay(read_log(log), driver):
        yield f"{record.wall} {record.at_s:14.6f} {event}"
    for name, value in metrics.snapshot().items():
        yield f"{name} {value:g}"
