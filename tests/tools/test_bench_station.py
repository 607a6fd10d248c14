"""The station's bench starts a real one and reads figures off it that can be true."""

from __future__ import annotations

import pytest

from gateway.errors import GatewayError
from gateway.tools import bench_station
from gateway.tools.bench_station import station_figures


def test_figures_of_a_station(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_station, "STARTS", 1)
    monkeypatch.setattr(bench_station, "IDLE_S", 1.0)
    monkeypatch.setattr(bench_station, "TALK_S", 2.0)
    figures = station_figures()
    assert set(figures) == {"start_to_ready_s", "peak_memory_mb", "idle_cpu_share", "talking_cpu_share"}
    assert 50 < figures["peak_memory_mb"] < 2000
    assert 0 <= figures["idle_cpu_share"] < figures["talking_cpu_share"]
    assert figures["start_to_ready_s"] > 0


def test_a_station_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_station, "STATION", "[station]\nname = {input}")
    with pytest.raises(GatewayError, match=r"did not start: .*station"):
        station_figures()
