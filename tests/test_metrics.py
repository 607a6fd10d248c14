"""Counters add up from any number of threads."""

from __future__ import annotations

import threading

from gateway.metrics import Metrics


def test_counts_from_threads_add_up() -> None:
    metrics = Metrics()

    def work() -> None:
        for _ in range(2000):
            metrics.count("a")
            metrics.count("b", 3)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.snapshot() == {"a": 8000, "b": 24_000}


def test_gauges_hold_the_last_value_and_unknown_counters_are_zero() -> None:
    metrics = Metrics()
    metrics.gauge("level", -20.5)
    metrics.gauge("level", -30.0)
    assert metrics.snapshot() == {"level": -30.0}
    assert metrics.counter("never") == 0


def test_a_snapshot_is_a_copy() -> None:
    metrics = Metrics()
    metrics.count("a")
    before = metrics.snapshot()
    metrics.count("a")
    assert before == {"a": 1}
