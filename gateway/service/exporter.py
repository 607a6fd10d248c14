"""Metrics for Prometheus at http://BIND/metrics, by its own client (extra `metrics`).

Rule: a registry of its own, threads of its own; a scrape never waits for the station nor the other way round.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.config import MetricsSection
from gateway.control.hub import ControlHub
from gateway.errors import ConfigError
from gateway.metrics import Metrics

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

JOIN_S = 5.0


def available() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("prometheus_client") is not None


class MetricsExporter:
    """Serves from `start` to `stop`."""

    def __init__(self, section: MetricsSection, hub: ControlHub, metrics: Metrics, say: Callable[[str], None]) -> None:
        """`say` gets lines for the log. Raises ConfigError where the extra is missing."""
        if not available():
            raise ConfigError("[metrics] is set, but prometheus_client is not installed; install clarilink[metrics]")
        self._section, self._hub, self._metrics, self._say = section, hub, metrics, say
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """HOST:PORT it listens at, as configured before `start`."""
        host = self._section.bind.rpartition(":")[0]
        return self._section.bind if self._server is None else f"{host}:{self._server.server_port}"

    def start(self) -> None:
        """Listen. Raises ConfigError naming metrics.bind."""
        from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

        from gateway.service.collector import StationCollector

        registry = CollectorRegistry()
        registry.register(StationCollector(self._hub, self._metrics))
        ProcessCollector(registry=registry)
        host, _, port = self._section.bind.rpartition(":")
        try:
            self._server, self._thread = start_http_server(int(port), host.strip("[]"), registry)
        except OSError as error:
            raise ConfigError(
                f"metrics.bind: cannot listen at {self._section.bind}: {error.strerror or error}"
            ) from error
        self._say(f"metrics at http://{self.address}/metrics")

    def stop(self) -> None:
        """Close; nothing if not started."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(JOIN_S)
        self._server = None
