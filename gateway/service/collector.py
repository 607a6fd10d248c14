"""A station's figures as Prometheus families, made anew at each scrape from its counters and its newest snapshot.

Rule: reads, never asks: a scrape costs the media thread two copies of a table. Every family is there from the first
scrape on, so that dashboards and alerts can rely on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.control.hub import ControlHub
from gateway.control.snapshot import DeviceView, ReceptionView, Snapshot
from gateway.metrics import Metrics
from gateway.service.metric_names import (
    COUNTERS,
    GAUGES,
    LABELLED,
    PREFIX,
    Metric as Name,
    counter_of,
    gauge_of,
)
from gateway.service.words import ON_AIR

WAITING = frozenset({"waiting", "queued", "sending", "outbox", "paused"})
"""States of outgoing messages that are not through."""

Values = Iterable[tuple[tuple[str, ...], float | None]]


class StationCollector(Collector):
    """Registered with a registry of its own by the exporter."""

    def __init__(self, hub: ControlHub, metrics: Metrics) -> None:
        self._hub, self._metrics = hub, metrics

    def collect(self) -> Iterator[Metric]:
        """All families; label `station` is the name, "" before the station's first turn."""
        snapshot = self._hub.snapshot
        station = "" if snapshot is None else snapshot.station.name
        counters, gauges = self._metrics.split()
        taken = set()
        for family in _tables(station, counters, gauges):
            taken.add(family.name)
            yield family
        made = _Maker(station)
        for family in _views(made, snapshot):
            if family.name not in taken:
                yield family
        yield made.counter("control_requests_dropped", "Requests of consoles dropped: too many waited.", self._hub.dropped)


def _tables(station: str, counters: dict[str, int] | Iterable[object], gauges: object) -> Iterator[Metric]:
    raise NotImplementedError
