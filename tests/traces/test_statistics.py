"""What is fitted is what was put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.channel.spec_file import load_channel
from gateway.traces.flights import Flights, flights_of
from gateway.traces.statistics import burst_lengths, channel_toml, fit_path, wilson
from gateway.traces.table import TableBuilder

N = 100_000


def run(spec: ChannelSpec, seed: int, n: int = N) -> Flights:
    """`n` packets through a channel, one every 0.1 s."""
    channel = Channel(spec, np.random.default_rng(seed))
    arrivals = [channel.send(b"", 0.1 * number) for number in range(n)]
    sent_s = 0.1 * np.arange(n)
    delay_s = np.array([found[0].at_s if found else np.nan for found in arrivals]) - sent_s
    builder = TableBuilder()
    outcomes = ["delivered" if found else "lost" for found in arrivals]
    builder.add_columns(n, {"direction": "tx", "outcome": outcomes, "at_s": sent_s, "delay_s": delay_s})
    return flights_of(builder.build(), "alpha")["alpha > all"]


@pytest.mark.parametrize(
    ("loss", "mean_burst", "seed"), [(0.1, 2.0, 1), (0.2, 8.0, 2), (0.05, 3.0, 3), (0.018, 1.5, 4), (0.5, 4.0, 5)]
)
def test_loss_and_mean_burst_are_recovered_within_5_percent(loss: float, mean_burst: float, seed: int) -> None:
    fit = fit_path(run(ChannelSpec("x", loss=loss, mean_burst=mean_burst), seed))
    assert fit.loss is not None
    assert fit.mean_burst is not None
    assert fit.loss.value == pytest.approx(loss, rel=0.05)
    assert fit.mean_burst.value == pytest.approx(mean_burst, rel=0.05)
    assert sum(length * count for length, count in fit.bursts.items()) == fit.lost


def test_the_intervals_hold_the_truth_as_often_as_they_say() -> None:
    spec = ChannelSpec("x", loss=0.1, mean_burst=4.0)
    held = np.zeros(2)
    for seed in range(100):
        fit = fit_path(run(spec, seed, 2000))
        assert fit.loss is not None
        assert fit.mean_burst is not None
        held += [fit.loss.low <= 0.1 <= fit.loss.high, fit.mean_burst.low <= 4 <= fit.mean_burst.high]
    assert np.all(held >= 100 * 0.87)  # of 95 %: nearly four standard deviations of 100 trials below it


def test_the_fitted_channel_file_loads_and_does_the_same(tmp_path: Path) -> None:
    fit = fit_path(run(ChannelSpec("x", loss=0.2, mean_burst=3.0, delay_ms=250, jitter_ms=30, ordered=False), 6))
    path = tmp_path / "fitted.toml"
    path.write_text(channel_toml(fit, 'a "day" at\nsea'), encoding="utf-8")
    spec = load_channel(path)
    assert spec.delay_ms == pytest.approx(250, abs=2)
    assert spec.jitter_ms == pytest.approx(30, rel=0.05)
    assert not spec.ordered  # some packets overtook others
    again = fit_path(run(spec, 7))
    assert again.loss is not None
    assert fit.loss is not None
    assert again.loss.value == pytest.approx(fit.loss.value, rel=0.05)


def test_percentiles_reordering_and_edges() -> None:
    builder = TableBuilder()
    delays = [0.1, 0.5, 0.1, np.nan]
    outcomes = ["delivered", "delivered", "delivered", "lost"]
    builder.add_columns(4, {"direction": "tx", "outcome": outcomes, "at_s": [0, 0.1, 0.2, 0.3], "delay_s": delays})
    fit = fit_path(flights_of(builder.build())["here > all"])
    assert (fit.delay_ms["min"], fit.delay_ms["max"]) == (100, 500)
    assert fit.reordered == pytest.approx(1 / 3)
    assert (fit.packets, fit.lost, fit.longest_burst) == (4, 1, 1)
    assert fit.mean_burst is None  # it never came back


@pytest.mark.parametrize("outcome", ["delivered", "lost"])
def test_all_or_nothing_has_no_burst_but_a_bounded_loss(outcome: str) -> None:
    builder = TableBuilder()
    builder.add_columns(50, {"direction": "tx", "outcome": outcome, "at_s": np.arange(50.0)})
    fit = fit_path(flights_of(builder.build())["here > all"])
    assert fit.loss is not None
    assert fit.loss.value == (outcome == "lost")
    assert fit.loss.high - fit.loss.low == pytest.approx(0.0714, abs=0.001)
    assert "mean_burst" not in channel_toml(fit, "x")


def test_losses_of_a_receivers_trace_are_found_from_its_numbers() -> None:
    numbers = [0, 1, 4, 5, 0, 2, 3, 3]
    overs = [7, 7, 7, 7, 8, 8, 8, 8]
    builder = TableBuilder()
    builder.add_columns(
        8,
        {
            "direction": "rx",
            "outcome": "delivered",
            "at_s": [0, 1, 4, 5, 20, 22, 23, 23.1],
            "sequence": numbers,
            "over": overs,
        },
    )
    flights = flights_of(builder.build(), "bravo")["others > bravo"]
    assert flights.inferred == flights.n_lost == 3
    assert flights.sent_s[flights.is_lost].tolist() == [2, 3, 21]
    assert len(flights) == 11


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, table I, method 3 (score without continuity correction).
    for hits, trials, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        estimate = wilson(hits, trials)
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-5)


def test_burst_lengths() -> None:
    assert burst_lengths(np.array([1, 0, 1, 1, 0, 0, 1, 1, 1], bool)).tolist() == [1, 2, 3]
    assert burst_lengths(np.zeros(0, bool)).tolist() == []
